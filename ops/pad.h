// pad: x [..] with before[i] and after[i] more places on axis i, filled with one value. Gradient: the part of dy where
// x is. Saves nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace bantam {

// A number for each axis, none negative; else throws Error.
Tensor pad(const Tensor& x, const std::vector<int64_t>& before, const std::vector<int64_t>& after, double value = 0);

}  // namespace bantam
