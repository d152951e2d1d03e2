// The limit that products of bits are compared with: what a core does of xor, popcount and add when nothing has to be
// loaded or stored.
#pragma once

#include <cstdint>

namespace bantam {

// Xor, popcount and add of words in registers, in chains enough to hide the latency, on the SIMD target that gemm_xnor
// uses. Takes 24 words; *value depends on all that was done (of no use but to keep the work). Returns how many words
// that was, 64 multiply-accumulates each; 1,000,000 turns take some milliseconds.
int64_t popcount_burst(int64_t turns, const uint64_t words[24], uint64_t* value) noexcept;

}  // namespace bantam
