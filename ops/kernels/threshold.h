// What becomes of an integer layer's sums when the next layer takes bits or codes: scale, bias, norm, activation and
// quantizer are together a step function of the sum, found by the packer (compress/pack) channel by channel.
// Definition: threshold_ref.h, equal on every target.
#pragma once

#include <cstdint>

namespace bantam {

// bit = (lo[k] <= sum && sum <= hi[k]) ^ flip, flip being bit k % 64 of word k / 64. lo > hi never holds, so that
// lo = 1, hi = 0 gives the constant `flip`.
struct Thresholds {
  const int32_t* lo;     // [K]
  const int32_t* hi;     // [K]
  const uint64_t* flip;  // [words_for(K)], pad bits 0
};

// acc [pixels, K] -> bits [pixels, words_for(K)], pad bits 0.
void threshold_bits(const int32_t* acc, int64_t pixels, int64_t k, const Thresholds& t, uint64_t* bits) noexcept;

// Codes in place of bits: byte = how many t[0 .. top) <= v, v the sum, or -sum where the channel's bit of `falls` is
// set.
struct CodeThresholds {
  const int32_t* t;       // channel c's are t[j * step + c], ascending with j
  int64_t top;            // at most 255
  const uint64_t* falls;  // [words_for(K)]
  int64_t step;           // at least K: a part of the channels takes a part of each row
};

// acc [pixels, K] of at most 2^31 - 1 in magnitude -> bytes [pixels, K].
void threshold_codes(const int32_t* acc, int64_t pixels, int64_t k, const CodeThresholds& t, uint8_t* bytes) noexcept;

}  // namespace bantam
