// From the bytes of JPEG files to what training takes, on one core, in images/s (items_per_second):
//
//   BANTAM_IMAGES=/path/to/val ninja -C build bench/data_bench && build/bench/data_bench
//
// BANTAM_IMAGES is a folder of class folders, read into memory first. stb_alone is the limit of a build with stb_image:
// the decoder without the door in front of it, and without the crop behind. bench/peers/decode.py runs Pillow,
// torchvision and OpenCV beside this program.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "data/image_check.h"
#include "data/sample.h"

#define STBI_ONLY_JPEG
#include "data/stb_image.h"

namespace {

using namespace bantam;

constexpr int kSide = 224;

struct File {
  Bytes bytes;
  std::string path;
};

const std::vector<File>& files() {
  static const std::vector<File> all = [] {
    std::vector<File> list;
    const Dataset data = open_dataset(getenv("BANTAM_IMAGES"), Split::kTest, "image-folder");
    for (int64_t i = 0; i < data.count; ++i) list.push_back({read_file(data.path(i), kMaxImageFile), data.path(i)});
    return list;
  }();
  return all;
}

// body(file, its number) over all files, again and again; one iteration is one image.
template <class Body>
void each_image(benchmark::State& state, Body&& body) {
  size_t i = 0, turns = 0;
  for (auto _ : state) {
    body(files()[i], uint64_t(turns++));
    if (++i == files().size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}

void stb_alone(benchmark::State& state) {
  each_image(state, [](const File& f, uint64_t) {
    int w, h, c;
    stbi_uc* pixels = stbi_load_from_memory(f.bytes.data(), int(f.bytes.size()), &w, &h, &c, 3);
    benchmark::DoNotOptimize(pixels);
    stbi_image_free(pixels);
  });
}

void decode(benchmark::State& state) {
  Image image;
  each_image(state, [&](const File& f, uint64_t) { decode_image(f.bytes, 3, f.path, &image); });
}

void decode_crop_flip(benchmark::State& state) {
  SampleScratch scratch;
  std::vector<uint8_t> out(kSide * kSide * 3);
  each_image(state, [&](const File& f, uint64_t turn) {
    decode_image(f.bytes, 3, f.path, &scratch.image);
    const Box box = draw_crop({.on = true}, scratch.image.h, scratch.image.w, 0, 0, turn);
    const bool flip = draw_augment({.flip = true}, 0, 0, turn).flip;
    scratch.resizer.run(scratch.image, box, kSide, kSide, {0, 0, kSide, kSide}, flip, out.data());
  });
}

void crop_flip(benchmark::State& state) {  // of images that are decoded already
  std::vector<Image> images;
  for (const File& f : files()) images.push_back(decode_image(f.bytes, 3, f.path));
  Resizer resizer;
  std::vector<uint8_t> out(kSide * kSide * 3);
  each_image(state, [&](const File&, uint64_t turn) {
    const Image& image = images[turn % images.size()];
    const Box box = draw_crop({.on = true}, image.h, image.w, 0, 0, turn);
    resizer.run(image, box, kSide, kSide, {0, 0, kSide, kSide}, draw_augment({.flip = true}, 0, 0, turn).flip,
                out.data());
  });
}

// A step of the jitter alone, over images that stay in the second level cache, as a sample's do.
void color(benchmark::State& state) {
  using Adjust = void (*)(uint8_t*, int64_t, int, double);
  const Adjust steps[] = {adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue};
  std::vector<uint8_t> pixels(kSide * kSide * 3), changed;
  const Image image = decode_image(files()[0].bytes, 3, files()[0].path);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = image.pixels[i % image.pixels.size()];
  for (auto _ : state) {
    changed = pixels;  // 4 us
    steps[state.range(0)](changed.data(), kSide * kSide, 3, state.range(0) == 3 ? 0.1 : 1.3);
    benchmark::DoNotOptimize(changed.data());
  }
  state.SetItemsProcessed(state.iterations());
}

// All that a recipe can ask for: the file is read, too. Colors: jitter 0.4 of brightness, contrast, saturation, and
// lighting 0.1; with hue, its jitter of 0.1, too.
void sample(benchmark::State& state) {
  const bool colors = state.range(0) != 0;
  const Dataset data = open_dataset(getenv("BANTAM_IMAGES"), Split::kTest, "image-folder");
  SampleSpec spec;
  spec.h = spec.w = kSide;
  spec.augment.crop.on = spec.augment.flip = true;
  if (colors) spec.augment.color = {0.4, 0.4, 0.4, state.range(0) == 2 ? 0.1 : 0}, spec.augment.lighting.stddev = 0.1;
  const std::vector<double> mean = {0.485, 0.456, 0.406}, stddev = {0.229, 0.224, 0.225};
  const std::vector<float> tables = normalize_tables(3, mean, stddev);
  std::vector<float> out(kSide * kSide * 3);
  SampleScratch scratch;
  int64_t i = 0, epoch = 0;
  for (auto _ : state) {
    make_sample(data, i, spec, 0, uint64_t(epoch), tables.data(), stddev, &scratch, out.data());
    if (++i == data.count) i = 0, ++epoch;
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(stb_alone);
BENCHMARK(decode);
BENCHMARK(crop_flip);
BENCHMARK(decode_crop_flip);
BENCHMARK(color)->DenseRange(0, 3)->ArgName("step");
BENCHMARK(sample)->DenseRange(0, 2)->ArgName("colors");

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (getenv("BANTAM_IMAGES") == nullptr) {
    fprintf(stderr, "BANTAM_IMAGES=DIR is missing: a folder of class folders with JPEG files\n");
    return 2;
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
