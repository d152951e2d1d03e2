// The one door to the codebooks: whoever has a QuantSpec gets the quantizer that it names. Its switches have no
// default, so that the compiler names what a new scheme has been forgotten in.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// Of activations, x [..., C]: codes and value (ops/quant/sign.h); with kNone x itself, without codes. The value is left
// without elements unless `materialize_value`.
Quantized quantize_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value);

// Of weights: the value that each stands for, a tensor of w's shape; with kNone w itself.
Tensor quantize_weight(const Tensor& w, const QuantSpec& spec);

}  // namespace bantam
