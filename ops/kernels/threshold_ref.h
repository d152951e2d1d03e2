// The definition of threshold.h.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "ops/kernels/threshold.h"

namespace bantam::ref {

inline void threshold_bits(const int32_t* acc, int64_t pixels, int64_t k, const Thresholds& t, uint64_t* bits) {
  const int64_t words = int64_t(words_for(size_t(k)));
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t i = 0; i < words; ++i) bits[p * words + i] = 0;
    for (int64_t c = 0; c < k; ++c) {
      const int32_t v = acc[p * k + c];
      const bool flip = t.flip[c / kWordBits] >> (c % kWordBits) & 1;
      const bool bit = (t.lo[c] <= v && v <= t.hi[c]) != flip;
      bits[p * words + c / kWordBits] |= uint64_t(bit) << (c % kWordBits);
    }
  }
}

inline void threshold_codes(const int32_t* acc, int64_t pixels, int64_t k, const CodeThresholds& t, uint8_t* bytes) {
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t c = 0; c < k; ++c) {
      const bool falls = t.falls[c / kWordBits] >> (c % kWordBits) & 1;
      const int32_t v = falls ? -acc[p * k + c] : acc[p * k + c];
      int count = 0;
      for (int64_t j = 0; j < t.top; ++j) count += t.t[j * t.step + c] <= v;
      bytes[p * k + c] = uint8_t(count);
    }
}

}  // namespace bantam::ref
