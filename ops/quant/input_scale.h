// XNOR-Net's scale of activations: what a layer of signs sums up is times K, the mean magnitude of what its window held
// before the signs were taken (Rastegari et al. 2016). [T 3.2.2]
//
//   out[n,oy,ox,k] = y[n,oy,ox,k] K[n,oy,ox]
//   K = A * box, A[n,h,w] = mean over c of |x[n,h,w,c]|, box 1 / (kh kw) over the layer's window, A 0 in the padding
// Gradient, the derivative: dy = dout K; dx = sign(x) / (C kh kw) sum over the windows with (h, w) of dK,
//   dK = sum over k of dout y; 0 at x = 0. Saves both inputs and K.
// It costs a real pass over the activations and a multiplication for each output, in evaluation too: sums are no
// integers any more, and no threshold stands in for what follows. The packed format has no such operation.
#pragma once

#include "core/tensor.h"
#include "ops/conv2d.h"

namespace bantam {

// y [N,OH,OW,K] of a layer whose window over x [N,H,W,C] is kernel_h by kernel_w with these strides, paddings and
// dilations; or y [N,K] of a linear layer over x [N,C], f32 or f64. Throws Error where sizes do not fit.
Tensor input_scale(const Tensor& y, const Tensor& x, int64_t kernel_h = 1, int64_t kernel_w = 1,
                   const Conv2dParams& params = {});

}  // namespace bantam
