// Runs the convolution kernels over all threads, with scratch memory from the pool: what conv2d, linear and matmul
// share. x [N,H,W,C], w [K,kh,kw,C/groups], y [N,OH,OW,K] or any shapes of these sizes; all f32 (SIMD kernels) or all
// f64 (the scalar definitions, ops/kernels/conv_ref.h). Results do not depend on the number of threads.
#pragma once

#include "core/tensor.h"
#include "ops/kernels/conv_shape.h"

namespace bantam {

// How a pass is computed: a choice by shape alone, so that results depend neither on threads nor on the moment.
//   depthwise  its own kernels
//   Winograd   F(2x2, 3x3): 3x3 of stride 1 with channels and tiles enough to pay for its transforms
//   Winograd4  F(4x4, 3x3), forward and input gradient: where asked for, and tiles are not mostly padding
//   narrow     windows of few channels, read where they lie in an image with its border: the direct product's bytes
//   few rows   a linear layer on one to four rows: each weight is read once, where it lies
//   direct     the gathered matrix product: everything else
enum class ConvAlgorithm { kDirect, kNarrow, kFewRows, kDepthwise, kWinograd, kWinograd4 };
enum class ConvPass { kForward, kInputGrad, kWeightGrad };

// What sums may look like: in the canonical order (gemm_f32.h), which evaluation shares with the device; in any, with
// an error like a direct sum's; or faster still with an error some 5 times that.
enum class SumOrder { kCanonical, kAny, kLoose };

ConvAlgorithm conv_algorithm(const ConvShape& s, ConvPass pass, SumOrder order = SumOrder::kAny);
const char* name_of(ConvAlgorithm algorithm);

// y = conv(x, w) + bias; bias [K] or undefined.
void conv_forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y,
                  SumOrder order = SumOrder::kCanonical);
// y [N,K] = x [N,C] w [C,K]: a product whose second factor lies row by row.
void product_forward(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y);

// Gradients; there is no canonical order of theirs.
void conv_input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx,
                     SumOrder order = SumOrder::kAny);
void conv_weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
void conv_bias_grad(const Tensor& dy, Tensor* db);  // db [K] = sum over all but dy's last dimension

}  // namespace bantam
