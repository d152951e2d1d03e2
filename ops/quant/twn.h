// Ternary weight networks (Li and Liu 2016): values -alpha, 0, alpha. [T 3.2.2]
//
//   delta = 0.7 mean |w|;  alpha = mean of |w| over those with |w| > delta;  code = 0 for |w| <= delta, else sign(w)
// for each of the weights that share a scale (by layer in the paper). alpha is 1 where no weight is above delta.
// Surrogate: dw = dvalue.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// w [K, ..., C] -> codes and scales ([1], [K] or [K, C]). The value is left without elements unless
// `materialize_value`. Saves nothing.
Quantized ternary_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value = false);

}  // namespace bantam
