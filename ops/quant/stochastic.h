// Stochastic binarization: in training a sign is drawn, and its mean is hardtanh(x). (Courbariaux et al. 2015)
// [T 3.2.2]
//
//   q = +1 if u_i < p, else -1;  p = hard_sigmoid(x) = clip((x + 1) / 2, 0, 1), u_i the i-th uniform number of `rng`
// Surrogate: that of sign, dx = dq, with kClip where |x| <= 1 (ops/quant/sign.h). Outside of [-1, 1] and for NaN q is
// the sign. In evaluation it is the sign everywhere, so that it is packed as `sign` is.
// What is drawn is a function of the stream alone, Rng(seed, kRngQuantize, node, step), so a resumed run draws what the
// uninterrupted one draws, and so does a step that is computed a second time.
#pragma once

#include "core/rng.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// Of activations or weights, x [..., C] f32 or f64: bits, without a scale. The value is left without elements unless
// `materialize_value`. Saves nothing, or with kClip the mask |x| <= 1 as bits.
Quantized stochastic_sign(const Tensor& x, Surrogate surrogate, const Rng& rng, bool materialize_value = false);

}  // namespace bantam
