// Softmax over the last axis [T 1.1]; x [..., C], f32 or f64. The largest element leaves first, so nothing overflows.
//
//   softmax       y = e^x / sum e^x          dx = y (dy - sum dy y)       saves output
//   log_softmax   y = x - log sum e^x        dx = dy - e^y sum dy         saves output
#pragma once

#include "core/tensor.h"

namespace bantam {

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

}  // namespace bantam
