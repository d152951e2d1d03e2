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
//   packed   weights as xnor_pack_weights makes them
//   rows     of the output, counted through the batch: row r is row r % out_h of image r / out_h
//   part     output channels, from a multiple of 64 on; K is their number in what follows, and bias and thresholds
//            begin with theirs
//   out      the first row's first element: [row_end - row_begin, out_w, K or its words]
//   scratch  xnor_scratch_bytes(s), one for each thread
// Buffers for `packed` and `scratch` are 64-byte aligned. Definition: gemm_xnor_ref.h, equal on every target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/threshold.h"

namespace bantam {

// Sizes, the same on every target. They grow with every field of s: who takes s from a file bounds it first. Both must
// be below 4 GiB, because places in them are 32-bit numbers.
size_t xnor_packed_bytes(const ConvShape& s, int pad_value) noexcept;
size_t xnor_scratch_bytes(const ConvShape& s) noexcept;

// Output rows that the kernel works on at a time: ranges of a multiple of it waste nothing.
int64_t xnor_block_rows(const ConvShape& s) noexcept;

// w [K, kh, kw, words] bits, pad bits 0 -> the running target's order of words. Not to be stored: the order differs
// from target to target.
void xnor_pack_weights(const ConvShape& s, int pad_value, const uint64_t* w, void* packed) noexcept;

// The sums.
void xnor_conv_i32(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, int64_t row_begin,
                   int64_t row_end, void* scratch, int32_t* out, ChannelRange part = {}) noexcept;
// float(sum) + bias[k] (one f32 addition), or float(sum) if bias is null.
void xnor_conv_f32(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, const float* bias,
                   int64_t row_begin, int64_t row_end, void* scratch, float* out, ChannelRange part = {}) noexcept;
// Thresholded: equals xnor_conv_i32 followed by threshold_bits.
void xnor_conv_bits(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, const Thresholds& t,
                    int64_t row_begin, int64_t row_end, void* scratch, uint64_t* out,
                    ChannelRange part = {}) noexcept;

}  // namespace bantam
