// f32 depthwise convolution: one filter a channel, x [N,H,W,C], w [C,kh,kw,1] -> y [N,OH,OW,C], vectorized over
// channels. The same canonical chain as conv_f32 (over (ky, kx), zeros outside multiplied, then + bias), so the same
// bits. Definition: conv_ref.h with groups = c = k.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

constexpr int64_t kDepthwiseMaxTaps = 121;  // larger windows go through conv_f32
constexpr bool is_depthwise(const ConvShape& s) {
  return s.groups == s.c && s.k == s.c && s.c > 1 && s.taps() <= kDepthwiseMaxTaps;
}

// Weights tap by tap, channels padded with zeros: [taps][round_up(C, 16)], as many floats as this.
constexpr int64_t depthwise_stride(int64_t c) { return (c + 15) / 16 * 16; }
constexpr int64_t depthwise_packed_floats(const ConvShape& s) { return s.taps() * depthwise_stride(s.c); }
void depthwise_pack_weights(const ConvShape& s, const float* w, float* packed) noexcept;

// Output pixels [row_begin, row_end) in raster order. bias [C] or null.
void depthwise_f32(const ConvShape& s, const float* x, const float* packed, const float* bias, float* y,
                   int64_t row_begin, int64_t row_end) noexcept;

// The same with the rows described by hand (g.channels = C, raster order): what input gradients are made of. Tap t of
// the window takes weights w + t * depthwise_stride(C).
void depthwise_f32_rows(const GemmRows& g, const float* w, const float* bias, int64_t row_begin,
                        int64_t row_end) noexcept;

}  // namespace bantam
