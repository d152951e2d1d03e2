// Copies a box of elements between two dense arrays of the same rank: what concat, slice and pad are made of. Bytes, so
// any element type.
#pragma once

#include "core/tensor.h"

namespace bantam {

// to[to_at + i] = from[from_at + i] for i in the box [0, extent). The caller has checked that it lies inside both.
void copy_block(const Tensor& from, const Shape& from_at, Tensor* to, const Shape& to_at, const Shape& extent);

}  // namespace bantam
