// The f32 values of a net's input whose elements are still bytes: pixels as files have them, normalized by a table a
// channel.
#pragma once

#include "core/tensor.h"

namespace bantam {

// bytes u8 [..., C] or [N, anything * C], table f32 [C,256] -> f32 of the same shape, y[i] = table[i mod C][bytes[i]].
// No gradient. Whoever would save the result for backward keeps the bytes, and has the values made again.
Tensor byte_values(const Tensor& bytes, const Tensor& table);

}  // namespace bantam
