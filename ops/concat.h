// concat: tensors one after the other along an axis (-1: channels). All other axes and the element type are equal.
// Gradient: the slices of dy. Saves nothing.
#pragma once

#include <vector>

#include "core/tensor.h"

namespace bantam {

Tensor concat(const Tensors& xs, int axis = -1);

}  // namespace bantam
