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

}  // namespace bantam::ref
