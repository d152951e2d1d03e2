// Color augmentation of u8 RGB images, as torchvision's ColorJitter does it on PIL images, value for value, and
// AlexNet's lighting.
#pragma once

#include <array>
#include <cstdint>

namespace bantam {

// Strengths; 0 leaves a property alone. A factor is uniform in [max(0, 1 - strength), 1 + strength], the shift of the
// hue in [-hue, hue], a part of the circle.
struct ColorJitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  bool on() const { return brightness > 0 || contrast > 0 || saturation > 0 || hue > 0; }
};

// Along the principal components of ImageNet's colors, in [0, 1] (Krizhevsky et al. 2012): pixel += sum over i of
// alpha_i value_i vector_i, one alpha_i ~ N(0, stddev) an image.
struct Lighting {
  double stddev = 0;
  std::array<double, 3> values = {0.2175, 0.0188, 0.0045};
  std::array<std::array<double, 3>, 3> vectors = {{{-0.5675, -0.5808, -0.5836},  // red, green, blue of the first
                                                   {0.7192, -0.0045, -0.6948},
                                                   {0.4009, -0.8140, 0.4203}}};
};

enum class ColorStep : uint8_t { kBrightness, kContrast, kSaturation, kHue };

// What is done to one sample.
struct ColorDraw {
  std::array<ColorStep, 4> order = {ColorStep::kBrightness, ColorStep::kContrast, ColorStep::kSaturation,
                                    ColorStep::kHue};
  std::array<double, 4> factor = {1, 1, 1, 0};  // by ColorStep
};
ColorDraw draw_color(const ColorJitter& jitter, uint64_t seed, uint64_t epoch, uint64_t sample);

// What is added to red, green and blue, of pixels in [0, 1].
std::array<double, 3> draw_lighting(const Lighting& lighting, uint64_t seed, uint64_t epoch, uint64_t sample);

// The steps of PIL's ImageEnhance (the hue: torchvision's adjust_hue), on pixels [n][c] in place; c is 1 or 3. Each
// blends with black, with the image's mean gray, or with each pixel's gray, in f32, cut to u8; saturation and hue do
// nothing to gray images.
void adjust_brightness(uint8_t* pixels, int64_t n, int c, double factor);
void adjust_contrast(uint8_t* pixels, int64_t n, int c, double factor);
void adjust_saturation(uint8_t* pixels, int64_t n, int c, double factor);
void adjust_hue(uint8_t* pixels, int64_t n, int c, double shift);

// Those of the steps that the jitter has, in the drawn order.
void apply_color(const ColorJitter& jitter, const ColorDraw& draw, uint8_t* pixels, int64_t n, int c);

}  // namespace bantam
