// 2-D convolution [Eq. 1.1], as everywhere in the field without turning the filter round (cross-correlation).
//   x [N,H,W,C], weight [K,kh,kw,C/groups], bias [K] or undefined -> y [N,OH,OW,K],
//   OH = (H + 2 ph - dh (kh - 1) - 1) / sh + 1
//   y[n,oy,ox,k] = bias[k] + sum_{ky,kx,c} x[n, oy sh + ky dh - ph, ox sw + kx dw - pw, g C/groups + c]
//                                        weight[k,ky,kx,c]
//   with zeros outside the image; output channel k belongs to group g = k / (K/groups)
//   dx = the transposed sum over weight and dy, dweight = sum over pixels of dy x, dbias = sum over pixels of dy
// Saves its input if weight needs a gradient, its weight if x does. f32 takes the fastest algorithm for the shape
// (conv_algorithm), or sums in the canonical order where that is asked for (docs/exactness.md); f64 runs the scalar
// definition.
#pragma once

#include "core/autograd.h"
#include "ops/conv/work.h"

namespace bantam {

struct Conv2dParams {
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  SumOrder order = SumOrder::kAny;
};

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const Conv2dParams& params = {});

// The sizes of a convolution of an image tensor; throws Error, with `op` in front, if they do not fit together.
ConvShape conv_shape_of(const char* op, const Shape& x, const Shape& weight, const Conv2dParams& params);

}  // namespace bantam
