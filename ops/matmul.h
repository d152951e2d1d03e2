// Matrix product.
//   a [M,K], b [K,N] -> c [M,N] = a b;  da = dc b^T, db = a^T dc
// Saves a if b needs a gradient, b if a does.
#pragma once

#include "core/autograd.h"

namespace bantam {

Tensor matmul(const Tensor& a, const Tensor& b);

}  // namespace bantam
