// Weights as the packed model keeps them. In: [rows of K][depth], the memory layout of a convolution [K, kh, kw,
// C/groups] or linear layer; out: the layouts of compress/runtime/format.h.
#pragma once

#include <cstdint>
#include <vector>

namespace bantam::packed {

// kXnor: signs of w [rows][c] as [rows][words_for(c)].
std::vector<uint64_t> pack_weight_bits(const float* w, int64_t rows, int64_t c);

// kConvSigns: per group [depth][round_up(cols, 16) bits], transposed. w is [groups][cols][depth].
std::vector<uint8_t> pack_weight_signs(const float* w, int64_t groups, int64_t depth, int64_t cols);

// kConv: per group the panels of ops/kernels/gemm_f32.h. w is [groups][cols][depth].
std::vector<float> pack_weight_panels(const float* w, int64_t groups, int64_t depth, int64_t cols);

// kDepthwise: w [C][taps] as [taps][round_up(C, 16)].
std::vector<float> pack_weight_depthwise(const float* w, int64_t taps, int64_t c);

// kF16, kBf16: n weights that are such numbers, in the order of w; `narrow` is of core/base/half.h.
std::vector<uint16_t> pack_weight_halves(const float* w, int64_t n, uint16_t (*narrow)(double));

// Back to [rows][c] or [groups][cols][depth], signs as +-1.
std::vector<float> unpack_weight_bits(const uint64_t* bits, int64_t rows, int64_t c);
std::vector<float> unpack_weight_signs(const uint8_t* bits, int64_t groups, int64_t depth, int64_t cols);
std::vector<float> unpack_weight_panels(const float* panels, int64_t groups, int64_t depth, int64_t cols);

}  // namespace bantam::packed
