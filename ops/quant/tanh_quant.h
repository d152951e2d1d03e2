// Quantizers through tanh, k bits in [-1, 1]: chapter 5's TanhQuant and the weights of DoReFa (Zhou et al. 2016).
//
//   t = tanh(w), m = max |t| over the whole tensor, n = 2^k - 1
//   value = 2 Q(t / (2 m) + 1/2) - 1, Q(x) = round(n x) / n                                               [Eq. 5.4]
//         = code / n, code = 2 round(n (t / (2 m) + 1/2)) - n: odd for every k, never 0
// Surrogate [Eq. 5.3]: Q passes its gradient on, as its argument always lies in [0, 1]; tanh and the maximum have
// theirs:
//   dw_i = (1 - t_i^2) / m dvalue_i, and at the first w_j of magnitude m another
//   - sign(t_j) (1 - t_j^2) / m^2 sum_i t_i dvalue_i
// kDorefa of 1 bit is scaled_sign.h's.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// w [K, ..., C] -> codes and one step. The value is left without elements unless `materialize_value`. Saves its input.
Quantized tanh_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value = false);

}  // namespace bantam
