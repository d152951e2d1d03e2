// The definition of code_values.h.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"

namespace bantam::ref {

template <class T>
inline uint8_t round_to_code(T x, T factor, int32_t lo, int32_t hi) {
  const T v = x * factor;
  if (!(v > T(lo))) return 0;  // NaN too
  if (v >= T(hi)) return uint8_t(hi - lo);
  return uint8_t(int32_t(round_half_even(v)) - lo);
}
inline int32_t code(uint8_t byte, int32_t mul, int32_t add) { return mul * int32_t(byte) + add; }

template <class T>
inline uint8_t count_thresholds(T x, const T* thresholds, int32_t count) {
  int32_t below = 0;
  for (int32_t j = 0; j < count; ++j) below += thresholds[j] <= x;
  return uint8_t(below);
}

}  // namespace bantam::ref
