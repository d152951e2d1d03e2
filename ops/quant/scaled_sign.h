// Binary weights with a scale for each layer, output channel or kernel: the value nearest to w that two numbers
// -alpha, +alpha can have, alpha = mean |w| of those that share it (Rastegari et al. 2016). [T 3.2.2]
//
//   value = alpha sign(w)
//   kBwn    dw = dvalue, as if nothing were there (the thesis's chapters 6 and 7); with kClip where |w| <= 1. The scale
//           is mean |w|, max |w| or 1, by QuantSpec::scale
//   kXnor   dw_i = alpha 1{|w_i| <= 1} dvalue_i + sign(w_i) / n sum_j dvalue_j sign(w_j): the derivative of
//           alpha sign(w) with the clipped surrogate for sign, n weights sharing the scale (chapter 4)
//   kSign, and kStochastic in evaluation: sign(w), no scale, the gradient as kBwn's
//   kDorefa of 1 bit is kBwn by layer
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// w [K, ..., C] -> bits and scales ([1], [K] or [K, C]). The value is left without elements unless `materialize_value`.
// Saves its input where the gradient needs it.
Quantized scaled_sign(const Tensor& w, const QuantSpec& spec, bool materialize_value = false);

}  // namespace bantam
