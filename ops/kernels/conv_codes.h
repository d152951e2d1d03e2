// Convolution of integer codes: exact sums in i32, whatever the order, for every pair of codebooks whose values are a
// step times a code. A linear layer is the same with h = w = kh = kw = 1.
//
//   out[n,oy,ox,k] = sum over (ky, kx, c) of
//                    a[n, oy sh - ph + ky dh, ox sw - pw + kx dw, g C/groups + c] * w[k,ky,kx,c]
//   a = mul * byte + add, or +-1 for bits, or `pad` where it lies in the padding
//
//   s        sizes
//   x        codes [n, h, w, c]: bytes, or bits as words_for(c) words a pixel with pad bits 0
//   packed   weights as codes_pack_weights makes them; 64-byte aligned
//   rows     of the output, counted through the batch: row r is row r % out_h of image r / out_h
//   out      the first row's first element: [row_end - row_begin, out_w, K]
//   scratch  codes_scratch_bytes(s), 64-byte aligned, one for each thread
//
// Whoever calls it has proved that no sum of absolute products reaches 2^31, and that codes lie in +-kMaxCode.
// Definition: conv_codes_ref.h, equal on every target.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ops/kernels/conv_shape.h"

namespace bantam {

constexpr int32_t kMaxCode = 255;

struct CodeInput {
  const uint8_t* bytes = nullptr;  // one of these two
  const uint64_t* bits = nullptr;
  int32_t mul = 1, add = 0;  // of bytes
  int32_t pad = 0;           // the code in the padding
};

// Sizes, the same on every target. They grow with every field of s: who takes s from a file bounds it first.
size_t codes_packed_bytes(const ConvShape& s) noexcept;
size_t codes_scratch_bytes(const ConvShape& s) noexcept;
// Output rows that the kernel works on at a time: ranges of a multiple of it waste least.
int64_t codes_block_rows(const ConvShape& s) noexcept;

// w [K, kh, kw, C/groups] codes -> panels of 32 output channels, the last one of 16 if no more remain; the same bytes
// on every target.
void codes_pack_weights(const ConvShape& s, const int16_t* w, void* packed) noexcept;

void codes_conv_i32(const ConvShape& s, const CodeInput& x, const void* packed, int64_t row_begin, int64_t row_end,
                    void* scratch, int32_t* out) noexcept;

// y[i] = float(sums[i]), rounded once; y may be the memory of the sums.
void sums_to_f32(const int32_t* sums, float* y, int64_t n) noexcept;

}  // namespace bantam
