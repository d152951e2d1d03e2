// Between f32 values and codes as bytes: the quantizers that are a multiplication, a rounding and two bounds, and back.
// Definition: code_values_ref.h, equal on every target.
#pragma once

#include <cstdint>

namespace bantam {

// bytes[i] = clamp(round(x[i] * factor), lo, hi) - lo, rounding half to even; NaN gives 0. hi - lo <= 255, |lo| and
// |hi| at most 255.
void round_to_codes(const float* x, float factor, int32_t lo, int32_t hi, uint8_t* bytes, int64_t n) noexcept;

// y[i] = mul * bytes[i] + add, an integer.
void codes_to_f32(const uint8_t* bytes, int32_t mul, int32_t add, float* y, int64_t n) noexcept;

// bytes[i] = how many of the thresholds are <= x[i]: 0 for NaN. At most 255 of them.
void count_thresholds_f32(const float* x, const float* thresholds, int32_t count, uint8_t* bytes, int64_t n) noexcept;
// y[i] = values[how many of the thresholds are <= x[i]]; y may be x.
void steps_f32(const float* x, const float* thresholds, const float* values, int32_t count, float* y,
               int64_t n) noexcept;

}  // namespace bantam
