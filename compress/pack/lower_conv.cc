// Convolutions and linear layers: a source that multiplies, and the bias as its first stage.
#include "compress/pack/lower.h"
#include "compress/pack/weights.h"
#include "ops/kernels/depthwise.h"

namespace bantam::packed {
namespace {

QuantSpec weight_codes(const PackState& s, int node) {
  const auto* linear = std::get_if<LinearConfig>(&s.node(node).config);
  return linear ? linear->weight : s.config<ConvConfig>(node).weight;
}

// The layer as a convolution. A linear layer's window is the whole image: [h][w][c] is the order in which that is
// flattened.
ConvConfig shape_of(const PackState& s, int node, Dims in) {
  if (const auto* linear = std::get_if<LinearConfig>(&s.node(node).config)) {
    if (in.h > kMaxKernel || in.w > kMaxKernel)
      refuse(s, node, "its input image is larger than " + std::to_string(kMaxKernel));
    ConvConfig c;
    c.out_channels = linear->out_features, c.kernel_h = in.h, c.kernel_w = in.w;
    c.bias = linear->bias, c.weight = linear->weight;
    return c;
  }
  const ConvConfig& c = s.config<ConvConfig>(node);
  if (c.kernel_h > kMaxKernel || c.kernel_w > kMaxKernel)
    refuse(s, node, "its kernel is larger than " + std::to_string(kMaxKernel));
  if (c.groups > 0xFFFF) refuse(s, node, "it has more than 65535 groups");
  if (c.pad_value && !s.net.is_binary_layer(node))
    refuse(s, node, "a padding value other than 0 needs sign weights, sign inputs and one group");
  return c;
}

bool is_depthwise(const ConvConfig& c, Dims in) {
  return c.groups > 1 && c.groups == in.c && c.groups == c.out_channels && c.kernel_h * c.kernel_w <= kDepthwiseMaxTaps;
}

// How the layer multiplies, by the codes of its weights and of its input.
Source source_of(const PackState& s, int node) {
  const bool signs = grid_of(weight_codes(s, node), Operand::kWeight).is_signs();
  switch (s.net.arithmetic(node)) {
    case Arithmetic::kReal: return Source::kConv;
    case Arithmetic::kCodedWeights: return signs ? Source::kConvSigns : Source::kConv;
    case Arithmetic::kBits: return Source::kXnor;
    case Arithmetic::kCodes: break;
  }
  refuse(s, node, "the packed format has no such codes");
}

uint32_t add_weights(PackState* s, const Chain& chain, const ConvConfig& c) {
  const int64_t depth = c.kernel_h * c.kernel_w * chain.in.c / c.groups, cols = c.out_channels / c.groups;
  const float* w = parameter(*s, chain.root, s->node(chain.root).name + ".weight", depth * c.out_channels);
  switch (Source(chain.op.source)) {
    case Source::kConv: return s->file.payload(pack_weight_panels(w, c.groups, depth, cols));
    case Source::kConvSigns: return s->file.payload(pack_weight_signs(w, c.groups, depth, cols));
    case Source::kXnor:
      return s->file.payload(pack_weight_bits(w, c.out_channels * c.kernel_h * c.kernel_w, chain.in.c));
    case Source::kDepthwise: return s->file.payload(pack_weight_depthwise(w, depth, chain.in.c));
    case Source::kPixels:
    case Source::kLoad:
    case Source::kUnpack:
    case Source::kGlobalAverage: break;
  }
  refuse(*s, chain.root, "its source takes no weights");
}

void start_conv(PackState* s, int node) {
  Chain chain(node);
  OpRecord& op = chain.op;
  Source source = source_of(*s, node);
  const int x = s->input(node);
  op.in = source == Source::kXnor ? s->values[size_t(x)].bits : f32_of(s, x);
  chain.in = s->dims(op.in);
  const ConvConfig c = shape_of(*s, node, chain.in);
  if (source == Source::kConv && is_depthwise(c, chain.in)) source = Source::kDepthwise;
  op.source = uint8_t(source);
  op.k = uint32_t(c.out_channels), op.groups = uint16_t(c.groups), op.pad_value = int8_t(c.pad_value);
  op.kh = uint16_t(c.kernel_h), op.kw = uint16_t(c.kernel_w);
  op.stride_h = uint16_t(c.stride_h), op.stride_w = uint16_t(c.stride_w);
  op.pad_h = uint16_t(c.pad_h), op.pad_w = uint16_t(c.pad_w);
  op.dilation_h = uint16_t(c.dilation_h), op.dilation_w = uint16_t(c.dilation_w);
  op.weights = add_weights(s, chain, c);
  if (c.bias) {
    StageRecord bias;
    bias.kind = uint8_t(StageKind::kBias);
    const float* values = parameter(*s, node, s->node(node).name + ".bias", c.out_channels);
    bias.a = s->file.payload(values, size_t(c.out_channels) * sizeof(float));
    chain.stages.push_back(bias);
    chain.nodes.push_back(node);
  }
  extend(s, &chain);
}

}  // namespace

std::span<const Lowering> conv_lowerings() {
  static constexpr Lowering kRows[] = {
      {.kind = Kind::kConv, .start = start_conv},
      {.kind = Kind::kLinear, .start = start_conv},
  };
  return kRows;
}

}  // namespace bantam::packed
