#include "data/dataset.h"

#include <cstring>
#include <filesystem>

#include "core/tensor.h"
#include "data/cifar.h"
#include "data/image.h"
#include "tests/core/temp_folder.h"
#include "tests/data/made_files.h"

namespace bantam {
namespace {

namespace fs = std::filesystem;

Bytes made_images(uint32_t n) {
  return make_idx({n, 3, 2}, [](size_t i) { return uint8_t(5 * i); });
}
Bytes made_labels(uint32_t n, const std::vector<uint8_t>& first = {}) {
  return make_idx({n}, [&](size_t i) { return i < first.size() ? first[i] : uint8_t(i % 10); });
}

std::string open_error(const std::string& dir, Split split, const std::string& kind = "auto") {
  const std::string text = error_text<FileError>([&] { open_dataset(dir, split, kind); });
  CHECK(text.find('\n') == std::string::npos);
  return text;
}

TEST_CASE("open_dataset: IDX pairs under their usual names, plain, gzipped, dotted, in raw/") {
  struct Spelling {
    const char *images, *labels;
    bool gz;
  };
  const Spelling spellings[] = {
      {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", false},
      {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", true},
      {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", false},
      {"raw/train-images-idx3-ubyte", "raw/train-labels-idx1-ubyte.gz", false},
  };
  for (const Spelling& s : spellings) {
    const TempFolder folder;
    const fs::path dir = folder.path();
    put(dir / s.images, s.gz ? gzipped(made_images(12)) : made_images(12));
    put(dir / s.labels, std::string(s.labels).ends_with(".gz") ? gzipped(made_labels(12)) : made_labels(12));
    const Dataset d = open_dataset(dir.string(), Split::kTrain);
    CHECK(d.name == "idx");
    CHECK(d.count == 12);
    CHECK((d.h == 3 && d.w == 2 && d.c == 1));
    CHECK(d.images.size() == 72);
    CHECK(d.image(2)[1] == 5 * 13);
    CHECK(d.labels[11] == 1);
    CHECK(d.class_names.size() == 10);
  }
}

TEST_CASE(
    "open_dataset: MNIST and Fashion-MNIST are told apart by their first labels, or by the kind that is asked for") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  put(dir / "t10k-images-idx3-ubyte", made_images(12));
  put(dir / "t10k-labels-idx1-ubyte", made_labels(12, {9, 2, 1, 1, 6, 1, 4, 6, 5, 7}));
  put(dir / "train-images-idx3-ubyte", made_images(12));
  put(dir / "train-labels-idx1-ubyte", made_labels(12, {5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
  CHECK(open_dataset(dir.string(), Split::kTest).name == "fashion-mnist");
  CHECK(open_dataset(dir.string(), Split::kTest).class_names[9] == "Ankle boot");
  CHECK(open_dataset(dir.string(), Split::kTrain).name == "mnist");
  CHECK(open_dataset(dir.string(), Split::kTrain).class_names[9] == "9");
  CHECK(open_dataset(dir.string(), Split::kTrain, "fashion-mnist").class_names[0] == "T-shirt/top");
}

TEST_CASE("open_dataset: a limit keeps the first images") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  put(dir / "t10k-images-idx3-ubyte", made_images(12));
  put(dir / "t10k-labels-idx1-ubyte", made_labels(12));
  const Dataset all = open_dataset(dir.string(), Split::kTest),
                some = open_dataset(dir.string(), Split::kTest, "mnist", 5);
  CHECK(some.count == 5);
  CHECK(some.labels.size() == 5);
  CHECK(some.images.size() == 30);
  CHECK(memcmp(some.image(4), all.image(4), 6) == 0);
  CHECK(open_dataset(dir.string(), Split::kTest, "mnist", 50).count == 12);
  CHECK(fingerprint(some) != fingerprint(all));
  CHECK(fingerprint(all) == fingerprint(open_dataset(dir.string(), Split::kTest)));
}

TEST_CASE("open_dataset: CIFAR-10 in the folder or beneath it, the batches in order") {
  for (const char* sub : {"", "cifar-10-batches-bin"}) {
    const TempFolder folder;
    const fs::path dir = fs::path(folder.path()) / sub;
    const std::string names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n";
    put(dir / "batches.meta.txt", Bytes(names.begin(), names.end()));
    put(dir / "test_batch.bin", make_cifar(kCifar10.test_records));
    const Dataset d = open_dataset(folder.path(), Split::kTest);
    CHECK(d.name == "cifar10");
    CHECK(d.count == 10000);
    CHECK((d.h == 32 && d.w == 32 && d.c == 3));
    CHECK(d.class_names[9] == "truck");
    CHECK(d.image(7)[3 * 5 + 2] == made_cifar_value(7, 5, 2));
    // One split is there, the other is not.
    CHECK(open_error(folder.path(), Split::kTrain).find("data_batch_1.bin: ") != std::string::npos);
  }
}

TEST_CASE("open_dataset: CIFAR-100 in the folder or beneath it, with its hundred names") {
  std::string names;
  for (int i = 0; i < 100; ++i) names += "c" + std::to_string(i) + "\n";
  for (const char* sub : {"", "cifar-100-binary"}) {
    const TempFolder folder;
    const fs::path dir = fs::path(folder.path()) / sub;
    put(dir / "fine_label_names.txt", Bytes(names.begin(), names.end()));
    put(dir / "test.bin", make_cifar100(kCifar100.test_records));
    const Dataset d = open_dataset(folder.path(), Split::kTest);
    CHECK(d.name == "cifar100");
    CHECK(d.count == 10000);
    CHECK(d.classes() == 100);
    CHECK(d.labels[2] == 85);
    CHECK(d.image(7)[3 * 5 + 2] == made_cifar_value(7, 5, 2));
    CHECK(open_error(folder.path(), Split::kTrain).find("train.bin: ") != std::string::npos);
    CHECK(open_error(folder.path(), Split::kTest, "cifar10")
              .ends_with("; but it holds cifar100 (" + (dir / "test.bin").lexically_relative(folder.path()).string() +
                         ")"));
  }
}

// A picture of one color, which no decoder changes; its red tells the images apart.
Bytes plain_png(uint8_t red, int h = 4, int w = 6) {
  Image image{h, w, 3, {}};
  for (int i = 0; i < h * w; ++i) image.pixels.insert(image.pixels.end(), {red, 20, 30});
  return encode_png(image);
}
TEST_CASE("open_dataset: Tiny ImageNet's original layout is decoded once, train by class and val by its list") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  put(dir / "wnids.txt", bytes_of("n2\nn1\n"));
  put(dir / "words.txt", bytes_of("n1\tgoldfish, Carassius\nn2\tbull\nn3\tcow\n"));
  for (int i = 0; i < 3; ++i) {
    put(dir / "train/n1/images" / (std::to_string(i) + ".png"), plain_png(uint8_t(10 + i)));
    put(dir / "train/n2/images" / (std::to_string(i) + ".JPEG"), plain_png(uint8_t(20 + i)));  // a PNG named .JPEG
  }
  put(dir / "train/n1/n1_boxes.txt", bytes_of("0.png 0 0 1 1\n"));
  put(dir / "val/val_annotations.txt", bytes_of("b.JPEG\tn2\t0\t0\t1\t1\na.JPEG\tn1\t0\t0\t1\t1\n"));
  put(dir / "val/images/a.JPEG", plain_png(1));
  put(dir / "val/images/b.JPEG", plain_png(2));
  const Dataset train = open_dataset(dir.string(), Split::kTrain);
  CHECK(train.name == "tiny-imagenet");
  CHECK(train.decoded());
  CHECK((train.count == 6 && train.h == 4 && train.w == 6 && train.c == 3));
  CHECK(train.class_names == std::vector<std::string>{"n1 goldfish", "n2 bull"});
  CHECK(train.labels == std::vector<int32_t>{0, 1, 0, 1, 0, 1});
  for (int64_t i = 0; i < 6; ++i) CHECK(train.image(i)[0] == (i % 2 ? 20 : 10) + i / 2);
  const Dataset val = open_dataset(dir.string(), Split::kTest);
  CHECK(val.class_names == train.class_names);
  CHECK(val.labels == std::vector<int32_t>{1, 0});
  CHECK(val.image(0)[0] == 2);
  CHECK(open_dataset(dir.string(), Split::kTrain, "tiny-imagenet", 2).count == 2);

  put(dir / "val/images/a.JPEG", plain_png(1, 4, 5));
  CHECK(open_error(dir.string(), Split::kTest) ==
        dir.string() + "/val/images/a.JPEG: has 5x4 pixels, the first image of the set 6x4");
  fs::remove(dir / "val/images/a.JPEG");
  CHECK(open_error(dir.string(), Split::kTest).starts_with(dir.string() + "/val/images/a.JPEG: "));
  put(dir / "val/images/a.JPEG", bytes_of("no image"));
  CHECK(open_error(dir.string(), Split::kTest) == dir.string() + "/val/images/a.JPEG: neither a PNG nor a JPEG image");
  fs::remove_all(dir / "train/n2");
  CHECK(open_error(dir.string(), Split::kTrain) ==
        dir.string() + "/train/n2/images: holds no image (.JPEG, .jpg, .png)");
}

TEST_CASE(
    "open_dataset: an image folder lists files, with the classes of its training images; they are decoded when used") {
  const TempFolder folder;
  const fs::path dir = folder.path();
  put(dir / "train/cat/1.png", plain_png(1, 3, 5));
  put(dir / "train/ant/1.png", plain_png(2, 7, 2));
  put(dir / "train/ant/2.JPEG", plain_png(3));
  put(dir / "val/cat/9.png", plain_png(4));
  const Dataset train = open_dataset(dir.string(), Split::kTrain), val = open_dataset(dir.string(), Split::kTest);
  CHECK((train.name == "image-folder" && !train.decoded() && !train.undivided));
  CHECK((train.count == 3 && train.h == 0 && train.w == 0 && train.c == 3));
  CHECK(train.class_names == std::vector<std::string>{"ant", "cat"});
  CHECK(train.labels == std::vector<int32_t>{0, 1, 0});
  CHECK(train.path(1) == dir.string() + "/train/cat/1.png");
  Image image;
  load_image(train, 1, &image);
  CHECK((image.h == 3 && image.w == 5 && image.pixels[0] == 1));
  CHECK(val.class_names == train.class_names);
  CHECK(val.labels == std::vector<int32_t>{1});
  const Dataset last = part_of(train, 2, 3);
  CHECK((last.count == 1 && last.path(0) == train.path(2) && last.labels[0] == 0));
  CHECK(fingerprint(last) != fingerprint(part_of(train, 0, 1)));
  CHECK(fingerprint(last) == fingerprint(part_of(train, 2, 3)));

  put(dir / "val/dog/9.png", plain_png(4));
  CHECK(open_error(dir.string(), Split::kTest) ==
        dir.string() + "/val: has a class 'dog' that the training images have not");
  fs::remove_all(dir / "val");
  CHECK(open_error(dir.string(), Split::kTest) == dir.string() + ": has no folder val/, only train/");
  const Dataset flat = open_dataset((dir / "train").string(), Split::kTest);
  CHECK((flat.undivided && flat.count == 3));
  CHECK(open_error(dir.string(), Split::kTrain, "cifar10").ends_with("; but it holds image-folder (train/)"));
  fs::create_directories(dir / "empty/train");
  CHECK(open_error((dir / "empty").string(), Split::kTrain, "image-folder") ==
        (dir / "empty/train").string() + ": holds no folders, which would be the classes");
}

TEST_CASE("open_dataset: errors name what was looked for, or which file is wrong") {
  const TempFolder folder;
  const std::string dir = folder.path();
  CHECK(open_error(dir + "/nowhere", Split::kTrain) == dir + "/nowhere: no such folder");
  CHECK(open_error(dir, Split::kTrain, "mnist") ==
        dir +
            ": no mnist train data: looked for train-images-idx3-ubyte and train-labels-idx1-ubyte (also .idx3, .idx1, "
            ".gz, in raw/)");
  CHECK(open_error(dir, Split::kTest, "cifar10") ==
        dir + ": no cifar10 test data: looked for data_batch_1.bin or test_batch.bin (also in cifar-10-batches-bin/)");
  CHECK(open_error(dir, Split::kTest) ==
        dir +
            ": no known test data: looked for t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (also .idx3, .idx1, "
            ".gz, in raw/); data_batch_1.bin or test_batch.bin (also in cifar-10-batches-bin/); train.bin or test.bin "
            "(also in cifar-100-binary/); wnids.txt; val/CLASS/*.JPEG or CLASS/*.JPEG");
  CHECK_THROWS_WITH_AS(
      open_dataset(dir, Split::kTest, "mnits"),
      "data set kind 'mnits' is unknown (known: auto, mnist, fashion-mnist, cifar10, cifar100, tiny-imagenet, "
      "image-folder)",
      Error);

  put(dir + "/t10k-images-idx3-ubyte", made_images(12));
  CHECK(open_error(dir, Split::kTest) ==
        dir + ": found " + dir + "/t10k-images-idx3-ubyte but no t10k-labels-idx1-ubyte beside it");
  put(dir + "/t10k-labels-idx1-ubyte", made_labels(11));
  CHECK(open_error(dir, Split::kTest) ==
        dir + "/t10k-labels-idx1-ubyte: 11 labels, but " + dir + "/t10k-images-idx3-ubyte holds 12 images");
  put(dir + "/t10k-labels-idx1-ubyte", made_labels(12, {10}));
  CHECK(open_error(dir, Split::kTest, "mnist") == dir + "/t10k-labels-idx1-ubyte: label 10, mnist has 10 classes");
  CHECK(open_dataset(dir, Split::kTest).classes() == 11);  // no known set: as many classes as labels
  put(dir + "/t10k-images-idx3-ubyte", make_idx({1, 1, 4097}, [](size_t) { return uint8_t{0}; }));
  put(dir + "/t10k-labels-idx1-ubyte", made_labels(1));
  CHECK(open_error(dir, Split::kTest) ==
        dir + "/t10k-images-idx3-ubyte: images of 1x4097 pixels, at most 4096x4096 are read");
  put(dir + "/test_batch.bin", {});
  CHECK(open_error(dir, Split::kTest) ==
        dir +
            ": holds mnist or fashion-mnist (t10k-images-idx3-ubyte) and cifar10 (test_batch.bin): say which with the "
            "data set's kind");
  CHECK(open_error(dir, Split::kTrain, "mnist") ==
        dir +
            ": no mnist train data: looked for train-images-idx3-ubyte and train-labels-idx1-ubyte (also .idx3, "
            ".idx1, .gz, in raw/)");
  CHECK(open_error(dir, Split::kTest, "cifar100") ==
        dir +
            ": no cifar100 test data: looked for train.bin or test.bin (also in cifar-100-binary/); but it holds mnist "
            "or "
            "fashion-mnist (t10k-images-idx3-ubyte) and cifar10 (test_batch.bin)");
}

}  // namespace
}  // namespace bantam
