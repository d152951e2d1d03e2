// Convolutions and linear layers: a source that multiplies, and the bias as its first stage.
#include <bit>

#include "compress/pack/lower.h"
#include "compress/pack/weights.h"
#include "core/autograd.h"
#include "core/base/half.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/quant/quantize.h"

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
  if (c.pad_value && !s.net.is_integer(node))
    refuse(s, node, "a padding value other than 0 needs quantized weights and inputs");
  return c;
}

bool is_depthwise(const ConvConfig& c, Dims in) {
  return c.groups > 1 && c.groups == in.c && c.groups == c.out_channels && c.kernel_h * c.kernel_w <= kDepthwiseMaxTaps;
}

// A layer's weights as the evaluation forward has them: codes and scales, or values. A linear layer's are features
// there, whatever image they came from: which weights share a scale depends on it.
Quantized quantized_weights(const PackState& s, int node, const ConvConfig& c, int64_t in_channels) {
  const int64_t channels = in_channels / c.groups;
  const bool linear = s.node(node).kind == Kind::kLinear;
  const Shape shape = linear ? Shape{c.out_channels, c.kernel_h * c.kernel_w * channels}
                             : Shape{c.out_channels, c.kernel_h, c.kernel_w, channels};
  Tensor w = Tensor::empty(shape);
  const float* values = parameter(s, node, s.node(node).name + ".weight", shape.size());
  std::copy(values, values + shape.size(), w.mutable_data<float>());
  const NoGrad no_grad;
  const QuantSpec codes = weight_codes(s, node);
  QuantInputs in;
  if (has_learned_scale(codes, Operand::kWeight)) {
    const std::string name = quant_name(s.node(node), "weight_scale", codes);
    in.scale = s.net.tensor(name);
    (void)parameter(s, node, name, in.scale.defined() ? in.scale.size() : 0);
  }
  Quantized q = quantize_weight(w, codes, false, in);
  q.value = materialize(q);
  return q;
}

// Codes as numbers of the fewest bits, each output channel's from a byte on.
std::vector<uint8_t> pack_numbers(const Codes& codes, int64_t rows, int bits) {
  const int64_t pixels = codes.pixels() / rows, c = codes.channels, depth = pixels * c, row = ceil_div(depth * bits, 8);
  std::vector<uint8_t> numbers(size_t(rows * row));
  for (int64_t k = 0; k < rows; ++k)
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t pixel = k * pixels + i / c;
      const uint64_t* bits_of = codes.is_bits() ? codes.bits() + pixel * codes.words() : nullptr;
      const uint32_t v =
          bits_of ? uint32_t(bits_of[i % c / kWordBits] >> (i % c % kWordBits) & 1) : codes.bytes()[pixel * c + i % c];
      for (int bit = 0; bit < bits; ++bit) {
        const int64_t at = i * bits + bit;
        numbers[size_t(k * row + at / 8)] |= uint8_t((v >> bit & 1) << (at % 8));
      }
    }
  return numbers;
}

// A scale for each kernel, [K, C/groups].
std::vector<float> kernel_scales(const Tensor& scale, int64_t k, int64_t c) {
  std::vector<float> scales(size_t(k * c));
  const int64_t shared = k * c / scale.size();  // [1], [K] or [K, C/groups]
  for (int64_t i = 0; i < k * c; ++i) scales[size_t(i)] = scale.data<float>()[i / shared];
  return scales;
}

// As far as weights' places depend on it.
ConvShape window_of(const ConvConfig& c, Dims in) {
  ConvShape s;
  s.h = in.h, s.w = in.w, s.c = in.c, s.k = c.out_channels, s.kh = c.kernel_h, s.kw = c.kernel_w;
  s.stride_h = c.stride_h, s.stride_w = c.stride_w, s.pad_h = c.pad_h, s.pad_w = c.pad_w;
  s.dilation_h = c.dilation_h, s.dilation_w = c.dilation_w, s.groups = c.groups;
  return s;
}

// Weights as numbers, with what they mean; of an integer layer that is packed for a target, its panels of codes.
void use_numbers(PackState* s, Chain* chain, const Codes& codes, const ConvConfig& c) {
  OpRecord& op = chain->op;
  op.weight_form = uint8_t(WeightForm::kCodes);
  op.weight_bits = uint8_t(std::bit_width(unsigned(codes.grid.levels - 1)));
  op.weight_top = uint8_t(codes.grid.levels - 1);
  op.weight_mul = uint8_t(codes.grid.mul), op.weight_add = int16_t(codes.grid.add);
  const std::vector<uint8_t> numbers = pack_numbers(codes, c.out_channels, op.weight_bits);
  if (!s->panel || s->net.arithmetic(chain->root) != Arithmetic::kCodes) {
    op.weights = s->file.payload(numbers);
    return;
  }
  const ConvShape shape = window_of(c, chain->in);
  const int32_t reach = op.weight_codes().reach();
  std::vector<uint8_t> panels(codes_packed_bytes(shape, reach));
  codes_pack_numbers(shape, {numbers.data(), op.weight_bits, op.weight_mul, op.weight_add, reach}, panels.data());
  op.weight_form = uint8_t(WeightForm::kCodePanels);
  op.weights = s->file.payload(panels);
}

// The form in which the weights are kept, by how the layer multiplies.
void add_weights(PackState* s, Chain* chain, const ConvConfig& c, const Quantized& q) {
  OpRecord& op = chain->op;
  const int64_t depth = c.kernel_h * c.kernel_w * chain->in.c / c.groups, cols = c.out_channels / c.groups;
  const float* w = q.value.data<float>();
  // Signs as numbers: those of the codes, as a scale that is learned may be below 0.
  Tensor signs;
  if (q.codes.defined() && q.codes.is_bits()) signs = expand(q.codes, {}, q.value.shape(), DType::kF32);
  const auto keep = [&](WeightForm form, const auto& payload) {
    op.weight_form = uint8_t(form);
    op.weights = s->file.payload(payload);
  };
  switch (s->net.arithmetic(chain->root)) {
    case Arithmetic::kReal:
      if (q.codes.defined()) {  // a table; scales by kernel, or one for all
        use_numbers(s, chain, q.codes, c);
        if (q.table.defined()) {
          std::vector<float> table(size_t(1) << op.weight_bits);  // entries that no number has are 0
          std::copy_n(q.table.data<float>(), q.table.size(), table.begin());
          op.table = s->file.payload(table);
        }
        if (q.scale.defined())
          op.scales = s->file.payload(kernel_scales(q.scale, c.out_channels, chain->in.c / c.groups));
        return;
      }
      if (const QuantSpec& of_w = weight_codes(*s, chain->root); traits_of(of_w.scheme).half)
        return of_w.scheme == Scheme::kF16
                   ? keep(WeightForm::kF16, pack_weight_halves(w, q.value.size(), narrow_f16))
                   : keep(WeightForm::kBf16, pack_weight_halves(w, q.value.size(), narrow_bf16));
      if (is_depthwise(c, chain->in)) return keep(WeightForm::kDepthwise, pack_weight_depthwise(w, depth, chain->in.c));
      return keep(WeightForm::kPanels, pack_weight_panels(w, c.groups, depth, cols));
    case Arithmetic::kCodedWeights:
      if (q.codes.is_bits())
        return keep(WeightForm::kSignColumns, pack_weight_signs(signs.data<float>(), c.groups, depth, cols));
      return use_numbers(s, chain, q.codes, c);
    case Arithmetic::kBits: {
      const auto rows = pack_weight_bits(signs.data<float>(), c.out_channels * c.kernel_h * c.kernel_w, chain->in.c);
      if (!s->panel) return keep(WeightForm::kSignRows, rows);
      const ConvShape shape = window_of(c, chain->in);
      std::vector<uint64_t> panels(xnor_panel_bytes(shape) / sizeof(uint64_t));
      xnor_pack_panels(shape, rows.data(), s->panel, panels.data());
      op.panel = uint32_t(s->panel);
      return keep(WeightForm::kSignPanels, panels);
    }
    case Arithmetic::kCodes:
      return use_numbers(s, chain, q.codes, c);
  }
  refuse(*s, chain->root, "the packed format has no such weights");
}

// The sums' scale, that of both operands, and the bias as one stage; or the bias alone.
void add_affine(PackState* s, Chain* chain, const ConvConfig& c, const Quantized& q) {
  const int node = chain->root;
  const bool integer = s->net.is_integer(node);
  const bool scaled = s->net.arithmetic(node) != Arithmetic::kReal && q.scale.defined();
  const bool steps = integer && Type(chain->in.elements.type) == Type::kCodes;
  const float* bias = c.bias ? parameter(*s, node, s->node(node).name + ".bias", c.out_channels) : nullptr;
  const size_t k = size_t(c.out_channels);
  if (!bias && !scaled && !steps) return;
  StageRecord stage;
  if (scaled || steps) {
    std::vector<float> scale(k), shift(k);
    const float step = steps ? std::bit_cast<float>(s->file.tensors[chain->op.in].scale) : 1.0f;
    for (size_t i = 0; i < k; ++i) {
      const float of_w = scaled ? q.scale.data<float>()[q.scale.size() == 1 ? 0 : i] : 1.0f;
      scale[i] = steps ? step * of_w : of_w;
      shift[i] = bias ? bias[i] : 0.0f;
    }
    stage.kind = uint8_t(StageKind::kAffine);
    stage.a = s->file.payload(scale), stage.b = s->file.payload(shift);
  } else {
    stage.kind = uint8_t(StageKind::kBias);
    stage.a = s->file.payload(bias, k * sizeof(float));
  }
  chain->stages.push_back(stage);
  chain->nodes.push_back(node);
}

void start_conv(PackState* s, int node) {
  Chain chain(node);
  OpRecord& op = chain.op;
  op.source = uint8_t(Source::kConv);
  const int x = s->input(node);
  op.in = s->net.is_integer(node) ? s->values[size_t(x)].codes : f32_of(s, x);
  chain.in = s->dims(op.in);
  const ConvConfig c = shape_of(*s, node, chain.in);
  op.k = uint32_t(c.out_channels), op.groups = uint16_t(c.groups), op.pad_value = int8_t(c.pad_value);
  op.kh = uint16_t(c.kernel_h), op.kw = uint16_t(c.kernel_w);
  op.stride_h = uint16_t(c.stride_h), op.stride_w = uint16_t(c.stride_w);
  op.pad_h = uint16_t(c.pad_h), op.pad_w = uint16_t(c.pad_w);
  op.dilation_h = uint16_t(c.dilation_h), op.dilation_w = uint16_t(c.dilation_w);
  const Quantized weights = quantized_weights(*s, node, c, chain.in.c);
  add_weights(s, &chain, c, weights);
  add_affine(s, &chain, c, weights);
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
