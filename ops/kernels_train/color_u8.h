// Colors of u8 pixels changed in place, as PIL changes them: its conversions, in the widths and roundings of its C
// code. Pixels [n][3] are red, green, blue. Single-threaded over what they get. Definitions: color_u8_ref.h, equal bit
// for bit on every target.
#pragma once

#include <cstdint>

namespace bantam {

// values[i] = with + factor (values[i] - with), cut towards 0 and clamped to u8. `with` is in [0, 255].
void blend_u8(uint8_t* values, int64_t n, int with, float factor) noexcept;

// The same with each pixel's own gray.
void blend_gray_u8(uint8_t* pixels, int64_t n, float factor) noexcept;

// The sum of the pixels' grays, n < 2^55.
int64_t gray_sum_u8(const uint8_t* pixels, int64_t n) noexcept;

// To hue, saturation, value of 8 bits each, the hue turned by turn / 256 of the circle, and back.
void turn_hue_u8(uint8_t* pixels, int64_t n, uint8_t turn) noexcept;

}  // namespace bantam
