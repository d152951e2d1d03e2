// Runs the convolution kernels over all threads, with scratch memory from the pool: what conv2d, linear and matmul share.
// x [N,H,W,C], w [K,kh,kw,C/groups], y [N,OH,OW,K] or any shapes of these sizes; all f32 (SIMD kernels) or all f64 (the
// scalar definitions, ops/kernels/conv_ref.h). Results do not depend on the number of threads.
#pragma once

#include "core/tensor.h"
#include "ops/kernels/conv_shape.h"

namespace bantam {

// y = conv(x, w) + bias; bias [K] or undefined.
void conv_forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
// y [N,K] = x [N,C] w [C,K]: a product whose second factor lies row by row.
void product_forward(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y);

void conv_input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void conv_weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
void conv_bias_grad(const Tensor& dy, Tensor* db);  // db [K] = sum over all but dy's last dimension

// What the functions above choose for f32, by the shape alone: "gemm", "depthwise". For reports.
enum class ConvPass { kForward, kInputGrad, kWeightGrad };
const char* conv_algorithm(const ConvShape& s, ConvPass pass);

}  // namespace bantam
