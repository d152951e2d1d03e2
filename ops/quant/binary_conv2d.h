// Convolution and linear layer of sign activations and sign weights, both of the binary codebook. [Eq. 3.9]
//
//   y[n,oy,ox,k] = bias[k] + sum over (ky, kx, c) of a * sign(weight[k,ky,kx,c]),
//   a in {-1, +1}, or pad_value in the padding
//
// The sum is an exact integer, by xor and popcount on bits (ops/kernels/gemm_xnor.h); the bias is added in f32.
// Gradients are those of the convolution at the +-1 values, and for the real-valued weights those of the declared
// surrogate of sign (ops/quant/sign.h): dweight = dsign, where |weight| <= 1 with kClip. Latent weights are not clipped
// by anything here.
//
// Saves the activations' bits ("codes"; its weights and bias are alive anyway). Its output is not kept for whoever
// needs it in backward, but made again from these.
//
// BinaryConnect, real activations and sign weights, is conv2d(x, sign_ste(weight, ...)).
#pragma once

#include "core/autograd.h"
#include "ops/conv2d.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// x [N,H,W,C] signs of step 1; weight [K,kh,kw,C] real; bias [K] or undefined; groups 1; pad_value 0, +1 or -1 ->
// [N,OH,OW,K]. f64 runs the scalar definition of conv2d on the values.
Tensor binary_conv2d(const Quantized& x, const Tensor& weight, Surrogate surrogate, const Tensor& bias = {},
                     const Conv2dParams& params = {}, int pad_value = 0);

// x [N,in] signs of step 1; weight [out,in] real; bias [out] or undefined -> [N,out].
Tensor binary_linear(const Quantized& x, const Tensor& weight, Surrogate surrogate, const Tensor& bias = {});

}  // namespace bantam
