#include "ops/quant/quantize.h"

#include "ops/quant/half_weight.h"
#include "ops/quant/learned_scale.h"
#include "ops/quant/scaled_sign.h"
#include "ops/quant/sign.h"
#include "ops/quant/step_activation.h"
#include "ops/quant/stochastic.h"
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
  const bool scaled = weight ? traits.scaled : traits.reaches;
  if (scaled && spec.scale == ScaleRule::kMean && !weight)
    return "the scale of activations is none, max or learned, not mean";
  if (scaled && spec.scale == ScaleRule::kLearned && !has_learned_scale(spec, operand))
    return word + " has no scale of activations that could be learned: it takes none or max";
  return "";
}

Quantized quantize_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value, const QuantInputs& in) {
  check(spec, Operand::kActivation);
  if (has_learned_scale(spec, Operand::kActivation) && in.scale.defined())
    return learned_activation(x, spec, in.scale, materialize_value);
  switch (spec.scheme) {
    case Scheme::kNone:
      return {x};
    case Scheme::kSign:
      return sign(x, spec.surrogate, materialize_value);
    case Scheme::kStochastic:
      return in.rng ? stochastic_sign(x, spec.surrogate, *in.rng, materialize_value)
                    : sign(x, spec.surrogate, materialize_value);
    case Scheme::kTernary:
    case Scheme::kDorefa:
    case Scheme::kRelu:
    case Scheme::kUniform:
    case Scheme::kHwgq:
    case Scheme::kInt:
      return uniform_activation(x, spec, materialize_value);
    case Scheme::kTanh:
    case Scheme::kPow2:
    case Scheme::kLog:
    case Scheme::kLog2:
      return step_activation(x, spec, in.of_batch, materialize_value);
    case Scheme::kBwn:
    case Scheme::kXnor:
    case Scheme::kTwn:
    case Scheme::kKmeans:
    case Scheme::kF16:
    case Scheme::kBf16:
      break;
  }
  throw Error("quantize: no such scheme");
}

Quantized quantize_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value, const QuantInputs& in) {
  check(spec, Operand::kWeight);
  if (has_learned_scale(spec, Operand::kWeight)) return learned_weight(w, spec, in.scale, materialize_value);
  switch (spec.scheme) {
    case Scheme::kNone:
      return {w};
    case Scheme::kSign:
      if (materialize_value) return {sign_ste(w, spec.surrogate)};
      return scaled_sign(w, spec, false);  // signs of scale 1
    case Scheme::kStochastic:
      return in.rng ? stochastic_sign(w, spec.surrogate, *in.rng, materialize_value)
                    : scaled_sign(w, spec, materialize_value);
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
    case Scheme::kF16:
    case Scheme::kBf16:
      return {half_weight(w, spec)};
    case Scheme::kRelu:
    case Scheme::kHwgq:
      break;
  }
  throw Error("quantize: no such scheme");
}

Arithmetic arithmetic_of(const QuantSpec& weight, const QuantSpec& activation, const WeightShape& shape) {
  const bool by_kernel =
      traits_of(weight.scheme).granular && weight.granularity == Granularity::kKernel && shape.taps > 1;
  const SchemeTraits of_weight = traits_of(weight.scheme);
  if (weight.scheme == Scheme::kNone || by_kernel || of_weight.table || of_weight.half) return Arithmetic::kReal;
  if (activation.scheme == Scheme::kNone || traits_of(activation.scheme).table) return Arithmetic::kCodedWeights;
  const bool bits =
      grid_of(weight, Operand::kWeight).is_signs() && grid_of(activation, Operand::kActivation).is_signs();
  if (!bits) return Arithmetic::kCodes;
  return shape.groups == 1                ? Arithmetic::kBits
         : weight.scheme == Scheme::kSign ? Arithmetic::kCodedWeights
                                          : Arithmetic::kCodes;
}

}  // namespace bantam
