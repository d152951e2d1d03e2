// A convolution, also grouped; of quantized weights and inputs, one on their codes.
#include <cmath>

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/conv2d.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/quant_conv2d.h"

namespace bantam {
namespace {

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
  const auto& c = config_of<ConvConfig>(node);
  check_image(node, in[0]);
  check_range(node, "out_channels", c.out_channels, 1, kMaxDim);
  check_range(node, "groups", c.groups, 1, kMaxDim);
  check_range(node, "pad_value", c.pad_value, -1, 1);
  check_quant(node, c.weight, Operand::kWeight);
  if (in[0][3] % c.groups || c.out_channels % c.groups)
    fail(node, std::to_string(in[0][3]) + " input and " + std::to_string(c.out_channels) +
                   " output channels do not divide into " + std::to_string(c.groups) + " groups");
  return {n, slide(node, in[0][1], c.kernel_h, c.stride_h, c.pad_h, c.dilation_h),
          slide(node, in[0][2], c.kernel_w, c.stride_w, c.pad_w, c.dilation_w), c.out_channels};
}

void resize(NodeSpec* node, int64_t in_before, int64_t in, int64_t out) {
  auto& c = std::get<ConvConfig>(node->config);
  if (c.groups > 1 && c.groups == in_before) {  // depthwise, perhaps with several outputs a channel
    out = c.out_channels / c.groups * in;
    c.groups = in;
  }
  c.out_channels = out;
}

NodeParameters parameters_of(const NodeView& v) {
  const auto& c = v.config<ConvConfig>();
  const int64_t in = v.in()[3] / c.groups;
  NodeParameters p;
  const double fan_out = double(c.out_channels / c.groups * c.kernel_h * c.kernel_w);
  p[Role::kWeight] = {.name = v.node().name + ".weight",
                      .shape = {c.out_channels, c.kernel_h, c.kernel_w, in},
                      .layout = {FileLayout::kConv, c.kernel_h, c.kernel_w, in},
                      .initial = {Initial::kNormal, std::sqrt(2 / fan_out)}};
  if (c.bias)
    p[Role::kBias] = {.name = v.node().name + ".bias",
                      .shape = {c.out_channels},
                      .decay = false,
                      .initial = initial_bias(v.spec.init, c.kernel_h * c.kernel_w * in)};
  p[Role::kScale] = scale_of_layer(v.node(), p[Role::kWeight]);
  return p;
}

}  // namespace

Tensor convolve(const Plan& plan, size_t conv, const Quantized& x, const Tensors& parameters, const Draws& draws,
                SumOrder order) {
  const NodeSpec& node = plan.spec().nodes[conv];
  const auto& c = std::get<ConvConfig>(node.config);
  const auto weight = [&](bool materialize_value) { return layer_weight(node, parameters, draws, materialize_value); };
  const Tensor& bias = parameters[size_t(Role::kBias)];
  const Conv2dParams params{c.stride_h, c.stride_w, c.pad_h, c.pad_w, c.dilation_h, c.dilation_w, c.groups, order};
  const bool signs = c.weight.scheme == Scheme::kSign;
  switch (plan.arithmetic(conv)) {
    case Arithmetic::kReal:
      return conv2d(x.value, weight(true).value, bias, params);
    case Arithmetic::kCodedWeights:
      if (signs) return conv2d(x.value, weight(true).value, bias, params);
      return quant_conv2d({x.value}, weight(false), bias, params);
    case Arithmetic::kBits:
      if (signs)
        return binary_conv2d(x, parameters[size_t(Role::kWeight)], c.weight.surrogate, bias, params, c.pad_value);
      [[fallthrough]];
    case Arithmetic::kCodes:
      return quant_conv2d(x, weight(false), bias, params, c.pad_value);
  }
  throw Error("conv: no such arithmetic");
}

extern const KindRoom kConvRoom;
constinit const KindRoom kConvRoom = {
    .kind = Kind::kConv,
    .name = "conv",
    .inputs = 1,
    .config = [] { return Config(ConvConfig{}); },
    .shape = shape_of,
    .run =
        [](const NodePass& p) {
          return real(convolve(p.pass.plan, p.index, p.in, layer_parameters(p.pass, p.index), Draws(p.context()),
                               p.context().order));
        },
    .channels = Channels::kNew,
    .resize = resize,
    .parameters = parameters_of,
    .macs =
        [](const NodeView& v) {
          const auto& c = v.config<ConvConfig>();
          return v.out().size() * c.kernel_h * c.kernel_w * (v.in()[3] / c.groups);
        },
    .weight = [](const NodeSpec& node) { return &std::get<ConvConfig>(node.config).weight; },
};

}  // namespace bantam
