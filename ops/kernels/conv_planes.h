// Convolution of codes of few bits as binary convolutions: bit b of all activations is a plane, bit c of all weights
// another, and each pair of planes is counted as signs are (gemm_xnor.h). The same sums as codes_conv_i32
// (conv_codes.h), whose definition this has; which of the two is faster depends on the bits and the target.
//
//   a = mul * sum_b 2^b a_b + add, or `pad` in the padding;  w = 2 * sum_c 2^c w_c - (2^w_planes - 1), bits a_b, w_c
//   sum a w = base - mul * sum_bc 2^(b+c) m_bc, m_bc the mismatches of plane b with plane c, padding taken as zero bits
//   base = mul (2^x - 1) N + add W_in + pad W_out, N the sum of the window's numbers of weights, W_in and W_out those
//          of the codes of its taps inside and outside of the image
//
// So weights are those of the codebooks without a code 0: sign, bwn, xnor, dorefa, tanh. groups = 1. Rows, parts,
// scratch and who proves what: as in conv_codes.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/fixed_point.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/conv_shape.h"

namespace bantam {

struct Planes {
  int x = 1, w = 1;          // 1 to 8 bits of activations (bytes, or bits: 1), of weights
  int32_t mul = 1, add = 0;  // of the activations; of bits 2, -1
  int32_t pad = 0;           // the code in the padding
};

// The most that multiply-adds cost on any target, in tenths of a pair of planes.
constexpr int64_t kMostPlaneTenths = 100;
// May planes be faster anywhere, for weights 2 number + w_add of p.w bits? Only then are the sizes below bounded by
// those of conv_codes.h.
constexpr bool planes_may_pay(const ConvShape& s, const Planes& p, int32_t w_mul, int32_t w_add) {
  const int64_t words = int64_t(words_for(size_t(s.c)));
  return s.groups == 1 && w_mul == 2 && w_add == 1 - (1 << p.w) &&
         10 * p.x * p.w * words * kWordBits <= kMostPlaneTenths * s.c;
}

// Is it faster than codes_conv_i32 on the running target? By measurement (docs/performance.md); results are the same.
bool planes_pay(const ConvShape& s, const Planes& p) noexcept;

// Sizes, the same on every target. They grow with every field of s: who takes s from a file bounds it first.
size_t planes_packed_bytes(const ConvShape& s, const Planes& p) noexcept;
size_t planes_scratch_bytes(const ConvShape& s, const Planes& p) noexcept;

// The order is the running target's: not to be stored.
void planes_pack_numbers(const ConvShape& s, const Planes& p, const PackedNumbers& w, void* packed) noexcept;

void planes_conv_i32(const ConvShape& s, const Planes& p, const CodeInput& x, const void* packed, int64_t row_begin,
                     int64_t row_end, void* scratch, int32_t* out, ChannelRange part = {}) noexcept;

}  // namespace bantam
