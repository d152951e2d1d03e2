// Quantizers that round to even steps: the base quantizer Q of chapter 5 and its relatives.
//
// Activations, k bits, n = 2^k - 1 steps, h = 2^(k-1) - 1; rounding is half to even:
//   base      Q(x) = round(n x) / n, for x in [0, 1]                                                    [Eq. 5.2]
//   kRelu     Q(clip(x, 0, 1)): codes 0..n, step 1/n (kDorefa's activations, too)                       [Eq. 5.5]
//   kUniform  clip(round(h x), -h, h) / h: codes -h..h, 0 among them, so that k bits hold 2^k - 1 values
//   kTernary  the same with h = 1: -1, 0, 1
//   kHwgq     x <= 0 ? 0 : s clip(round(x / s), 1, n), s the step that errs least on half a normal distribution
//             (Cai et al. 2017): 0.798, 0.539, 0.322, 0.184, ... for 1, 2, 3, 4 bits
//   kInt      s clip(round(x / s), -z, n - z), s = (high - low) / n, z = round(-low / s): a range that was measured
// With a range [QuantSpec::high] that was found, of kRelu and kDorefa s clip(round(x / s), 0, n), s = high / n, of
// kUniform and kTernary s clip(round(x / s), -h, h), s = high / h, in place of high = 1.
// Surrogate [Eq. 5.3]: dx = dq where the codebook reaches, its bounds included, else 0: 0 <= x <= 1 (or high) for kRelu
// (the gradient of the clip), 0 <= x <= n s for kHwgq, low <= x <= high for kInt, |x| <= 1 (or high) for the others
// with kClip, everywhere with kIdentity.
//
// Weights (kUniform, kTernary, and kInt, whose scale is max |w|): s clip(round(h w / s), -h, h) / h, s by
// QuantSpec::scale for each of the weights that share it: 1, max |w|, or by their mean 2 sqrt(h) mean |w| (so that a
// step is that of Esser et al. 2020 at the start; 1 where all are 0), taken as a constant. Surrogate: dw = dq, with
// kClip where |w| <= s.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// x [..., C] f32 or f64, spec of one of these schemes -> codes and step. The value is left without elements unless
// `materialize_value`. Saves a bit mask, or nothing where the gradient is the identity.
Quantized uniform_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value = false);

// w [K, ..., C] -> codes and scales ([1], [K] or [K, C]). Saves nothing, or its input where it clips.
Quantized uniform_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value = false);

// The step of kHwgq for so many bits, 1 to 8.
double hwgq_step(int bits);

// An activation as the codes of one of these schemes, in f32: the very expression that both the operation above and the
// packed model's thresholds compute.
struct UniformRule {
  float factor = 1, step = 1;  // byte = clamp(round(x factor), lo, hi) - lo; value = step * code
  int lo = 0, hi = 1;
  bool first_above_zero = false;       // of kHwgq: what is above 0 has at least the first code above 0
  float inside_lo = 0, inside_hi = 1;  // where the codebook reaches

  uint8_t byte(float x) const;
};
UniformRule uniform_rule(const QuantSpec& spec);

}  // namespace bantam
