// Gradients of elementwise and softmax operations, f32: what only training needs. Single-threaded over the range
// that they get; dx may be dy (in place) but must not overlap an input otherwise. Definitions: elementwise_grad_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

void relu_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept;     // out > 0 ? dy : 0
void tanh_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept;     // dy (1 - out^2)
void sigmoid_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept;  // dy out (1 - out)
// dx = dy times hard_swish's derivative: 0 for x <= -3, 1 for x >= 3, (2 x + 3) / 6 between.
void hard_swish_grad_f32(const float* x, const float* dy, float* dx, int64_t n) noexcept;

// dx = x >= 0 ? dy : dy slope; slope is one value, or one a channel.
void prelu_grad_f32(const float* x, const float* dy, float slope, float* dx, int64_t n) noexcept;
void prelu_channels_grad_f32(const float* x, const float* dy, const float* slope, float* dx, int64_t rows,
                             int64_t c) noexcept;
// Gradient of the slopes over rows [rows, C]: sums of x >= 0 ? 0 : dy x, [C], overwritten.
void prelu_slope_sums_f32(const float* x, const float* dy, int64_t rows, int64_t c, double* sums) noexcept;

// Rows [rows, C] of y = softmax: dx = y (dy - sum(dy y)); of y = log_softmax: dx = dy - e^y sum(dy).
void softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept;
void log_softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept;

}  // namespace bantam
