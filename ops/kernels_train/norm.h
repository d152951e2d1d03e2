// Batch norm in training together with what stands around it, f32 over rows [rows, C]: one pass over memory each. Per element
//
//   d = pre(x) - mean,  z = fma(d, scale, shift) [+ residual],  y = post(z)
//   g = dy where post passes it on, else 0
//
// Single-threaded over the range that they get; an output may be an input of its shape (same address) but must not overlap it
// otherwise. Definitions: norm_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

enum class NormPost : uint8_t { kNone, kRelu, kHardtanh };

struct NormRows {  // [C] each
  const float* slope;  // pre(x) = x >= 0 ? x : x slope (relu: 0); null: x
  const float *mean, *scale, *shift;
};

// y; residual [rows, C], or null for none.
void norm_forward_f32(NormPost post, const NormRows& p, const float* x, const float* residual, float* y, int64_t rows,
                      int64_t c) noexcept;
// Sums over rows of g and of g d, [C] each, overwritten. Without residual.
void norm_sums_f32(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c, double* sum_g,
                   double* sum_gd) noexcept;
// dpre = fma(q.a, g, fma(q.b, d, q.d)), per channel; dx = x > 0 ? dpre : dpre q.back, or dpre where there is no
// p.slope. Without residual.
struct NormGrad {  // [C] each
  const float *a, *b, *d, *back;
};
void norm_grad_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx, int64_t rows,
                   int64_t c) noexcept;

}  // namespace bantam
