// Many random numbers at once: those of a stream (core/base/philox.h, which defines them; core/rng.h names streams),
// bit for bit, on every target.
#pragma once

#include <cstdint>

#include "core/base/philox.h"

namespace bantam {

// Numbers first .. first + n - 1 of the stream, n >= 0.
void philox_numbers(const PhiloxStream& stream, uint64_t first, uint32_t* out, int64_t n) noexcept;

// kept = number first + i, its upper 24 bits, is at least `least` (0 < least <= 2^24); bit i of `bits` = kept; y[i] =
// kept ? x[i] scale : 0. A byte holds 8 elements, the first in the lowest bit; unused bits of the last are 0. y may be
// x.
void dropout_f32(const PhiloxStream& stream, uint64_t first, uint32_t least, float scale, const float* x, float* y,
                 uint8_t* bits, int64_t n) noexcept;

}  // namespace bantam
