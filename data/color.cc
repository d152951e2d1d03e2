#include "data/color.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/rng.h"

namespace bantam {
namespace {

// PIL's gray of a color (ITU-R 601-2, 16-bit weights).
int gray(const uint8_t* p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 32768) >> 16; }

// PIL's blend: a + factor (b - a) in f32, cut towards 0 and clamped.
uint8_t blend(int a, int b, float factor) {
  const float v = float(a) + factor * float(b - a);
  return uint8_t(int(std::min(std::max(v, 0.0f), 255.0f)));
}

// Blends every value with the same one.
void blend_all(uint8_t* values, int64_t n, int with, double factor) {
  uint8_t table[256];
  for (int i = 0; i < 256; ++i) table[i] = blend(with, i, float(factor));
  for (int64_t i = 0; i < n; ++i) values[i] = table[values[i]];
}

uint8_t cut(double v) { return v <= 0 ? 0 : v >= 255 ? 255 : uint8_t(v); }

// PIL's conversions, in the widths of its C code: 8 bits for each of hue, saturation, value.
void to_hsv(const uint8_t* rgb, uint8_t* hsv) {
  const int r = rgb[0], g = rgb[1], b = rgb[2], most = std::max({r, g, b}), least = std::min({r, g, b});
  hsv[2] = uint8_t(most);
  if (most == least) {
    hsv[0] = hsv[1] = 0;
    return;
  }
  const float range = float(most - least);
  const float rc = float(most - r) / range, gc = float(most - g) / range, bc = float(most - b) / range;
  float h;
  if (r == most)
    h = bc - gc;
  else if (g == most)
    h = float(2.0 + double(rc) - double(bc));
  else
    h = float(4.0 + double(gc) - double(rc));
  h = float(std::fmod(double(h) / 6.0 + 1.0, 1.0));
  hsv[0] = cut(double(h) * 255.0);
  hsv[1] = cut(double(range / float(most)) * 255.0);
}

void to_rgb(const uint8_t* hsv, uint8_t* rgb) {
  const uint8_t v = hsv[2];
  if (hsv[1] == 0) {
    rgb[0] = rgb[1] = rgb[2] = v;
    return;
  }
  const double turn = double(float(hsv[0])) * 6.0 / 255.0;
  const int sector = int(std::floor(turn));
  const float f = float(turn - double(float(sector))), s = float(double(float(hsv[1])) / 255.0);
  const auto round8 = [](double x) { return cut(std::round(x)); };
  const uint8_t p = round8(double(float(v)) * (1.0 - double(s)));
  const uint8_t q = round8(double(float(v)) * (1.0 - double(s * f)));
  const uint8_t t = round8(double(float(v)) * (1.0 - double(s) * (1.0 - double(f))));
  const uint8_t by_sector[6][3] = {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}};
  std::copy_n(by_sector[sector % 6], 3, rgb);
}

}  // namespace

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

void adjust_brightness(uint8_t* pixels, int64_t n, int c, double factor) { blend_all(pixels, n * c, 0, factor); }

void adjust_contrast(uint8_t* pixels, int64_t n, int c, double factor) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += c == 3 ? gray(pixels + 3 * i) : pixels[i];
  blend_all(pixels, n * c, int(double(sum) / double(n) + 0.5), factor);
}

void adjust_saturation(uint8_t* pixels, int64_t n, int c, double factor) {
  if (c != 3) return;
  const float f = float(factor);
  for (int64_t i = 0; i < n; ++i, pixels += 3) {
    const int g = gray(pixels);
    for (int k = 0; k < 3; ++k) pixels[k] = blend(g, pixels[k], f);
  }
}

void adjust_hue(uint8_t* pixels, int64_t n, int c, double shift) {
  if (c != 3) return;
  const auto turn = uint8_t(int32_t(shift * 255));  // cut towards 0, around the circle
  for (int64_t i = 0; i < n; ++i, pixels += 3) {
    uint8_t hsv[3];
    to_hsv(pixels, hsv);
    hsv[0] = uint8_t(hsv[0] + turn);
    to_rgb(hsv, pixels);
  }
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
