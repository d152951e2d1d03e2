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
//   reach    the largest magnitude of a weight's code: up to 127 they take a byte each in `packed`, else two
//   rows     of the output, counted through the batch: row r is row r % out_h of image r / out_h
//   part     output channels, from a multiple of 32 on, if groups = 1; K is their number in what follows
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
size_t codes_packed_bytes(const ConvShape& s, int32_t reach) noexcept;
size_t codes_scratch_bytes(const ConvShape& s) noexcept;
// Output rows that the kernel works on at a time: ranges of a multiple of it waste least.
int64_t codes_block_rows(const ConvShape& s) noexcept;

// w [K, kh, kw, C/groups] codes -> panels of 32 output channels, the last one of 16 if no more remain; the same bytes
// on every target.
void codes_pack_weights(const ConvShape& s, const int16_t* w, int32_t reach, void* packed) noexcept;

// Numbers of 1 to 8 bits one after the other, least significant bit first: number i of a row. Reads no byte behind it.
inline int32_t packed_number(const uint8_t* row, int64_t i, int bits) {
  const int64_t at = i * bits;
  const int shift = int(at % 8);
  uint32_t v = row[at / 8];
  if (shift + bits > 8) v |= uint32_t(row[at / 8 + 1]) << 8;
  return int32_t(v >> shift & ((1u << bits) - 1));
}
// The same weights as numbers: K rows of taps * C/groups, each from a byte on; code = mul * number + add.
struct PackedNumbers {
  const uint8_t* rows;
  int bits;
  int32_t mul, add;
  int32_t reach;  // of the codes that there are
};
void codes_pack_numbers(const ConvShape& s, const PackedNumbers& w, void* packed) noexcept;

// Are panels from a file such as these functions make: codes of at most `reach`, and 0 where there are none?
bool codes_panels_are_sound(const ConvShape& s, int32_t reach, const void* packed) noexcept;

void codes_conv_i32(const ConvShape& s, const CodeInput& x, const void* packed, int32_t reach, int64_t row_begin,
                    int64_t row_end, void* scratch, int32_t* out, ChannelRange part = {}) noexcept;

// y[i] = float(sums[i]), rounded once; y may be the memory of the sums.
void sums_to_f32(const int32_t* sums, float* y, int64_t n) noexcept;

}  // namespace bantam
