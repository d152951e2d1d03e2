// The algorithms that work.h chooses from, in f32: each has a file of its own, with the passes that it can do.
// What a pass may be given is what conv_algorithm lets through. Shapes as in work.h.
#pragma once

#include "core/tensor.h"
#include "ops/conv/work.h"

namespace bantam {

// The gathered matrix product: direct.cc.
namespace conv_direct {
void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y, SumOrder order);
void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
}  // namespace conv_direct

// Windows of few channels, read in place: narrow.cc.
namespace conv_narrow {
bool forward_possible(const ConvShape& s);
bool input_grad_possible(const ConvShape& s);
bool weight_grad_possible(const ConvShape& s);
void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
}  // namespace conv_narrow

// 3x3 at stride 1 with tiles of m x m outputs: winograd.cc.
namespace conv_winograd {
void forward(const ConvShape& s, int m, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
void input_grad(const ConvShape& s, int m, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
}  // namespace conv_winograd

// One channel a group: depthwise.cc.
namespace conv_depthwise {
void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
}  // namespace conv_depthwise

// A dense layer of one to four rows: few_rows.cc.
namespace conv_few_rows {
bool possible(const ConvShape& s);
void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
}  // namespace conv_few_rows

// The scalar definitions in f64, any shape: f64.cc.
namespace conv_f64 {
void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y);
void product(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y);
void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx);
void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw);
void bias_grad(const Tensor& dy, Tensor* db);
}  // namespace conv_f64

}  // namespace bantam
