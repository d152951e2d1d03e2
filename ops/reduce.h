// Sums, means and maxima over axes; x f32 or f64. An axis may be negative (from the end); no axes at all mean every
// axis. With keep_dims the reduced axes stay as 1.
//
//   op     forward                          gradient                                       saves
//   sum    sum of x                         dy, repeated                                   nothing
//   mean   sum of x / count                 dy / count, repeated                           nothing
//   max    largest x (NaN if there is one)  dy at the first place of the largest, 0 else   the place, i32 an output
// Sums are taken in f32 over short stretches and in f64 over those (ops/kernels/reduce.h), in an order that depends on
// the shape alone.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace bantam {

Tensor sum(const Tensor& x, const std::vector<int>& axes = {}, bool keep_dims = false);
Tensor mean(const Tensor& x, const std::vector<int>& axes = {}, bool keep_dims = false);
// Over one axis, which must not be empty.
Tensor max(const Tensor& x, int axis, bool keep_dims = false);

// x summed to `shape`, which must broadcast to x's: the way back from broadcasting. Not recorded; x itself if nothing
// is to do.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace bantam
