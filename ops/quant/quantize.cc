#include "ops/quant/quantize.h"

#include "ops/quant/scaled_sign.h"
#include "ops/quant/sign.h"
#include "ops/quant/table_weights.h"
#include "ops/quant/tanh_quant.h"
#include "ops/quant/twn.h"
#include "ops/quant/uniform.h"

namespace bantam {
namespace {

void check(const QuantSpec& spec, Operand operand) {
  if (const std::string what = refusal(spec, operand); !what.empty()) throw Error("quantize: " + what);
}

}  // namespace

std::string refusal(const QuantSpec& spec, Operand operand) {
  const SchemeTraits traits = traits_of(spec.scheme);
  const bool weight = operand == Operand::kWeight;
  const std::string word = name_of(spec.scheme);
  if (!(weight ? traits.weights : traits.activations))
    return word + " is for " + (weight ? "activations" : "weights") + " alone";
  if (!traits.fixed_bits && (spec.bits < traits.least_bits || spec.bits > kMaxQuantBits))
    return word + " takes " + std::to_string(traits.least_bits) + " to " + std::to_string(kMaxQuantBits) +
           " bits, not " + std::to_string(spec.bits);
  return "";
}

Quantized quantize_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value) {
  check(spec, Operand::kActivation);
  switch (spec.scheme) {
    case Scheme::kNone:
      return {x};
    case Scheme::kSign:
      return sign(x, spec.surrogate, materialize_value);
    case Scheme::kTernary:
    case Scheme::kDorefa:
    case Scheme::kRelu:
    case Scheme::kUniform:
    case Scheme::kHwgq:
    case Scheme::kInt:
      return uniform_activation(x, spec, materialize_value);
    case Scheme::kBwn:
    case Scheme::kXnor:
    case Scheme::kTwn:
    case Scheme::kTanh:
    case Scheme::kPow2:
    case Scheme::kLog:
    case Scheme::kLog2:
    case Scheme::kKmeans:
      break;
  }
  throw Error("quantize: no such scheme");
}

Quantized quantize_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  check(spec, Operand::kWeight);
  switch (spec.scheme) {
    case Scheme::kNone:
      return {w};
    case Scheme::kSign:
      if (materialize_value) return {sign_ste(w, spec.surrogate)};
      [[fallthrough]];  // signs of scale 1
    case Scheme::kBwn:
    case Scheme::kXnor:
      return scaled_sign(w, spec, materialize_value);
    case Scheme::kTwn:
      return ternary_weight(w, spec, materialize_value);
    case Scheme::kTernary:
    case Scheme::kUniform:
    case Scheme::kInt:
      return uniform_weight(w, spec, materialize_value);
    case Scheme::kDorefa:
      if (spec.bits > 1) return tanh_weight(w, spec, materialize_value);
      return scaled_sign(w, {Scheme::kBwn, Surrogate::kIdentity, 1, Granularity::kLayer, ScaleRule::kMean},
                         materialize_value);
    case Scheme::kTanh:
      return tanh_weight(w, spec, materialize_value);
    case Scheme::kPow2:
    case Scheme::kLog:
    case Scheme::kLog2:
    case Scheme::kKmeans:
      return table_weight(w, spec, materialize_value);
    case Scheme::kRelu:
    case Scheme::kHwgq:
      break;
  }
  throw Error("quantize: no such scheme");
}

Arithmetic arithmetic_of(const QuantSpec& weight, const QuantSpec& activation, const WeightShape& shape) {
  const bool by_kernel =
      traits_of(weight.scheme).granular && weight.granularity == Granularity::kKernel && shape.taps > 1;
  if (weight.scheme == Scheme::kNone || by_kernel || traits_of(weight.scheme).table) return Arithmetic::kReal;
  if (activation.scheme == Scheme::kNone) return Arithmetic::kCodedWeights;
  const bool bits =
      grid_of(weight, Operand::kWeight).is_signs() && grid_of(activation, Operand::kActivation).is_signs();
  if (!bits) return Arithmetic::kCodes;
  return shape.groups == 1                ? Arithmetic::kBits
         : weight.scheme == Scheme::kSign ? Arithmetic::kCodedWeights
                                          : Arithmetic::kCodes;
}

}  // namespace bantam
