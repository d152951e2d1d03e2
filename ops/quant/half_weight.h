// Weights as floats of 16 bits, which take half the room in a packed file: f16 (IEEE binary16) or bf16 (bfloat16).
//   value = the nearest of them, half way to even; finite weights beyond the largest (65504 of f16) take the largest
// Surrogate: dw = dvalue. The arithmetic is that of floats.
#pragma once

#include "core/tensor.h"
#include "ops/quant/scheme.h"

namespace bantam {

// w [K, ..., C], f32 or f64 -> the same shape and type. Saves nothing.
Tensor half_weight(const Tensor& w, const QuantSpec& spec);

}  // namespace bantam
