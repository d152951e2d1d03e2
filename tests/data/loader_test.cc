#include "data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <set>
#include <thread>

#include "core/pool.h"
#include "tests/core/temp_folder.h"
#include "tests/data/image_files.h"

namespace bantam {
namespace {

Dataset small_dataset(int64_t count, int c = 3) {
  Dataset d;
  d.name = "made";
  d.count = count;
  d.h = 5;
  d.w = 4;
  d.c = c;
  for (int64_t i = 0; i < count * d.image_bytes(); ++i) d.images.push_back(uint8_t(i * 2654435761u >> 13));
  for (int64_t i = 0; i < count; ++i) d.labels.push_back(int32_t(i * 7 % 10));
  for (int i = 0; i < 10; ++i) d.class_names.push_back(std::to_string(i));
  return d;
}

BatchSpec training(int64_t batch) {
  BatchSpec s;
  s.batch = batch;
  s.shuffle = true;
  s.seed = 5;
  s.sample.augment.pad = 1;
  s.sample.augment.flip = true;
  s.mean = {0.4, 0.5, 0.6};
  s.std = {0.2, 0.3, 0.4};
  return s;
}

std::string bytes_of(const Batch& b) {
  std::string s(reinterpret_cast<const char*>(b.x.data<float>()), b.x.bytes());
  s.append(reinterpret_cast<const char*>(b.y.data<int32_t>()), b.y.bytes());
  s.append(reinterpret_cast<const char*>(b.indices.data()), 4 * b.indices.size());
  return s + std::to_string(b.epoch) + "/" + std::to_string(b.step) + (b.last_of_epoch ? " last" : "");
}

std::vector<std::string> run(Loader& loader, int64_t batches) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < batches; ++i) all.push_back(bytes_of(loader.next()));
  return all;
}

TEST_CASE("loader: each index once an epoch, another order each epoch, the last batch is the rest") {
  const Dataset data = small_dataset(23);
  Loader loader(data, training(5));
  REQUIRE(loader.steps_per_epoch() == 5);
  std::vector<std::vector<uint32_t>> orders;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<uint32_t> seen;
    for (int64_t step = 0; step < 5; ++step) {
      const Batch& b = loader.next();
      CHECK(b.epoch == epoch);
      CHECK(b.step == step);
      CHECK(b.last_of_epoch == (step == 4));
      CHECK(b.size() == (step == 4 ? 3 : 5));
      CHECK(b.x.shape() == Shape{b.size(), 5, 4, 3});
      CHECK(b.y.shape() == Shape{b.size()});
      CHECK(b.y.dtype() == DType::kI32);
      for (int64_t i = 0; i < b.size(); ++i) CHECK(b.y.at(i) == data.labels[b.indices[size_t(i)]]);
      seen.insert(seen.end(), b.indices.begin(), b.indices.end());
    }
    orders.push_back(seen);
    std::sort(seen.begin(), seen.end());
    std::vector<uint32_t> all(23);
    std::iota(all.begin(), all.end(), 0);
    CHECK(seen == all);
  }
  CHECK(orders[0] != orders[1]);
  CHECK(orders[1] != orders[2]);
}

TEST_CASE("loader: drop_last leaves out a batch that is not full") {
  const Dataset data = small_dataset(23);
  BatchSpec spec = training(5);
  spec.drop_last = true;
  Loader loader(data, spec);
  REQUIRE(loader.steps_per_epoch() == 4);
  for (int i = 0; i < 8; ++i) CHECK(loader.next().size() == 5);
  CHECK(loader.next().epoch == 2);
}

TEST_CASE("loader: without shuffle and augmentation a batch is the normalized images in their order") {
  const Dataset data = small_dataset(7);
  BatchSpec spec;
  spec.batch = 4;
  spec.mean = {0.25};
  spec.std = {0.5};
  Loader loader(data, spec);
  const auto table = normalize_table(0.25, 0.5);
  for (int64_t first : {0, 4, 0, 4}) {
    const Batch& b = loader.next();
    for (int64_t i = 0; i < b.size(); ++i) CHECK(b.indices[size_t(i)] == first + i);
    for (int64_t i = 0; i < b.x.size(); ++i)
      REQUIRE(b.x.data<float>()[i] == table[data.images[size_t(first * data.image_bytes() + i)]]);
  }
}

TEST_CASE("loader: any number of workers and any queue gives the same bytes") {
  const Dataset data = small_dataset(23);
  Loader plain(data, training(5), {0, 1});
  CHECK(plain.workers() == 0);
  const auto want = run(plain, 40);
  for (const int workers : {1, 2, 4})
    for (const int ahead : {1, 2, 9}) {
      Loader loader(data, training(5), {workers, ahead});
      CHECK(run(loader, 40) == want);
    }
}

TEST_CASE("loader: a sample looks the same whatever batch it falls in") {
  const Dataset data = small_dataset(23);
  const Batcher small(data, training(2)), large(data, training(23));
  const Batch all = large.make(4, 0);
  const int64_t n = data.image_bytes();
  for (int64_t step = 0; step < small.steps_per_epoch(); ++step) {
    const Batch b = small.make(4, step);
    CHECK(memcmp(b.x.data<float>(), all.x.data<float>() + 2 * step * n, b.x.bytes()) == 0);
  }
}

TEST_CASE("loader: after seek come the very batches of an uninterrupted run") {
  const Dataset data = small_dataset(23);
  for (const int workers : {0, 1, 3}) {
    Loader loader(data, training(5), {workers, 3});
    const auto all = run(loader, 20);
    const auto from = [&](int64_t first) { return std::vector<std::string>(all.begin() + first, all.end()); };
    for (const int64_t first : {0, 1, 4, 5, 13}) {
      Loader resumed(data, training(5), {workers, 3});
      resumed.seek(first / 5, first % 5);
      CHECK(run(resumed, 20 - first) == from(first));
      resumed.seek(first / 5, first % 5);  // backwards, with batches in the queue
      CHECK(run(resumed, 20 - first) == from(first));
    }
    loader.seek(1, 5);  // the end of epoch 1 is the start of epoch 2
    CHECK(run(loader, 10) == from(10));
    CHECK_THROWS_WITH_AS(loader.seek(1, 6), "loader: cannot seek to step 6 of epoch 1, an epoch has 5 steps", Error);
    CHECK_THROWS_AS(loader.seek(-1, 0), Error);
  }
}

TEST_CASE("loader: an exception comes out in its batch's turn, and the loader can be destroyed or used after it") {
  Dataset data = small_dataset(23);
  data.labels[11] = 10;
  BatchSpec spec = training(5);
  spec.shuffle = false;
  for (const int workers : {0, 1, 4}) {
    Loader loader(data, spec, {workers, 3});
    CHECK(loader.next().step == 0);
    CHECK(loader.next().step == 1);
    CHECK_THROWS_WITH_AS(loader.next(), "loader: sample 11 has label 10, the data set has 10 classes", Error);
    CHECK(loader.next().step == 3);
  }
}

TEST_CASE("loader: a tensor that is kept stays as it is, one that is not kept costs no new memory") {
  const Dataset data = small_dataset(23);
  Loader loader(data, training(5), {1, 2});
  const Tensor kept = loader.next().x;
  const auto before = kept.values();
  for (int i = 0; i < 12; ++i) loader.next();
  CHECK(kept.values() == before);
  const auto live = pool_stats().live_bytes;
  for (int i = 0; i < 12; ++i) loader.next();
  CHECK(pool_stats().live_bytes == live);
}

TEST_CASE("loader: works ahead, and can be destroyed at any moment") {
  const Dataset data = small_dataset(400);
  for (int taken = 0; taken < 20; ++taken) {
    Loader loader(data, training(8), {3, 4});
    for (int i = 0; i < taken; ++i) loader.next();
  }
  Loader loader(data, training(8), {1, 2});
  if (loader.workers() == 0) return;  // serial build
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double waited = loader.wait_seconds();
  loader.next();
  loader.next();
  CHECK(loader.wait_seconds() == waited);  // both were ready
}

// An image folder of pictures of many sizes.
Dataset folder_dataset(const std::string& dir, int count) {
  for (int i = 0; i < count; ++i) {
    Image picture = made_picture(9 + i % 5, 8 + i % 7, 3);
    for (uint8_t& v : picture.pixels) v = uint8_t(v + 11 * i);
    const std::string folder = dir + "/class" + std::to_string(i % 3);
    std::filesystem::create_directories(folder);
    write_png(folder + "/" + std::to_string(i) + ".png", picture);
  }
  return open_dataset(dir, Split::kTrain, "image-folder");
}

BatchSpec augmented(int64_t batch) {
  BatchSpec s;
  s.batch = batch;
  s.shuffle = true;
  s.seed = 7;
  s.sample.h = 6;
  s.sample.w = 5;
  s.sample.augment.flip = true;
  s.sample.augment.crop.on = true;
  s.sample.augment.color = {0.4, 0.4, 0.4, 0.1};
  s.sample.augment.lighting.stddev = 0.1;
  s.mean = {0.4, 0.5, 0.6};
  s.std = {0.2, 0.3, 0.4};
  return s;
}

TEST_CASE(
    "loader: images that are decoded as they are used give the same bytes in any number of workers, and after seek") {
  const TempFolder folder;
  const Dataset data = folder_dataset(folder.path(), 23);
  REQUIRE(!data.decoded());
  Loader plain(data, augmented(5), {0, 1});
  CHECK(plain.next().x.shape() == Shape{5, 6, 5, 3});
  plain.seek(0, 0);
  const auto want = run(plain, 15);
  for (const int workers : {1, 2, 4}) {
    Loader loader(data, augmented(5), {workers, 2});
    CHECK(run(loader, 15) == want);
    loader.seek(1, 2);
    CHECK(run(loader, 8) == std::vector<std::string>(want.begin() + 7, want.end()));
  }
  CHECK(std::set<std::string>(want.begin(), want.end()).size() == 15);  // no two epochs alike
}

TEST_CASE("loader: images decoded once and images decoded as they are used are the same to a net") {
  const TempFolder folder;
  const Dataset files = part_of(folder_dataset(folder.path(), 1), 0, 1);
  Dataset decoded = files;
  Image image;
  load_image(files, 0, &image);
  decoded.h = image.h, decoded.w = image.w;
  decoded.images = image.pixels;
  decoded.files = FileNames();
  for (const bool crop : {true, false}) {
    BatchSpec spec = augmented(1);
    spec.sample.augment.crop.on = crop;
    CHECK(bytes_of(Batcher(files, spec).make(3, 0)) == bytes_of(Batcher(decoded, spec).make(3, 0)));
  }
}

TEST_CASE("loader: a damaged file is named in its batch's turn") {
  const TempFolder folder;
  const Dataset data = folder_dataset(folder.path(), 9);
  atomic_write(data.path(4), "no image");
  BatchSpec spec = augmented(2);
  spec.shuffle = false;
  for (const int workers : {0, 3}) {
    Loader loader(data, spec, {workers, 2});
    loader.next();
    loader.next();
    CHECK_THROWS_WITH_AS(loader.next(), (data.path(4) + ": neither a PNG nor a JPEG image").c_str(), FileError);
    CHECK(loader.next().step == 3);
  }
}

TEST_CASE("loader: waiting counts the time that next() makes a batch itself") {
  const Dataset data = small_dataset(400);
  Loader loader(data, training(400), {0, 1});
  CHECK(loader.wait_seconds() == 0);
  loader.next();
  CHECK(loader.wait_seconds() > 0);
}

TEST_CASE("loader: in a dry run batches have shapes and no memory, and no thread is started") {
  const Dataset data = small_dataset(23);
  const DryRun dry;
  Loader loader(data, training(5));
  CHECK(loader.workers() == 0);
  const Batch& b = loader.next();
  CHECK(b.x.shape() == Shape{5, 5, 4, 3});
  CHECK(b.x.raw() == nullptr);
}

TEST_CASE("batcher: what does not fit the data is refused") {
  const Dataset data = small_dataset(3);
  const auto make = [&](auto change) {
    BatchSpec spec = training(5);
    change(spec);
    Batcher b(data, spec);
  };
  CHECK_THROWS_WITH_AS(make([](BatchSpec& s) { s.batch = 0; }), "loader: batch 0 is not positive", Error);
  CHECK_THROWS_WITH_AS(make([](BatchSpec& s) { s.drop_last = true; }), "loader: 3 images give no full batch of 5",
                       Error);
  CHECK_THROWS_AS(make([](BatchSpec& s) { s.sample.augment.pad = -1; }), Error);
  CHECK_THROWS_AS(make([](BatchSpec& s) { s.sample.augment.pad = 5; }), Error);
  CHECK_THROWS_AS(make([](BatchSpec& s) { s.mean = {1, 2}; }), Error);
  CHECK_THROWS_WITH_AS(make([](BatchSpec& s) { s.sample.augment.crop.on = true; }),
                       "loader: crop padding and random resized crops exclude each other", Error);
  CHECK_THROWS_WITH_AS(make([](BatchSpec& s) { s.sample.resize = 4; }),
                       "loader: images resized to a shorter side of 4 do not cover 5x4", Error);
  CHECK_THROWS_AS(make([](BatchSpec& s) {
                    s.sample.augment.pad = 0;
                    s.sample.augment.crop = {true, 0.5, 0.4, 1, 1};
                  }),
                  Error);
  const Dataset gray = small_dataset(3, 1);
  BatchSpec lit = training(2);
  lit.mean = {0}, lit.std = {1};
  lit.sample.augment.lighting.stddev = 0.1;
  CHECK_THROWS_WITH_AS(Batcher(gray, lit), "loader: lighting is for images of three channels", Error);
  Dataset files = small_dataset(1);
  files.images.clear();
  files.h = files.w = 0;
  files.files.add("a.png");
  CHECK_THROWS_WITH_AS(Batcher(files, training(2)),
                       "loader: the images have sizes of their own: say which size they are brought to", Error);
  CHECK_THROWS_AS(Batcher(data, training(5)).make(0, 1), Error);
  CHECK_THROWS_AS(Loader(data, training(2), {-1, 1}), Error);
  CHECK_THROWS_AS(Loader(data, training(2), {1, 0}), Error);
  Dataset broken = small_dataset(3);
  broken.images.pop_back();
  CHECK_THROWS_AS(Batcher(broken, training(2)), Error);
}

TEST_CASE("batcher: golden order and augmentation of a seed and an epoch") {
  // What a checkpoint promises: if these change, no run can be resumed or repeated. Values: Philox and the shuffle
  // written down a second time, in Python.
  const Dataset data = small_dataset(10);
  CHECK(Batcher(data, training(5)).order(0) == std::vector<uint32_t>{2, 8, 7, 6, 0, 9, 3, 5, 1, 4});
  const int want[4][3] = {{-1, 3, 0}, {-3, 3, 1}, {1, 3, 1}, {0, 2, 1}};
  for (int i = 0; i < 4; ++i) {
    const AugmentDraw d = draw_augment({.pad = 4, .flip = true}, 5, 0, uint64_t(i));
    CHECK((d.dy == want[i][0] && d.dx == want[i][1] && int(d.flip) == want[i][2]));
  }
}

TEST_CASE("loader: bytes and what they stand for give the values of a loader of values, whatever the augmentation") {
  for (int c : {1, 3})
    for (const bool jitter : {false, true}) {
      if (jitter && c == 1) continue;
      const Dataset data = small_dataset(23, c);
      BatchSpec spec = training(5);
      if (c == 1) spec.mean = {0.4}, spec.std = {0.2};
      if (jitter) spec.sample.augment.color = {0.4, 0.4, 0.4, 0.1};
      BatchSpec bytes = spec;
      bytes.bytes = true;
      Loader a(data, spec), b(data, bytes);
      for (int step = 0; step < 7; ++step) {
        const Batch &want = a.next(), &got = b.next();
        CHECK_FALSE(want.byte_values.defined());
        REQUIRE(got.x.dtype() == DType::kU8);
        REQUIRE(got.byte_values.shape() == Shape{c, 256});
        REQUIRE(got.x.shape() == want.x.shape());
        CHECK(got.indices == want.indices);
        int64_t wrong = 0;
        for (int64_t i = 0; i < want.x.size(); ++i)
          wrong += got.byte_values.data<float>()[i % c * 256 + got.x.data<uint8_t>()[i]] != want.x.data<float>()[i];
        CHECK(wrong == 0);
      }
    }
}

TEST_CASE("loader: lighting, which changes values, refuses bytes") {
  BatchSpec spec = training(5);
  spec.bytes = true;
  spec.sample.augment.lighting.stddev = 0.1;
  CHECK_THROWS_WITH_AS(Batcher(small_dataset(23), spec), "loader: lighting changes values, not bytes", Error);
}

}  // namespace
}  // namespace bantam
