#include "compress/latent_weights.h"

#include "core/autograd.h"
#include "ops/quant/quantize.h"

namespace bantam {

std::vector<LatentWeight> latent_weights(const NetSpec& spec, const Parameters& parameters) {
  std::vector<LatentWeight> all;
  for (const NodeSpec& node : spec.nodes) {
    const QuantSpec* quant = weight_quant(node);
    if (!quant || quant->scheme == Scheme::kNone || traits_of(quant->scheme).half) continue;
    const bool learned = has_learned_scale(*quant, Operand::kWeight);
    all.push_back({node.name, parameters.find(node.name + ".weight"),
                   learned ? parameters.find(quant_name(node, "weight_scale", *quant)) : nullptr, *quant});
  }
  return all;
}

Tensor quantized_value(const LatentWeight& w) {
  const NoGrad constant;
  return quantize_weight(w.weight->value, w.quant, true, {.scale = w.scale ? w.scale->value : Tensor()}).value;
}

}  // namespace bantam
