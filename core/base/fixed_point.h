// Rounding, signs, saturation, bit order: defined once, used by training and by the device alike.
//
//   sign(x)    +1 for x >= 0 (so for -0.0 too), -1 otherwise, NaN included: one fixed rule. [T 3.2.2]
//   bit order  channel c of a pixel lies in word c / 64, bit c % 64 (least significant first); 1 is +1, 0 is -1.
//              A pixel's channels start on a word of their own; the pad bits of its last word are 0.
//   rounding   half to even (std::nearbyint in the default mode).
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

constexpr int kWordBits = 64;

// Words that `channels` packed bits take.
constexpr size_t words_for(size_t channels) { return (channels + kWordBits - 1) / kWordBits; }

// The bit of sign(x): true is +1. A comparison, not a look at the sign bit: -0.0 gives true, NaN gives false.
template <class T> constexpr bool sign_bit(T x) { return x >= T(0); }
template <class T> constexpr T sign_value(T x) { return x >= T(0) ? T(1) : T(-1); }

// Rounds half to even without libm or the rounding mode; exact for |x| < 2^22, the identity beyond.
constexpr float round_half_even(float x) {
  const float kShift = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction bits
  if (!(x > -4194304.0f && x < 4194304.0f)) return x;
  return (x + kShift) - kShift;
}

constexpr double round_half_even(double x) {
  const double kShift = 6755399441055744.0;  // 1.5 * 2^52
  if (!(x > -2251799813685248.0 && x < 2251799813685248.0)) return x;
  return (x + kShift) - kShift;
}

constexpr int32_t saturate_i8(int32_t v) { return v < -128 ? -128 : v > 127 ? 127 : v; }
constexpr int32_t saturate_u8(int32_t v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

constexpr size_t round_up(size_t v, size_t multiple) { return (v + multiple - 1) / multiple * multiple; }
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace bantam
