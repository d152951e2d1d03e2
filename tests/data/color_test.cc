#include "data/color.h"

#include <cmath>
#include <set>

#include "tests/data/image_files.h"

namespace bantam {
namespace {

using Adjust = void (*)(uint8_t*, int64_t, int, double);

std::vector<uint8_t> adjusted(Adjust f, std::vector<uint8_t> pixels, int c, double factor) {
  f(pixels.data(), int64_t(pixels.size()) / c, c, factor);
  return pixels;
}

TEST_CASE("color: brightness, contrast, saturation and hue equal torchvision's on PIL images, byte for byte") {
  const Image picture = made_picture(12, 17, 3);
  const auto check = [&](const std::string& name, Adjust f, int percent) {
    CAPTURE(name);
    CAPTURE(percent);
    CHECK(adjusted(f, picture.pixels, 3, percent / 100.0) ==
          read_netpbm("../transforms/" + name + std::to_string(percent) + ".ppm").pixels);
  };
  for (const int percent : {0, 63, 137, 250}) {
    check("brightness", adjust_brightness, percent);
    check("contrast", adjust_contrast, percent);
    check("saturation", adjust_saturation, percent);
  }
  for (const int percent : {-50, -10, 10, 33, 50}) check("hue", adjust_hue, percent);
}

TEST_CASE("color: steps by hand") {
  // 100 + 1.5 (v - 100) is cut towards 0; gray of (10, 20, 30) is (195950 + 769400 + 224130 + 32768) / 65536 = 18.6.
  CHECK(adjusted(adjust_brightness, {10, 101, 255}, 3, 0.5) == std::vector<uint8_t>{5, 50, 127});
  CHECK(adjusted(adjust_brightness, {10, 101, 255}, 3, 1.5) == std::vector<uint8_t>{15, 151, 255});
  CHECK(adjusted(adjust_contrast, {90, 110, 100, 0}, 1, 2) == std::vector<uint8_t>{105, 145, 125, 0});  // around 75
  CHECK(adjusted(adjust_saturation, {10, 20, 30}, 3, 0) == std::vector<uint8_t>{18, 18, 18});
  CHECK(adjusted(adjust_saturation, {10, 20, 30}, 1, 0) == std::vector<uint8_t>{10, 20, 30});  // gray images have none
  CHECK(adjusted(adjust_hue, {255, 0, 0}, 3, 1.0 / 3) == std::vector<uint8_t>{0, 255, 0});
  CHECK(adjusted(adjust_hue, {10, 20, 30}, 1, 0.5) == std::vector<uint8_t>{10, 20, 30});
}

TEST_CASE("color: the jitter does its steps in the drawn order, and none of strength 0") {
  const Image picture = made_picture(12, 17, 3);
  ColorDraw draw;
  draw.order = {ColorStep::kHue, ColorStep::kContrast, ColorStep::kBrightness, ColorStep::kSaturation};
  draw.factor = {0.8, 1.3, 1.4, 0.07};
  std::vector<uint8_t> pixels = picture.pixels;
  apply_color({1, 1, 1, 0.5}, draw, pixels.data(), 12 * 17, 3);
  CHECK(pixels == read_netpbm("../transforms/jitter.ppm").pixels);
  pixels = picture.pixels;
  apply_color({}, draw, pixels.data(), 12 * 17, 3);
  CHECK(pixels == picture.pixels);
}

TEST_CASE("draw_color: factors fill their ranges, all 24 orders occur, and a strength changes no other factor") {
  const ColorJitter jitter = {0.4, 2, 0.1, 0.2};
  std::array<double, 4> least = {9, 9, 9, 9}, most = {-9, -9, -9, -9}, sum = {};
  std::set<std::array<ColorStep, 4>> orders;
  constexpr int kDraws = 4000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const ColorDraw d = draw_color(jitter, 3, 1, i);
    orders.insert(d.order);
    for (size_t k = 0; k < 4; ++k) {
      least[k] = std::min(least[k], d.factor[k]);
      most[k] = std::max(most[k], d.factor[k]);
      sum[k] += d.factor[k];
    }
    CHECK(draw_color({0, 2, 0, 0}, 3, 1, i).factor[1] == d.factor[1]);
  }
  CHECK(orders.size() == 24);
  const double low[4] = {0.6, 0, 0.9, -0.2}, high[4] = {1.4, 3, 1.1, 0.2};
  for (size_t k = 0; k < 4; ++k) {
    const double width = high[k] - low[k];
    CHECK((least[k] >= low[k] && least[k] < low[k] + 0.01 * width));
    CHECK((most[k] <= high[k] && most[k] > high[k] - 0.01 * width));
    // The mean of n uniform numbers has standard deviation width / sqrt(12 n): 5 of these.
    CHECK(std::abs(sum[k] / kDraws - (low[k] + high[k]) / 2) < 5 * width / std::sqrt(12.0 * kDraws));
  }
  CHECK(draw_color(jitter, 3, 1, 7).factor != draw_color(jitter, 3, 2, 7).factor);
  CHECK(draw_color(jitter, 3, 1, 7).factor == draw_color(jitter, 3, 1, 7).factor);
  CHECK(draw_color({}, 3, 1, 7).factor == std::array<double, 4>{1, 1, 1, 0});
}

TEST_CASE("draw_lighting: shifts have the covariance that the components say") {
  const Lighting light = {.stddev = 0.1};
  double covariance[3][3] = {}, mean[3] = {};
  constexpr int kDraws = 20000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const auto s = draw_lighting(light, 5, 2, i);
    for (size_t a = 0; a < 3; ++a) {
      mean[a] += s[a] / kDraws;
      for (size_t b = 0; b < 3; ++b) covariance[a][b] += s[a] * s[b] / kDraws;
    }
  }
  for (size_t a = 0; a < 3; ++a) {
    // Of n normal numbers, the mean has standard deviation sigma / sqrt(n), a covariance at most sqrt(2 / n) of the
    // variances.
    const auto want = [&](size_t b) {
      double sum = 0;
      for (size_t k = 0; k < 3; ++k)
        sum += 0.01 * light.values[k] * light.values[k] * light.vectors[k][a] * light.vectors[k][b];
      return sum;
    };
    CHECK(std::abs(mean[a]) < 5 * std::sqrt(want(a) / kDraws));
    for (size_t b = 0; b < 3; ++b)
      CHECK(std::abs(covariance[a][b] - want(b)) < 5 * std::sqrt(2.0 / kDraws * want(a) * covariance[b][b]));
  }
  CHECK(draw_lighting({}, 5, 2, 1) == std::array<double, 3>{0, 0, 0});
  CHECK(draw_lighting(light, 5, 2, 1) != draw_lighting(light, 5, 2, 2));
}

}  // namespace
}  // namespace bantam
