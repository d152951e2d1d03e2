// Activations as codes and values; integer layers read the codes alone.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/quant/quantize.h"

namespace bantam {

extern const KindRoom kQuantizeRoom;
constinit const KindRoom kQuantizeRoom = {
    .kind = Kind::kQuantize,
    .name = "quantize",
    .inputs = 1,
    .config = [] { return Config(QuantizeConfig{}); },
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
          check_quant(node, config_of<QuantizeConfig>(node).quant, Operand::kActivation);
          return in[0];
        },
    .run =
        [](const NodePass& p) {
          return quantize_activation(p.x(), p.config<QuantizeConfig>().quant, p.pass.plan.real_value_used(p.index));
        },
};

}  // namespace bantam
