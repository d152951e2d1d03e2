// slice: elements [begin, end) of an axis, all of the others; negative positions count from the end. A copy: see
// Tensor::slice_outer for a view. Gradient: dy in its place, 0 elsewhere. Saves nothing.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace bantam {

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end);

// The first extent[i] elements of each axis i: what a narrower net takes of a weight. Gradient and memory as slice's.
Tensor leading_block(const Tensor& x, const Shape& extent);

}  // namespace bantam
