// x, or a learned slope times x where x < 0. Nodes that name the same slope share it.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {
namespace {

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
  const auto& c = config_of<PReluConfig>(node);
  if (c.slopes != 1 && c.slopes != in[0][-1])
    fail(node, std::to_string(c.slopes) + " slopes for " + std::to_string(in[0][-1]) + " channels");
  if (c.parameter.empty()) fail(node, "its slope has no name");
  return in[0];
}

NodeParameters parameters_of(const NodeView& v) {
  const auto& c = v.config<PReluConfig>();
  NodeParameters p;
  p[Role::kWeight] = {.name = c.parameter + ".weight",
                      .shape = {c.slopes},
                      .decay = false,
                      .initial = {Initial::kConstant, c.init},
                      .shared = true};
  return p;
}

}  // namespace

extern const KindRoom kPReluRoom;
constinit const KindRoom kPReluRoom = {
    .kind = Kind::kPRelu,
    .name = "prelu",
    .inputs = 1,
    .config = [] { return Config(PReluConfig{}); },
    .shape = shape_of,
    .run = [](const NodePass& p) { return real(prelu(p.x(), p.parameter(Role::kWeight))); },
    .resize =
        [](NodeSpec* node, int64_t, int64_t in, int64_t) {
          auto& c = std::get<PReluConfig>(node->config);
          if (c.slopes > 1) c.slopes = in;
        },
    .parameters = parameters_of,
    .before_norm = NormPre::kPRelu,
    .remade_from_input = true,
};

}  // namespace bantam
