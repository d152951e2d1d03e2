// What convolutions and linear layers share: their weights as a quantizer of the pass makes them.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/quant/learned_scale.h"
#include "ops/quant/quantize.h"

namespace bantam {

Tensors layer_parameters(const Pass& pass, size_t layer) {
  Tensors all;
  for (size_t role = 0; role < kRoles; ++role) all.push_back(pass.parameter(layer, Role(role)));
  return all;
}

Quantized layer_weight(const NodeSpec& layer, const Tensors& parameters, const Draws& draws, bool materialize_value) {
  const Rng rng(draws.seed, kRngQuantize, stream_of(layer.name), uint64_t(draws.step));
  return quantize_weight(parameters[size_t(Role::kWeight)], *weight_quant(layer), materialize_value,
                         {.rng = draws.on ? &rng : nullptr, .scale = parameters[size_t(Role::kScale)]});
}

ParameterSpec scale_of_layer(const NodeSpec& layer, const ParameterSpec& weight) {
  const QuantSpec& quant = *weight_quant(layer);
  if (!has_learned_scale(quant, Operand::kWeight)) return {};
  return {.name = quant_name(layer, "weight_scale", quant),
          .shape = weight_scale_shape(weight.shape, quant),
          .decay = false,
          .scale_of = weight.name,
          .quant = quant};
}

}  // namespace bantam
