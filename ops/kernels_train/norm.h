// Batch norm in training together with what stands around it, f32 over rows [rows, C]: one pass over memory each. Per
// element
//
//   d = pre(x) - mean,  z = fma(d, scale, shift) [+ residual],  y = post(z)
//   g = dy post'(z): for relu and hardtanh dy where they pass it on, else 0
//
// Single-threaded over the range that they get; an output may be an input of its shape (same address) but must not
// overlap it otherwise. Definitions: norm_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

enum class NormPost : uint8_t { kNone, kRelu, kHardtanh, kHardSwish };

struct NormRows {  // [C] each
  const float* slope;  // pre(x) = x >= 0 ? x : x slope (relu: 0); null: x
  const float *mean, *scale, *shift;
};

struct NormOut {
  float* y;
  uint8_t* passed = nullptr;  // if given: bit i is y[i] > 0, 8 elements a byte
  int64_t whole = 0;          // floats of the output that y is a part of: a large one is written past the caches
};
// residual [rows, C], or null for none.
void norm_forward_f32(NormPost post, const NormRows& p, const float* x, const float* residual, const NormOut& out,
                      int64_t rows, int64_t c) noexcept;
// Sums over rows of g and of g d, [C] each, overwritten. Without residual.
void norm_sums_f32(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c,
                   double* sum_g, double* sum_gd) noexcept;
// dpre = fma(q.a, g, fma(q.b, d, q.d)), per channel; dx = x > 0 ? dpre : dpre q.back, or dpre where there is no
// p.slope. Without residual. whole: as NormOut's.
struct NormGrad {  // [C] each
  const float *a, *b, *d, *back;
};
void norm_grad_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx,
                   int64_t rows, int64_t c, int64_t whole = 0) noexcept;

// The sums with post a mask: g = dy where it has a 1 at the element's place, which is written, too, and may be dy.
struct NormMask {
  const uint8_t* bits;
  int64_t first, size;  // the place of the first of these elements; bits in all
};
void norm_masked_sums_f32(const NormRows& p, const float* dy, const NormMask& mask, const float* x, float* g,
                          int64_t rows, int64_t c, double* sum_g, double* sum_gd) noexcept;
// norm_grad_f32 and, [C] overwritten, the slopes' gradients: sums over rows of dpre x where not x >= 0. With p.slope.
void norm_grad_slope_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x,
                         float* dx, int64_t rows, int64_t c, double* sums, int64_t whole = 0) noexcept;

}  // namespace bantam
