// The definition of bitpack.h.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"

namespace bantam::ref {

template <class T> void pack_signs(const T* x, int64_t pixels, int64_t channels, uint64_t* bits) {
  const int64_t words = int64_t(words_for(size_t(channels)));
  for (int64_t p = 0; p < pixels; ++p) {
    for (int64_t i = 0; i < words; ++i) bits[p * words + i] = 0;
    for (int64_t c = 0; c < channels; ++c)
      bits[p * words + c / kWordBits] |= uint64_t(sign_bit(x[p * channels + c])) << (c % kWordBits);
  }
}

template <class T> void unpack_signs(const uint64_t* bits, int64_t pixels, int64_t channels, T* x) {
  const int64_t words = int64_t(words_for(size_t(channels)));
  for (int64_t p = 0; p < pixels; ++p)
    for (int64_t c = 0; c < channels; ++c)
      x[p * channels + c] = bits[p * words + c / kWordBits] >> (c % kWordBits) & 1 ? T(1) : T(-1);
}

}  // namespace bantam::ref
