// Input gradient of the f32 convolution (ops/kernels/conv_f32.h):
//   dx[n,y,x,c] = sum_{ky,kx,k} dy[n,oy,ox,k] w[k,ky,kx,c]   over oy sh = y + ph - ky dh, ox likewise.
// The input pixels fall into sh x sw phases (y mod sh, x mod sw), each a dense convolution of dy at stride 1
// (phases.h): no zeros are inserted. Where channels allow (conv_input_grad_in_cells) all phases of a block of pixels
// are made from one gathered block of dy, which meets sh sw as many columns. Definition: ops/kernels/conv_ref.h; the
// order of the sums depends on the shape alone, neither on the split into ranges nor on the number of lanes.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

// Whether pixels are worked in cells of sh x sw, one of each phase.
constexpr bool conv_input_grad_in_cells(const ConvShape& s) {
  return s.stride_h * s.stride_w > 1 && s.stride_h * s.stride_w <= 16 && s.group_k() % 16 == 0;
}
// Rows are the input pixels, phase after phase; or cells, in the order of a convolution's output pixels. Panels are 32
// input channels of a group, groups in order.
constexpr int64_t conv_input_grad_f32_rows(const ConvShape& s) {
  if (!conv_input_grad_in_cells(s)) return s.n * s.h * s.w;
  return s.n * ((s.h + s.stride_h - 1) / s.stride_h) * ((s.w + s.stride_w - 1) / s.stride_w);
}
constexpr int64_t conv_input_grad_f32_panels(const ConvShape& s) {
  return s.groups * ((s.group_c() + kGemmPanel - 1) / kGemmPanel);
}
constexpr int64_t conv_input_grad_f32_packed_floats(const ConvShape& s) {
  return s.groups * gemm_f32_panel_floats(s.taps() * s.group_k(), s.group_c());
}
constexpr int64_t conv_input_grad_f32_scratch(const ConvShape& s, int64_t block_rows) {
  return gemm_f32_scratch(s.taps() * s.group_k(), block_rows);
}
void conv_input_grad_f32_pack_weights(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end,
                                      float* packed) noexcept;
void conv_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t row_begin,
                         int64_t row_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                         int64_t block_rows) noexcept;

}  // namespace bantam
