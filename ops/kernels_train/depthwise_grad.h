// Gradients of the depthwise convolution (ops/kernels/depthwise.h), vectorized over channels. Definitions: conv_ref.h.
#pragma once

#include <cstdint>

#include "ops/kernels/depthwise.h"

namespace bantam {

// Input gradient: phase by phase (phases.h). Rows are the n * h * w input pixels, phase after phase.
void depthwise_input_grad_pack_weights(const ConvShape& s, const float* w,
                                       float* packed) noexcept;  // depthwise_packed_floats
void depthwise_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t row_begin,
                              int64_t row_end) noexcept;

// Weight gradient: the pixels are cut into `splits` ranges by the shape alone, each with its own sum
// [taps][depthwise_stride(C)], and in each a block of 256 pixels is a sum of its own. depthwise_weight_grad_finish adds
// the sums in order and turns them to [C,kh,kw,1].
constexpr int64_t depthwise_weight_grad_splits(const ConvShape& s) {
  const int64_t blocks = (conv_f32_rows(s) + 255) / 256;
  return blocks < 16 ? blocks : 16;
}
constexpr int64_t depthwise_weight_grad_sums(const ConvShape& s) {  // floats
  return depthwise_weight_grad_splits(s) * depthwise_packed_floats(s);
}
void depthwise_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, int64_t split_begin,
                               int64_t split_end, float* sums) noexcept;
void depthwise_weight_grad_finish(const ConvShape& s, const float* sums, float* dw) noexcept;

}  // namespace bantam
