// Shapes: reshape and flatten share the buffer and cost nothing; permute and transpose copy. Gradients undo them.
// Nothing is saved.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace bantam {

// One size may be -1: what is left. Throws Error if the sizes do not multiply to x's.
Tensor reshape(const Tensor& x, const Shape& shape);
// [N, ...] -> [N, the rest]; an image's features come in HWC order.
Tensor flatten(const Tensor& x);
// Axis i of the result is axis order[i] of x; order is a permutation of all axes.
Tensor permute(const Tensor& x, const std::vector<int>& order);
// [A,B] -> [B,A].
Tensor transpose(const Tensor& x);

}  // namespace bantam
