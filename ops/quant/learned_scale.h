// Scales that are learned: a parameter in place of mean or max (ScaleRule::kLearned). [T 6] [Esser et al. 2020]
//
//   s one scale for each of the weights that share it, one for activations; lo, hi the codebook's ends of codes
//   kBwn           value = s sign(w), s of either sign: chapter 6's learned scale
//   the others     value = s code, code = clip(round(x / s), lo, hi); s below 2^-26 counts as that
// Surrogate: the gradient of s clip(x / s, lo, hi) with what rounding adds taken as a constant (LSQ):
//   dx = dvalue, with kClip (kRelu, kDorefa: always) where lo <= x / s <= hi, else 0; of kBwn s dvalue, the product's
//        derivative with 1 for that of sign, with kClip where |w| <= 1
//   ds = g sum dvalue e, e = code - x / s where lo <= x / s <= hi, else code; g = 1 / sqrt(n hi), n the weights that
//        share s, or the activations of an image; of kBwn ds = sum dvalue sign(w)
// Starts: of weights mean |w|, times 2 / sqrt(hi) but for kBwn; of activations likewise by the first batch. 0 is a
// scale that has not been started: activations then take the codebook's own range.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// x [..., C] f32 or f64, scale [1] -> codes and scale. The value is left without elements unless `materialize_value`.
// Saves its input and the scale.
Quantized learned_activation(const Tensor& x, const QuantSpec& spec, const Tensor& scale,
                             bool materialize_value = false);
// w [K, ..., C], scale [1], [K] or [K, C] as QuantSpec::granularity says. The same.
Quantized learned_weight(const Tensor& w, const QuantSpec& spec, const Tensor& scale, bool materialize_value = false);

// What scales start from.
Tensor first_weight_scale(const Tensor& w, const QuantSpec& spec);
double first_activation_scale(const Tensor& x, const QuantSpec& spec);
// The shape of a layer's scales.
Shape weight_scale_shape(const Shape& w, const QuantSpec& spec);

// An activation's learned scale as a constant: the range that it makes.
QuantSpec with_scale(QuantSpec spec, double scale);

}  // namespace bantam
