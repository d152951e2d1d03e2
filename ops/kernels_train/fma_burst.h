// The limit that products are compared with: what a core multiplies and adds when nothing has to be loaded or stored.
#pragma once

#include <cstdint>

namespace bantam {

// Multiplies and adds f32 in registers, in chains enough to hide the latency, on the SIMD target that the products use.
// values[0] and [1] are the operands, values[0] takes the result (of no use but to keep the work). Returns how many
// fused multiply-adds were done; 100,000 turns take some milliseconds.
int64_t fma_burst(int64_t turns, float values[2]) noexcept;

}  // namespace bantam
