// Scalar definitions of color_u8.h.
#pragma once

#include <cmath>
#include <cstdint>

namespace bantam::ref {

// PIL's gray of a color (ITU-R 601-2, 16-bit weights).
inline int gray(const uint8_t* p) { return (p[0] * 19595 + p[1] * 38470 + p[2] * 7471 + 32768) >> 16; }

// PIL's blend: a + factor (b - a) in f32, cut towards 0 and clamped.
inline uint8_t blend(int a, int b, float factor) {
  const float v = float(a) + factor * float(b - a);
  return uint8_t(v <= 0 ? 0 : v >= 255 ? 255 : int(v));
}

inline uint8_t cut(double v) { return v <= 0 ? 0 : v >= 255 ? 255 : uint8_t(v); }

inline void to_hsv(const uint8_t* rgb, uint8_t* hsv) {
  const int r = rgb[0], g = rgb[1], b = rgb[2];
  const int most = r > g ? (r > b ? r : b) : g > b ? g : b, least = r < g ? (r < b ? r : b) : g < b ? g : b;
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

inline void to_rgb(const uint8_t* hsv, uint8_t* rgb) {
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
  for (int k = 0; k < 3; ++k) rgb[k] = by_sector[sector % 6][k];
}

inline void blend_u8(uint8_t* values, int64_t n, int with, float factor) {
  for (int64_t i = 0; i < n; ++i) values[i] = blend(with, values[i], factor);
}

inline void blend_gray_u8(uint8_t* pixels, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i, pixels += 3) {
    const int g = gray(pixels);
    for (int k = 0; k < 3; ++k) pixels[k] = blend(g, pixels[k], factor);
  }
}

inline int64_t gray_sum_u8(const uint8_t* pixels, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += gray(pixels + 3 * i);
  return sum;
}

inline void turn_hue_u8(uint8_t* pixels, int64_t n, uint8_t turn) {
  for (int64_t i = 0; i < n; ++i, pixels += 3) {
    uint8_t hsv[3];
    to_hsv(pixels, hsv);
    hsv[0] = uint8_t(hsv[0] + turn);
    to_rgb(hsv, pixels);
  }
}

}  // namespace bantam::ref
