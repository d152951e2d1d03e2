// The scalar definition of ops/kernels/gemm_f32.h: oracle of its tests.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/gemm_f32.h"

namespace bantam::ref {

// The canonical chain for f32; f64 (gradient checks) has no promise to keep and no fused instruction at hand.
inline float mul_add(float a, float b, float c) { return std::fma(a, b, c); }
inline double mul_add(double a, double b, double c) { return a * b + c; }

// Element k of row r of A.
inline float gathered(const GemmRows& g, int64_t r, int64_t k) {
  const int64_t ox = r % g.out_w, oy = r / g.out_w % g.out_h, i = r / (g.out_w * g.out_h);
  const int64_t c = k % g.channels, tx = k / g.channels % g.taps_w, ty = k / (g.channels * g.taps_w);
  const int64_t y = oy * g.stride_h + g.first_h + ty * g.step_h;
  const int64_t x = ox * g.stride_w + g.first_w + tx * g.step_w;
  if (y < 0 || y >= g.h || x < 0 || x >= g.w) return 0.0f;
  return g.src[((i * g.h + y) * g.w + x) * g.pixel + c];
}

// C[r][n] with b(k, n) given as a callable.
template <class B>
float gemm_element(const GemmRows& g, int64_t r, int64_t n, const B& b, const float* bias) {
  float acc = 0.0f;
  for (int64_t k = 0; k < g.depth(); ++k) acc = mul_add(gathered(g, r, k), b(k, n), acc);
  return bias ? acc + bias[n] : acc;
}

}  // namespace bantam::ref
