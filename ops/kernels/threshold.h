// What becomes of a binary layer's integer sums when the next layer takes bits: bias, norm, activation and sign are together
// a step function of the sum, found by the packer (compress/pack) channel by channel.
// Definition: threshold_ref.h, equal on every target.
#pragma once

#include <cstdint>

namespace bantam {

// bit = (lo[k] <= sum && sum <= hi[k]) ^ flip, flip being bit k % 64 of word k / 64. lo > hi never holds, so that lo = 1,
// hi = 0 gives the constant `flip`.
struct Thresholds {
  const int32_t* lo;     // [K]
  const int32_t* hi;     // [K]
  const uint64_t* flip;  // [words_for(K)], pad bits 0
};

// acc [pixels, K] -> bits [pixels, words_for(K)], pad bits 0.
void threshold_bits(const int32_t* acc, int64_t pixels, int64_t k, const Thresholds& t, uint64_t* bits) noexcept;

// One output row of a max pool over sums: out[ox, k] = max over rows[0 .. row_count) and the valid columns of the window
// ox * stride - pad + [0, kernel). Each row is [w, K]. row_count >= 1: rows in the padding are left out by the caller.
// Every window must hold at least one valid column (pad < kernel).
void max_pool_i32_row(const int32_t* const* rows, int64_t row_count, int64_t w, int64_t k, int64_t kernel, int64_t stride,
                      int64_t pad, int64_t out_w, int32_t* out) noexcept;

}  // namespace bantam
