// A fully connected layer. [T 1.1]
//   x [N,in], weight [out,in], bias [out] or undefined -> y [N,out] = x weight^T + bias
//   dx = dy weight, dweight = dy^T x, dbias = sum_n dy
// Saves its input if weight needs a gradient, its weight if x does. f32 in the canonical order; the forward pass in any
// with SumOrder::kAny.
#pragma once

#include "core/autograd.h"
#include "ops/conv/work.h"

namespace bantam {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              SumOrder order = SumOrder::kCanonical);

}  // namespace bantam
