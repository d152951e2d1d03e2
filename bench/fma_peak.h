// The limit that the matrix benchmarks compare themselves with, measured in the same run.
#pragma once

namespace bantam {

// Fused multiply-adds of f32 that one core does in a second from registers alone, on the chosen SIMD target: the best of
// several short runs. Measured anew at each call: a machine's speed wanders.
double fma_peak();

}  // namespace bantam
