// Binary convolution: dot products of +-1 vectors held as bits, by xor and popcount. A linear layer is the same with
// h = w = kh = kw = 1.
//
//   out[n,oy,ox,k] = sum over (ky, kx, c) of a[n, oy sh - ph + ky dh, ox sw - pw + kx dw, c] * w[k,ky,kx,c],
//   a and w in {-1, +1}
//
// Where the activation lies in the padding it is pad_value: 0 (such a tap contributes nothing), +1 or -1. With m
// mismatching bits among B compared ones the sum is B - 2 m. Padded taps compare with zero bits (ones where pad_value
// is +1); for pad_value 0 what they add to m is a constant of the output channel and of which taps lie outside: it is
// taken back by a row of base values per class of border pixels, computed when the weights are packed.
//
//   s        sizes; groups = 1; taps * c < 2^24 (so that the sum is exact in f32, too). n >= 1.
//   x        [n, h, w, words] bits, words = words_for(c), pad bits 0
//   w        weights: panels as xnor_pack_panels makes them, and the tables that xnor_pack_tables makes of them
//   rows     of the output, counted through the batch: row r is row r % out_h of image r / out_h
//   part     output channels, from a multiple of 64 on; K is their number in what follows, and bias and thresholds
//            begin with theirs
//   out      the first row's first element: [row_end - row_begin, out_w, K or its words]
//   scratch  xnor_scratch_bytes(s), one for each thread
// Panels, tables and scratch are 64-byte aligned. Definition: gemm_xnor_ref.h, equal on every target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/threshold.h"

namespace bantam {

// Packed weights: panels of xnor_panel() output channels, and what follows from them, shape and padding.
struct XnorWeights {
  const void* panels;
  const void* tables;
};

// Sizes, the same on every target. They grow with every field of s: who takes s from a file bounds it first. All must
// be below 4 GiB, because places in them are 32-bit numbers.
size_t xnor_panel_bytes(const ConvShape& s) noexcept;
size_t xnor_table_bytes(const ConvShape& s, int pad_value) noexcept;
size_t xnor_scratch_bytes(const ConvShape& s) noexcept;
// Of panels and tables one after the other.
inline size_t xnor_packed_bytes(const ConvShape& s, int pad_value) {
  return xnor_panel_bytes(s) + xnor_table_bytes(s, pad_value);
}
inline XnorWeights xnor_weights(const ConvShape& s, const void* packed) {
  return {packed, static_cast<const uint8_t*>(packed) + xnor_panel_bytes(s)};
}

// Output rows that the kernel works on at a time: ranges of a multiple of it waste nothing.
int64_t xnor_block_rows(const ConvShape& s) noexcept;

// Output channels of a panel on the running target: 1, 2, 4 or 16. Panels are [K rounded up to 16, in panels][kh kw
// words][panel]: word i of channel k is that of (ky, kx, c / 64) = i; those of channels beyond K are 0.
int xnor_panel() noexcept;
constexpr int kXnorPanels[] = {1, 2, 4, 16};

// w [K, kh, kw, words] bits, pad bits 0 -> panels of `panel` channels, the running target's or another's.
void xnor_pack_panels(const ConvShape& s, const uint64_t* w, int panel, void* panels) noexcept;
// Panels of another width -> those of the running target.
void xnor_repack_panels(const ConvShape& s, const void* from, int from_panel, void* panels) noexcept;
// The tables that go with the running target's panels.
void xnor_pack_tables(const ConvShape& s, int pad_value, const void* panels, void* tables) noexcept;
// Panels and tables into memory of xnor_packed_bytes.
inline void xnor_pack_weights(const ConvShape& s, int pad_value, const uint64_t* w, void* packed) {
  xnor_pack_panels(s, w, xnor_panel(), packed);
  xnor_pack_tables(s, pad_value, packed, static_cast<uint8_t*>(packed) + xnor_panel_bytes(s));
}

// The sums.
void xnor_conv_i32(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, int64_t row_begin,
                   int64_t row_end, void* scratch, int32_t* out, ChannelRange part = {}) noexcept;
// float(sum) + bias[k] (one f32 addition), or float(sum) if bias is null.
void xnor_conv_f32(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, const float* bias,
                   int64_t row_begin, int64_t row_end, void* scratch, float* out, ChannelRange part = {}) noexcept;
// Thresholded: equals xnor_conv_i32 followed by threshold_bits.
void xnor_conv_bits(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, const Thresholds& t,
                    int64_t row_begin, int64_t row_end, void* scratch, uint64_t* out,
                    ChannelRange part = {}) noexcept;

}  // namespace bantam
