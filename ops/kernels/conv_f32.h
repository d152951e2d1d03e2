// f32 convolution forward: x [N,H,W,C], w [K,kh,kw,C/groups] -> y [N,OH,OW,K], through gemm_f32 with gathered rows.
//   y[n,oy,ox,k] = bias[k] + sum_{ky,kx,c} x[n, oy sh + ky dh - ph, ox sw + kx dw - pw, g C/groups + c] w[k,ky,kx,c]
// in the canonical order (gemm_f32.h) or by blocks of it, zeros outside the image. A linear layer is the 1x1 case on
// images of one pixel. Definition: conv_ref.h. Depthwise convolutions have a kernel of their own: depthwise.h.
//
// Nothing allocates. The caller splits rows (output pixels; their order depends on the shape) and panels (32 output
// channels of a group, groups in order) and gives each thread its scratch.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/gemm_f32.h"

namespace bantam {

constexpr int64_t conv_f32_rows(const ConvShape& s) { return s.n * s.out_h() * s.out_w(); }
constexpr int64_t conv_f32_group_panels(const ConvShape& s) { return (s.group_k() + kGemmPanel - 1) / kGemmPanel; }
constexpr int64_t conv_f32_panels(const ConvShape& s) { return s.groups * conv_f32_group_panels(s); }

// Weights of all groups, each group's in one of the layouts of GemmB (depth = taps * C/groups, columns = K/groups) and
// `step` floats (bytes for bits) after the one before.
struct ConvWeights {
  GemmB first;
  int64_t step = 0;
};

// As panels, packed by conv_f32_pack_weights: this many floats.
constexpr int64_t conv_f32_packed_floats(const ConvShape& s) {
  return s.groups * gemm_f32_panel_floats(s.taps() * s.group_c(), s.group_k());
}
constexpr ConvWeights conv_f32_packed(const ConvShape& s, const float* panels) {
  return {GemmB::panels(panels, s.group_k()), gemm_f32_panel_floats(s.taps() * s.group_c(), s.group_k())};
}
// Panels [panel_begin, panel_end) of conv_f32_panels(s).
void conv_f32_pack_weights(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end,
                           float* panels) noexcept;

// As the packed model keeps them, depth-major: a group is [taps * C/groups][round_up(K/groups, 16)] floats, or as many
// bits of signs. Equal on every target.
constexpr int64_t conv_f32_row_floats(const ConvShape& s) { return (s.group_k() + 15) / 16 * 16; }
constexpr ConvWeights conv_f32_row_weights(const ConvShape& s, const float* w) {
  return {GemmB::rows(w, s.group_k(), conv_f32_row_floats(s)), s.taps() * s.group_c() * conv_f32_row_floats(s)};
}
constexpr ConvWeights conv_f32_sign_weights(const ConvShape& s, const uint8_t* bits) {
  return {GemmB::signs(bits, s.group_k(), conv_f32_row_floats(s) / 8),
          s.taps() * s.group_c() * conv_f32_row_floats(s) / 8};
}

// Floats of scratch; block_rows as in gemm_f32.h.
constexpr int64_t conv_f32_scratch(const ConvShape& s, int64_t block_rows, bool bits = false) {
  return gemm_f32_scratch(s.taps() * s.group_c(), block_rows, bits);
}

void conv_f32(const ConvShape& s, const float* x, const ConvWeights& w, const float* bias, float* y, int64_t row_begin,
              int64_t row_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block_rows,
              GemmSum sum = GemmSum::kChain) noexcept;

// The rows of group `group`, in raster order: for the callers of gemm_f32.
constexpr GemmRows conv_f32_gather(const ConvShape& s, const float* x, float* y, int64_t group) {
  GemmRows g;
  g.src = x + group * s.group_c();
  g.images = s.n;
  g.h = s.h;
  g.w = s.w;
  g.pixel = s.c;
  g.channels = s.group_c();
  g.taps_h = s.kh;
  g.taps_w = s.kw;
  g.step_h = s.dilation_h;
  g.step_w = s.dilation_w;
  g.out_h = s.out_h();
  g.out_w = s.out_w();
  g.stride_h = s.stride_h;
  g.stride_w = s.stride_w;
  g.first_h = -s.pad_h;
  g.first_w = -s.pad_w;
  g.dst = y ? y + group * s.group_k() : nullptr;  // null for who only reads
  g.dst_pixel = s.k;
  g.dst_row = g.out_w * s.k;
  g.dst_image = g.out_h * g.dst_row;
  return g;
}

}  // namespace bantam
