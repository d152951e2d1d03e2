// Gradients of pooling (ops/kernels/pool.h), for input pixels [row_begin, row_end) in raster order over the batch, or
// lines of them: each is the sum over the windows that hold it, in raster order, so no split changes a value.
// Definitions: ops/kernels/pool_ref.h.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/pool.h"

namespace bantam {

// Of input lines [line_begin, line_end), n h of them in the batch; fastest where both are multiples of the stride.
void max_pool_grad_f32(const ConvShape& s, const float* dy, const uint8_t* positions, float* dx, int64_t line_begin,
                       int64_t line_end) noexcept;
void avg_pool_grad_f32(const ConvShape& s, const float* dy, float* dx, int64_t row_begin, int64_t row_end) noexcept;
void global_avg_pool_grad_f32(const float* dy, int64_t pixels, int64_t c, float* dx, int64_t n_begin,
                              int64_t n_end) noexcept;
void adaptive_avg_pool_grad_f32(const AdaptivePool& s, const float* dy, float* dx, int64_t row_begin,
                                int64_t row_end) noexcept;

}  // namespace bantam
