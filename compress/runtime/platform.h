// What the runtime's promise of equal bytes needs of compiler and machine; whoever lacks it must not build, since it
// would compute something else without a word.
#pragma once

#include <float.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bantam: packed models are little-endian, and are used where they lie: this target is not"
#endif
#ifdef __FAST_MATH__
#error "bantam: -ffast-math changes the order of sums: compile without it"
#endif
#if FLT_EVAL_METHOD != 0
#error "bantam: this target computes floats in another precision (x87): compile with -mfpmath=sse -msse2"
#endif

namespace bantam::packed {

// Does this thread round to the nearest, ties to even, and keep numbers below 2^-126? Everything else computes other
// scores.
inline bool rounds_as_promised() {
  volatile float one = 1.0f, half_ulp = 0x1p-24f, more = 0x1.8p-24f, least = 0x1p-126f, half = 0.5f;
  return one + half_ulp == 1.0f && one + more > 1.0f && -one - half_ulp == -1.0f && least * half != 0.0f;
}

}  // namespace bantam::packed
