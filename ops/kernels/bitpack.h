// Signs as bits, and back. Bit order and sign(x) are those of core/base/fixed_point.h: channel c of a pixel is bit
// c % 64 of its word c / 64, 1 is +1, sign(-0.0) = +1, sign(NaN) = -1. `bits` is [pixels, words_for(channels)].
// Definition: bitpack_ref.h, equal bit for bit.
#pragma once

#include <cstdint>

namespace bantam {

// bits = [x >= 0], x [pixels, channels]. The pad bits of each pixel's last word are written as 0.
void pack_signs(const float* x, int64_t pixels, int64_t channels, uint64_t* bits) noexcept;

// x = bit ? +1 : -1. Pad bits are not looked at.
void unpack_signs(const uint64_t* bits, int64_t pixels, int64_t channels, float* x) noexcept;

}  // namespace bantam
