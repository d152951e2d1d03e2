// A dense layer [n,in] -> [n,out]; of quantized weights and inputs, one on their codes.
#include "ops/linear.h"

#include <cmath>

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/quant_conv2d.h"

namespace bantam {
namespace {

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
  const auto& c = config_of<LinearConfig>(node);
  if (in[0].rank != 2) fail(node, "needs features [N,F], gets " + to_string(in[0]));
  check_range(node, "out_features", c.out_features, 1, kMaxDim);
  check_quant(node, c.weight, Operand::kWeight);
  return {n, c.out_features};
}

NodeParameters parameters_of(const NodeView& v) {
  const auto& c = v.config<LinearConfig>();
  const int64_t in = v.in()[1];
  FileLayout layout;
  if (v.source().kind == Kind::kFlatten) {
    const Shape& image = v.shapes[size_t(v.source().inputs[0])];
    if (image.rank == 4) layout = {FileLayout::kFlattened, image[1], image[2], image[3]};
  }
  NodeParameters p;
  p[Role::kWeight] = {.name = v.node().name + ".weight",
                      .shape = {c.out_features, in},
                      .layout = layout,
                      .initial = v.spec.init == Init::kSmallNormal
                                     ? Initial{Initial::kNormal, 0.01}
                                     : Initial{Initial::kUniform, 1 / std::sqrt(double(in))}};
  if (c.bias)
    p[Role::kBias] = {.name = v.node().name + ".bias",
                      .shape = {c.out_features},
                      .decay = false,
                      .initial = initial_bias(v.spec.init, in)};
  p[Role::kScale] = scale_of_layer(v.node(), p[Role::kWeight]);
  return p;
}

Quantized run(const NodePass& p) {
  const auto& c = p.config<LinearConfig>();
  const Tensors parameters = layer_parameters(p.pass, p.index);
  const Tensor &w = parameters[size_t(Role::kWeight)], &bias = parameters[size_t(Role::kBias)];
  const auto weight = [&](bool materialize_value) {
    return layer_weight(p.node(), parameters, Draws(p.context()), materialize_value);
  };
  const bool signs = c.weight.scheme == Scheme::kSign;
  switch (p.pass.plan.arithmetic(p.index)) {
    case Arithmetic::kReal:
      return real(linear(p.x(), weight(true).value, bias, p.dense_order()));
    case Arithmetic::kCodedWeights:
      if (signs) return real(linear(p.x(), weight(true).value, bias, p.dense_order()));
      return real(quant_linear({p.x()}, weight(false), bias, p.dense_order()));
    case Arithmetic::kBits:
      if (signs) return real(binary_linear(p.in, w, c.weight.surrogate, bias));
      [[fallthrough]];
    case Arithmetic::kCodes:
      return real(quant_linear(p.in, weight(false), bias));
  }
  throw Error("linear: no such arithmetic");
}

}  // namespace

extern const KindRoom kLinearRoom;
constinit const KindRoom kLinearRoom = {
    .kind = Kind::kLinear,
    .name = "linear",
    .inputs = 1,
    .config = [] { return Config(LinearConfig{}); },
    .shape = shape_of,
    .run = run,
    .channels = Channels::kNew,
    .resize = [](NodeSpec* node, int64_t, int64_t,
                 int64_t out) { std::get<LinearConfig>(node->config).out_features = out; },
    .parameters = parameters_of,
    .macs = [](const NodeView& v) { return v.in()[1] * v.out()[1]; },
    .weight = [](const NodeSpec& node) { return &std::get<LinearConfig>(node.config).weight; },
};

}  // namespace bantam
