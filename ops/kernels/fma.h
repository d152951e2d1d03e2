// One rounding: x * y + z, everywhere. Highway's MulAdd is not fused on its scalar target, and std::fma is a call into
// libm where the processor has no such instruction; the canonical order of sums (docs/exactness.md) needs neither.
#pragma once

#include <cstdint>
#include <cstring>

namespace bantam {

// Bit for bit std::fma(x, y, z) in the default rounding mode (NaN payloads aside), without libm. The product of two
// floats is exact in double; the sum is rounded to odd (Boldo and Melquiond 2008), which 29 spare bits make harmless to
// the final rounding.
inline float fma_by_double(float x, float y, float z) {
  const double p = double(x) * double(y);
  double s = p + double(z);
  // TwoSum (Knuth): s + e == p + z exactly, unless something is infinite or NaN (e is then NaN or s is not finite).
  const double t = s - p;
  const double e = (p - (s - t)) + (double(z) - t);
  uint64_t bits;
  memcpy(&bits, &s, 8);
  if ((e > 0.0 || e < 0.0) && (bits & 1) == 0 && (bits >> 52 & 0x7FF) != 0x7FF) {
    // The exact sum lies strictly between s and its neighbor on e's side: take the odd one of the two.
    bits += ((e > 0.0) == (s > 0.0)) ? uint64_t(1) : ~uint64_t(0);
    memcpy(&s, &bits, 8);
  }
  return float(s);
}

inline float fused_multiply_add(float x, float y, float z) {
#if defined(__FMA__) || defined(__aarch64__) || defined(__ARM_FEATURE_FMA) || defined(__FP_FAST_FMAF)
  return __builtin_fmaf(x, y, z);
#else
  return fma_by_double(x, y, z);
#endif
}

}  // namespace bantam
