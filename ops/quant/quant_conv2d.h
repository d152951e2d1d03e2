// Convolution and linear layer on codes: the sum is an exact integer, the scales come once, afterwards. [Eq. 3.9]
//
//   y[n,oy,ox,k] = fma(sum over (ky, kx, c) of a * w, scale_a * scale_w[k], bias[k] or +0),
//   a the activations' code, or pad_value in the padding; w the weights' code; without any scale sum + bias[k]
//
// With real activations the sum is one of floats, in the order asked for, over the weights' codes.
// The kernel follows from the pair of codes: xor and popcount for bits by bits, ops/kernels/conv_codes.h for the rest.
// Scales by kernel [K, C] cannot stand outside the sum: such a layer is conv2d of the values.
// Gradients are those of the convolution at the values scale * code; whose surrogate follows is the quantizers' matter.
//
// Saves the activations' codes (real ones themselves), the weights' codes and both scales.
#pragma once

#include "core/autograd.h"
#include "ops/conv2d.h"
#include "ops/quant/quantized.h"

namespace bantam {

// x [N,H,W,C] codes with one scale or none, or real; w [K,kh,kw,C/groups] codes with a scale [1] or [K] or none; bias
// [K] or undefined -> [N,OH,OW,K]. pad_value is a code: -1, 0 or +1. f64 runs the definition on the codes.
Tensor quant_conv2d(const Quantized& x, const Quantized& w, const Tensor& bias = {}, const Conv2dParams& params = {},
                    int pad_value = 0);

// x [N,in], w [out,in] -> [N,out].
Tensor quant_linear(const Quantized& x, const Quantized& w, const Tensor& bias = {}, SumOrder order = SumOrder::kAny);

// Whether sums of so many products of codes stay below 2^31.
constexpr bool sums_fit(int64_t products, const CodeGrid& a, const CodeGrid& w) {
  return products * a.reach() * w.reach() < (int64_t(1) << 31);
}

}  // namespace bantam
