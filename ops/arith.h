// Elementwise arithmetic with numpy's broadcasting: shapes are aligned at the last axis, and an axis of 1 (or a missing
// one) is repeated. f32 or f64, both the same.
//
//   op    forward   da               db                  saves
//   add   a + b     dy               dy                  nothing
//   sub   a - b     dy               -dy                 nothing
//   mul   a b       dy b             dy a                the inputs whose partner needs a gradient
//   div   a / b     dy / b           -dy y / b           b; the output if b needs a gradient
// A gradient is summed over the axes along which its input was repeated.
#pragma once

#include "core/tensor.h"

namespace bantam {

Tensor add(const Tensor& a, const Tensor& b);
Tensor sub(const Tensor& a, const Tensor& b);
Tensor mul(const Tensor& a, const Tensor& b);
Tensor div(const Tensor& a, const Tensor& b);
Tensor neg(const Tensor& a);

// With one number, of a's element type.
Tensor add(const Tensor& a, double b);
Tensor sub(const Tensor& a, double b);
Tensor sub(double a, const Tensor& b);
Tensor mul(const Tensor& a, double b);
Tensor div(const Tensor& a, double b);
Tensor div(double a, const Tensor& b);

// x repeated to `shape`. The gradient is summed back; saves nothing. Throws Error if x does not broadcast to it.
Tensor broadcast_to(const Tensor& x, const Shape& shape);

// The shape that a and b broadcast to; throws Error naming op and shapes if they do not.
Shape broadcast_shape(const char* op, const Shape& a, const Shape& b);

}  // namespace bantam
