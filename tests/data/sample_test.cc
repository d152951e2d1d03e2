#include "data/sample.h"

#include <cmath>

#include "tests/data/image_files.h"

namespace bantam {
namespace {

// One picture in memory.
Dataset one_picture(const Image& image) {
  Dataset d;
  d.name = "made";
  d.count = 1;
  d.h = image.h, d.w = image.w, d.c = image.c;
  d.images = image.pixels;
  d.labels = {0};
  d.class_names = {"x"};
  return d;
}

std::vector<float> sample_of(const Dataset& data, const SampleSpec& spec, uint64_t epoch) {
  const std::vector<double> mean = {0.25, 0.5, 0.125}, stddev = {0.5, 0.25, 2};
  const std::vector<float> tables = normalize_tables(3, mean, stddev);
  std::vector<float> out(size_t((spec.h ? spec.h : data.h) * (spec.w ? spec.w : data.w) * 3));
  SampleScratch scratch;
  make_sample(data, 0, spec, 9, epoch, tables.data(), stddev, &scratch, out.data());
  return out;
}

TEST_CASE("sample: one color through crop, brightness, lighting and normalization, by hand") {
  Image plain{6, 8, 3, {}};
  for (int i = 0; i < 48; ++i) plain.pixels.insert(plain.pixels.end(), {100, 40, 200});
  SampleSpec spec;
  spec.h = 3, spec.w = 4;
  spec.augment.crop.on = true;
  spec.augment.color.brightness = 0.5;
  spec.augment.lighting.stddev = 0.3;
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    const double factor = draw_color(spec.augment.color, 9, epoch, 0).factor[0];
    const auto shift = draw_lighting(spec.augment.lighting, 9, epoch, 0);
    const double mean[3] = {0.25, 0.5, 0.125}, stddev[3] = {0.5, 0.25, 2}, color[3] = {100, 40, 200};
    const std::vector<float> got = sample_of(one_picture(plain), spec, epoch);
    REQUIRE(got.size() == 36);
    for (size_t i = 0; i < 36; ++i) {
      const size_t k = i % 3;
      const double pixel = std::min(255.0, std::floor(double(float(factor) * float(color[k]))));
      // Three roundings to f32 of values below 8: the table's entry, the shift, their sum.
      CHECK(std::abs(got[i] - (pixel / 255 + shift[k] - mean[k]) / stddev[k]) < 3 * 8 * 0x1p-24);
    }
  }
}

TEST_CASE("sample: each second image or so is mirrored, once, whether it is cropped at random or not") {
  const Image picture = made_picture(6, 8, 3);
  const Dataset data = one_picture(picture);
  for (const bool crop : {false, true}) {
    SampleSpec spec;
    spec.h = 6, spec.w = 8;
    spec.augment.crop = {crop, 1, 1, 8.0 / 6, 8.0 / 6};  // the whole image
    const std::vector<float> as_is = sample_of(data, spec, 0);
    std::vector<float> mirrored;
    for (size_t y = 0; y < 6; ++y)
      for (size_t x = 8; x-- > 0;)
        mirrored.insert(mirrored.end(), &as_is[(y * 8 + x) * 3], &as_is[(y * 8 + x) * 3] + 3);
    spec.augment.flip = true;
    int flips = 0;
    for (uint64_t epoch = 0; epoch < 40; ++epoch) {
      const bool flip = draw_augment(spec.augment, 9, epoch, 0).flip;
      flips += flip;
      CHECK(sample_of(data, spec, epoch) == (flip ? mirrored : as_is));
    }
    CHECK((flips > 0 && flips < 40));
  }
}

TEST_CASE("sample: an image that is not augmented is fitted; padding, flips and colors apply to what was fitted") {
  const Image picture = made_picture(20, 30, 3);
  SampleSpec spec;
  spec.h = 8, spec.w = 9;
  spec.resize = 12;
  const Image fitted = fit(picture, 8, 9, 12);
  CHECK(sample_of(one_picture(picture), spec, 0) == sample_of(one_picture(fitted), {}, 0));
  spec.augment.pad = 2;
  spec.augment.flip = true;
  SampleSpec later;
  later.augment = spec.augment;
  for (uint64_t epoch = 0; epoch < 8; ++epoch)
    CHECK(sample_of(one_picture(picture), spec, epoch) == sample_of(one_picture(fitted), later, epoch));
}

}  // namespace
}  // namespace bantam
