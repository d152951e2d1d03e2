#include "data/color.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/rng.h"
#include "ops/kernels_train/color_u8.h"

namespace bantam {

ColorDraw draw_color(const ColorJitter& jitter, uint64_t seed, uint64_t epoch, uint64_t sample) {
  ColorDraw draw;
  if (!jitter.on()) return draw;
  // Numbers 0 to 3 of the stream are the order, 4 to 11 the factors: turning one off does not change the others.
  const Rng rng(seed, kRngColor, epoch, sample);
  for (uint32_t i = 4; i > 1; --i) std::swap(draw.order[i - 1], draw.order[rng.below(i - 1, i)]);
  const double strengths[3] = {jitter.brightness, jitter.contrast, jitter.saturation};
  for (uint64_t i = 0; i < 3; ++i) {
    const double low = std::max(0.0, 1 - strengths[i]);
    draw.factor[i] = low + (1 + strengths[i] - low) * rng.uniform64(2 + i);
  }
  draw.factor[3] = jitter.hue * (2 * rng.uniform64(5) - 1);
  return draw;
}

std::array<double, 3> draw_lighting(const Lighting& lighting, uint64_t seed, uint64_t epoch, uint64_t sample) {
  std::array<double, 3> shift = {0, 0, 0};
  if (lighting.stddev == 0) return shift;
  const Rng rng(seed, kRngColor, epoch, sample);
  for (size_t i = 0; i < 3; ++i) {
    const double along = lighting.stddev * rng.normal(4 + i) * lighting.values[i];  // numbers 16 to 27 of the stream
    for (size_t k = 0; k < 3; ++k) shift[k] += along * lighting.vectors[i][k];
  }
  return shift;
}

void adjust_brightness(uint8_t* pixels, int64_t n, int c, double factor) { blend_u8(pixels, n * c, 0, float(factor)); }

void adjust_contrast(uint8_t* pixels, int64_t n, int c, double factor) {
  const int64_t sum = c == 3 ? gray_sum_u8(pixels, n) : std::accumulate(pixels, pixels + n, int64_t(0));
  blend_u8(pixels, n * c, int(double(sum) / double(n) + 0.5), float(factor));
}

void adjust_saturation(uint8_t* pixels, int64_t n, int c, double factor) {
  if (c == 3) blend_gray_u8(pixels, n, float(factor));
}

void adjust_hue(uint8_t* pixels, int64_t n, int c, double shift) {
  if (c == 3) turn_hue_u8(pixels, n, uint8_t(int32_t(shift * 255)));  // cut towards 0, around the circle
}

void apply_color(const ColorJitter& jitter, const ColorDraw& draw, uint8_t* pixels, int64_t n, int c) {
  for (const ColorStep step : draw.order) {
    const double factor = draw.factor[size_t(step)];
    switch (step) {
      case ColorStep::kBrightness:
        if (jitter.brightness > 0) adjust_brightness(pixels, n, c, factor);
        break;
      case ColorStep::kContrast:
        if (jitter.contrast > 0) adjust_contrast(pixels, n, c, factor);
        break;
      case ColorStep::kSaturation:
        if (jitter.saturation > 0) adjust_saturation(pixels, n, c, factor);
        break;
      case ColorStep::kHue:
        if (jitter.hue > 0) adjust_hue(pixels, n, c, factor);
        break;
    }
  }
}

}  // namespace bantam
