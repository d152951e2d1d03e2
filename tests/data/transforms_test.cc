#include "data/transforms.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "core/tensor.h"

namespace bantam {
namespace {

// A table that keeps the byte, so that results read as pixels.
std::vector<float> plain_tables(int channels) {
  std::vector<float> t;
  for (int c = 0; c < channels; ++c)
    for (int i = 0; i < 256; ++i) t.push_back(float(i + 1000 * c));
  return t;
}

TEST_CASE("normalize_table: 0 and 255 by hand, each entry rounded once from f64") {
  const auto t = normalize_table(0.5, 0.25);
  CHECK(t[0] == -2.0f);
  CHECK(t[255] == 2.0f);
  const auto u = normalize_table(0.485, 0.229);
  for (int i = 0; i < 256; ++i) CHECK(u[size_t(i)] == float((double(i) / 255.0 - 0.485) / 0.229));
  // f32 arithmetic would differ somewhere: the table is not that.
  int differ = 0;
  for (int i = 0; i < 256; ++i) differ += u[size_t(i)] != (float(i) / 255.0f - 0.485f) / 0.229f;
  CHECK(differ > 0);
}

TEST_CASE("normalize_tables: one value serves all channels, a wrong number or an impossible value is refused") {
  const auto one = normalize_tables(3, {0.5}, {0.25});
  REQUIRE(one.size() == 768);
  CHECK(one[0] == one[512]);
  const auto three = normalize_tables(3, {0, 0.5, 1}, {1, 0.5, 0.25});
  CHECK(three[255] == 1.0f);
  CHECK(three[256 + 255] == 1.0f);
  CHECK(three[512 + 0] == -4.0f);
  CHECK_THROWS_WITH_AS(normalize_tables(3, {0, 0}, {1}), "normalize: mean has 2 values, the images have 3 channels",
                       Error);
  CHECK_THROWS_WITH_AS(normalize_tables(1, {0}, {}), "normalize: std has 0 values, the images have 1 channels", Error);
  CHECK_THROWS_WITH_AS(normalize_table(0, 0), "normalize: std is not a positive number", Error);
  CHECK_THROWS_WITH_AS(normalize_table(0, -1), "normalize: std is not a positive number", Error);
  CHECK_THROWS_WITH_AS(normalize_table(std::numeric_limits<double>::infinity(), 1), "normalize: mean is not finite",
                       Error);
}

TEST_CASE("transform_image: shift, then flip, with byte 0 outside of the image") {
  const uint8_t image[] = {1, 2, 3, 4, 5, 6};  // 2 x 3
  const auto tables = plain_tables(1);
  std::vector<float> out(6);
  transform_image(image, 2, 3, 1, {0, 0, false}, tables.data(), out.data());
  CHECK(out == std::vector<float>{1, 2, 3, 4, 5, 6});
  transform_image(image, 2, 3, 1, {0, 0, true}, tables.data(), out.data());
  CHECK(out == std::vector<float>{3, 2, 1, 6, 5, 4});
  transform_image(image, 2, 3, 1, {1, -1, false}, tables.data(), out.data());
  CHECK(out == std::vector<float>{0, 4, 5, 0, 0, 0});
  transform_image(image, 2, 3, 1, {1, -1, true}, tables.data(), out.data());
  CHECK(out == std::vector<float>{5, 4, 0, 0, 0, 0});
  transform_image(image, 2, 3, 1, {-2, 0, false}, tables.data(), out.data());
  CHECK(out == std::vector<float>{0, 0, 0, 0, 0, 0});
}

TEST_CASE("transform_image: each channel has its own table, outside of the image too") {
  const uint8_t image[] = {1, 2, 3, 4, 5, 6};  // 1 x 2 x 3
  std::vector<float> out(6);
  transform_image(image, 1, 2, 3, {0, 1, false}, plain_tables(3).data(), out.data());
  CHECK(out == std::vector<float>{4, 1005, 2006, 0, 1000, 2000});
}

TEST_CASE("draw_augment: nothing by default; every shift and both flips occur about equally often") {
  const AugmentDraw none = draw_augment({}, 1, 2, 3);
  CHECK((none.dy == 0 && none.dx == 0 && !none.flip));
  std::map<int, int> dy, dx, both;
  int flips = 0;
  constexpr int kDraws = 8100;
  for (int i = 0; i < kDraws; ++i) {
    const AugmentDraw d = draw_augment({.pad = 4, .flip = true}, 7, 0, uint64_t(i));
    ++dy[d.dy];
    ++dx[d.dx];
    ++both[9 * d.dy + d.dx];
    flips += d.flip;
  }
  CHECK(dy.size() == 9);
  CHECK(dx.size() == 9);
  CHECK(both.size() == 81);
  // Binomial around 900 and 4050: 5 standard deviations are 141 and 225.
  for (const auto& counts : {dy, dx})
    for (const auto& [shift, n] : counts) CHECK((std::abs(shift) <= 4 && std::abs(n - 900) <= 141));
  CHECK(std::abs(flips - kDraws / 2) <= 225);
}

TEST_CASE("draw_augment: keyed by seed, epoch and sample; the flip does not depend on the padding") {
  const auto key = [](uint64_t seed, uint64_t epoch, uint64_t sample) {
    uint64_t bits = 0;  // of 16 draws, so that two keys do not agree by accident
    for (uint64_t i = 0; i < 16; ++i) {
      const AugmentDraw d = draw_augment({.pad = 4, .flip = true}, seed, epoch, 100 * sample + i);
      bits = bits * 31 + uint64_t(d.dy + 4) * 18 + uint64_t(d.dx + 4) * 2 + d.flip;
    }
    return bits;
  };
  const std::set<uint64_t> keys = {key(1, 2, 3), key(2, 2, 3), key(1, 3, 3), key(1, 2, 4)};
  CHECK(keys.size() == 4);
  CHECK(key(1, 2, 3) == key(1, 2, 3));
  for (uint64_t i = 0; i < 50; ++i)
    CHECK(draw_augment({.pad = 4, .flip = true}, 1, 0, i).flip == draw_augment({.flip = true}, 1, 0, i).flip);
}

TEST_CASE("draw_crop: boxes lie inside, with areas and aspects in their ranges, and corners that reach the edges") {
  const ResizedCrop crop = {.on = true};
  int top = 0, left = 0, bottom = 0, right = 0;
  double area = 0;
  constexpr int kDraws = 5000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const Box b = draw_crop(crop, 300, 400, 1, 2, i);
    REQUIRE((b.h > 0 && b.w > 0 && b.top >= 0 && b.left >= 0 && b.top + b.h <= 300 && b.left + b.w <= 400));
    const double share = double(b.h) * b.w / (300 * 400), aspect = double(b.w) / b.h;
    // Sides are rounded by up to 1/2 each: of the least box (0.08, 85 high) that is 2 %.
    CHECK((share > 0.078 && share <= 1));
    CHECK((aspect > 0.73 && aspect < 1.36));
    area += share / kDraws;
    top += b.top == 0, left += b.left == 0, bottom += b.top + b.h == 300, right += b.left + b.w == 400;
  }
  CHECK((top > 0 && left > 0 && bottom > 0 && right > 0));
  // torchvision's get_params: mean 0.4327, standard deviation 0.2166 over 20,000 draws of this image (large boxes that
  // do not fit are drawn again). 5 standard deviations of the difference of the two means.
  CHECK(std::abs(area - 0.4327) < 5 * 0.2166 * std::sqrt(1.0 / kDraws + 1.0 / 20000));
  const Box a = draw_crop(crop, 300, 400, 1, 2, 3), b = draw_crop(crop, 300, 400, 1, 2, 3);
  CHECK((a.top == b.top && a.left == b.left && a.h == b.h && a.w == b.w));
}

TEST_CASE("draw_crop: where nothing fits, the largest center within the ratio is taken, as torchvision does") {
  const auto box = [](const ResizedCrop& c, int h, int w) {
    const Box b = draw_crop(c, h, w, 0, 0, 0);
    return std::vector<int>{b.top, b.left, b.h, b.w};
  };
  const ResizedCrop all = {true, 1, 1, 0.75, 4.0 / 3};
  CHECK(box(all, 10, 100) == std::vector<int>{0, 43, 10, 13});  // 13.3 wide
  CHECK(box(all, 100, 10) == std::vector<int>{43, 0, 13, 10});
  CHECK(box({true, 1, 1, 2, 2}, 50, 60) == std::vector<int>{10, 0, 30, 60});
  CHECK(box({true, 1, 1, 1, 1}, 7, 7) == std::vector<int>{0, 0, 7, 7});            // fits at once
  CHECK(box({true, 0.0001, 0.0001, 1, 1}, 4, 4) == std::vector<int>{0, 0, 4, 4});  // sides that round to 0
}

}  // namespace
}  // namespace bantam
