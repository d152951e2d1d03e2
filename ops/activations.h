// Activations, elementwise; x of any shape, f32 or f64. [T 1.1]
//
//   op          forward                         gradient                              saves
//   relu        x > 0 ? x : 0 (NaN: 0)          dy where y > 0, else 0                output, or the mask (below)
//   prelu       x >= 0 ? x : x slope            dx = x > 0 ? dy : dy slope            input, slope
//                                               dslope = sum of x < 0 ? dy x : 0
//   hardtanh    min(max(x, -1), 1)              dy where -1 < x < 1, else 0           mask, a bit an element
//   hard_swish  x <= -3 ? 0                     x <= -3 ? 0 : x >= 3 ? dy             input
//               : x min(x + 3, 6) / 6           : dy (2 x + 3) / 6
//   sigmoid     1 / (1 + e^-x)                  dy y (1 - y)                          output
//   tanh        tanh(x)                         dy (1 - y^2)                          output
// NaN passes through all but relu. hard_swish(-inf) is 0, as the limit is (PyTorch has NaN); its bits are the same on
// every target (ops/kernels/elementwise.h), and so are its gradient's. Where its input can be made again (a convolution
// of bits, a norm), so can prelu's, hard_swish's and relu's output, and relu keeps a bit an element. An output's
// gradient that nobody else reads becomes the input's in place.
#pragma once

#include "core/tensor.h"

namespace bantam {

Tensor relu(const Tensor& x);
// slope [1], or [C] for x [..., C].
Tensor prelu(const Tensor& x, const Tensor& slope);
Tensor hardtanh(const Tensor& x);
Tensor hard_swish(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);

}  // namespace bantam
