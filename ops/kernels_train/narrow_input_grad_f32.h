// Input gradient of convolutions with few input channels, where vectors along those would be mostly empty. A line of dx
// is two steps: T[ox][kx,c] = sum_{ky,k} dy[oy,ox,k] w[k,ky,kx,c] over the lines oy that meet it, a matrix product
// whose columns are a whole line of the window and whose rows are output pixels, none of them outside; then dx[x][c] =
// sum_kx T[ox][kx,c] over ox sw = x + pw - kx, sums of a few shifted rows.
//
// An element's order of sums: one chain over (ky, k) for each kx, added up with kx ascending. The same for every split.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

constexpr bool narrow_input_grad_possible(const ConvShape& s) {
  return s.groups == 1 && s.c < 16 && s.dilation_w == 1 && s.kw > 1 && s.kw <= 16 && s.out_w() >= 4;
}

// Floats of w packed as [kh][K][columns]: columns = kw C in whole lines of 16.
constexpr int64_t narrow_input_grad_columns(const ConvShape& s) { return (s.kw * s.c + 15) / 16 * 16; }
constexpr int64_t narrow_input_grad_packed_floats(const ConvShape& s) {
  return s.kh * s.k * narrow_input_grad_columns(s);
}
void narrow_input_grad_pack_weights(const ConvShape& s, const float* w, float* packed) noexcept;

// Floats of scratch: T with rows of zeros before and behind it, and what a vector reads beyond.
constexpr int64_t narrow_input_grad_scratch(const ConvShape& s) {
  return (s.out_w() + 2 * s.kw) * narrow_input_grad_columns(s) + 16;
}
// Lines [line_begin, line_end) of n * h lines of dx.
void narrow_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t line_begin,
                           int64_t line_end, float* scratch) noexcept;

}  // namespace bantam
