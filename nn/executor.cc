// One walk over the nodes of a net, for training and evaluation, and what training runs as one.
#include <algorithm>
#include <string_view>

#include "core/rng.h"
#include "core/work.h"
#include "nn/batch_blocks.h"
#include "nn/model.h"
#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/batch_norm.h"
#include "ops/byte_values.h"
#include "ops/concat.h"
#include "ops/conv2d.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/pool.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/quantized.h"
#include "ops/quant/sign.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace bantam {
namespace {

PoolParams pool_params(const NodeSpec& node) {
  const auto& c = std::get<PoolConfig>(node.config);
  return {c.kernel_h, c.kernel_w, c.stride_h, c.stride_w, c.pad_h, c.pad_w};
}

// A cheap convolution whose full-size output or input is larger than this runs a few images at a time, so many that
// theirs takes about so much: small enough to be scratch, large enough for whole tasks for every thread.
constexpr int64_t kWholeBytes = int64_t(12) << 20, kBlockBytes = int64_t(4) << 20;
// A norm's output may be made again through so many norms of a residual chain, one before the other; then one is kept.
constexpr int kMaxChain = 4;
// Values of an input of bytes that take no more than this are kept for backward: making them again costs more.
constexpr size_t kSmallInput = size_t(256) << 10;

}  // namespace

Tensor Model::forward(const Context& context, const Tensor& x) { return run(context, x, &norms_); }

Tensor Model::evaluate(const Context& context, const Tensor& x) const {
  if (context.training) throw Error("model: an evaluation in training");
  return run(context, x, nullptr);
}

Tensor Model::run(const Context& context, const Tensor& x, Norms* statistics) const {
  const auto& in = std::get<InputConfig>(spec_.nodes[0].config);
  if (x.rank() != 4 || x.dim(1) != in.h || x.dim(2) != in.w || x.dim(3) != in.c)
    throw Error("model: the net takes " + to_string(Shape{x.rank() ? x.dim(0) : 0, in.h, in.w, in.c}) +
                ", the input is " + to_string(x.shape()));
  const bool bytes = x.dtype() == DType::kU8 && dtype_ == DType::kF32;
  if (x.dtype() != dtype_ && !bytes)
    throw Error(std::string("model: the net is ") + name_of(dtype_) + ", the input " + name_of(x.dtype()));
  if (bytes && !context.byte_values.defined()) throw Error("model: an input of bytes, and no values of bytes");
  List<Quantized> values(spec_.nodes.size());
  List<int> chain(spec_.nodes.size(), 0);
  const bool keep_bytes = context.training && !context.tap;
  values[0].value = keep_bytes ? x : real_value(x, context);
  const Pass pass{context, statistics, x.dim(0), nullptr, false};
  int next = 0;
  if (context.training && !context.tap)
    for (const Segment& s : context.recompute) {
      run_nodes(next, s.begin, pass, &values, &chain);
      values[size_t(s.end)].value = run_segment(s, context, values[size_t(s.begin)], statistics);
      values[size_t(s.begin)] = {};
      next = s.end + 1;
    }
  run_nodes(next, int(spec_.nodes.size()) - 1, pass, &values, &chain);
  return values.back().value;
}

void Model::run_nodes(int first, int last, const Pass& pass, List<Quantized>* all, List<int>* chain) const {
  List<Quantized>& values = *all;
  const Context& context = pass.context;
  const bool grouped = context.training && !context.tap;
  for (size_t i = size_t(first); i <= size_t(last); ++i) {
    const NodeSpec& node = spec_.nodes[i];
    if (grouped && group_at_[i] == kPartOfGroup) continue;  // the group's end runs it
    if (grouped && pooled_in_blocks(i, pass.images)) continue;  // its pool runs it
    AllocLabel label("output", &node.name);
    if (grouped && group_at_[i] >= 0) {
      values[i].value = run_group(norm_groups_[size_t(group_at_[i])], pass, values, chain);
    } else if (node.kind != Kind::kInput) {
      const WorkScope work({name_of(node.kind), &node.name});
      values[i] = run_node(i, pass, values);
      if (node.kind == Kind::kRelu || node.kind == Kind::kPRelu) (*chain)[i] = (*chain)[size_t(node.inputs[0])];
    }
    if (context.tap) context.tap(node, materialize(values[i]));
    for (int j : last_reads_[grouped][i]) values[size_t(j)] = {};  // what backward needs, the graph holds
  }
}

// Which values nobody reads any more after each node, one by one and in groups.
void Model::plan_reads() {
  const size_t n = spec_.nodes.size();
  group_at_.assign(n, kOnItsOwn);
  for (size_t g = 0; g < norm_groups_.size(); ++g) {
    const NormGroup& group = norm_groups_[g];
    for (int i : {group.conv, group.pool, group.pre, group.norm, group.add, group.post})
      if (i >= 0) group_at_[size_t(i)] = kPartOfGroup;
    group_at_[size_t(group.end)] = int(g);
  }
  for (const bool grouped : {false, true}) {
    std::vector<int> last(n, -1);
    for (size_t i = 0; i < n; ++i) {
      for (int j : spec_.nodes[i].inputs) {
        last[size_t(j)] = int(i);
        // A convolution may be run by its pool.
        for (int k : spec_.nodes[size_t(j)].inputs)
          if (spec_.nodes[i].kind == Kind::kMaxPool) last[size_t(k)] = std::max(last[size_t(k)], int(i));
      }
      if (!grouped || group_at_[i] < 0) continue;
      const NormGroup& group = norm_groups_[size_t(group_at_[i])];
      for (int j : {group.source, group.residual})
        if (j >= 0) last[size_t(j)] = int(i);
    }
    last_reads_[grouped].assign(n, {});
    for (size_t j = 0; j < n; ++j)
      if (last[j] >= 0) last_reads_[grouped][size_t(last[j])].push_back(int(j));
  }
}

Tensor Model::run_group(const NormGroup& g, const Pass& pass, const List<Quantized>& values,
                        List<int>* chain) const {
  const NodeSpec& node = spec_.nodes[size_t(g.norm)];
  AllocLabel label("output", &node.name);
  const WorkScope work({name_of(node.kind), &node.name});
  const auto& c = std::get<BatchNormConfig>(node.config);
  NormForm form{.momentum = c.momentum, .eps = c.eps};
  Norm& norm = pass.statistics->at(node.name);
  NormInputs in{.slope = {},
                .gamma = tensor_of(size_t(g.norm), ".weight", pass),
                .beta = tensor_of(size_t(g.norm), ".bias", pass),
                .residual = {}};
  if (!pass.again) {
    ++norm.batches;
    in.running_mean = &norm.running_mean;
    in.running_var = &norm.running_var;
  }
  if (g.pre >= 0) {
    in.slope = tensor_of(size_t(g.pre), ".weight", pass);
    form.pre = in.slope.defined() ? NormPre::kPRelu : NormPre::kRelu;
  }
  if (g.post >= 0) form.post = spec_.nodes[size_t(g.post)].kind == Kind::kRelu ? NormPost::kRelu : NormPost::kHardtanh;
  if (g.add >= 0) in.residual = real_value(values[size_t(g.residual)].value, pass.context);

  int& length = (*chain)[size_t(g.end)];
  length = 1 + (g.add >= 0 ? (*chain)[size_t(g.residual)] : 0);
  const bool remake = length <= kMaxChain;
  if (!remake) length = 0;
  const Quantized& x = values[size_t(g.source)];
  if (g.conv < 0) return norm_act(real_value(x.value, pass.context), form, in, remake);
  const size_t conv = size_t(g.conv);
  return norm_in_batch_blocks("conv_norm", block_of(conv, x.value.dim(0)), x,
                              {tensor_of(conv, ".weight", pass), tensor_of(conv, ".bias", pass)},
                              piece_of(conv, g.pool, pass.context), form, in, remake);
}

Tensor Model::leaf(const Parameter& p, const Pass& pass) {
  if (!pass.leaves) return p.tensor();
  for (const auto& [parameter, stands_in] : *pass.leaves)
    if (parameter == &p) return stands_in;
  throw Error("model: " + p.name + " is no parameter of the segment");
}

Tensor Model::tensor_of(size_t node, const char* what, const Pass& pass) const {
  const Parameter* p = what == std::string_view(".weight") ? own_[node].first : own_[node].second;
  return p ? leaf(*p, pass) : Tensor();
}

size_t Model::image_bytes(size_t node) const { return size_t(shapes_[node].size()) * size_of(dtype_); }

bool Model::pooled_in_blocks(size_t conv, int64_t images) const {
  return cheap_before_pool_[conv] && block_of(conv, images) < images;
}

int64_t Model::block_of(size_t conv, int64_t images) const {
  // Forward the output counts, backward the gradient of the input too.
  const int64_t image = int64_t(std::max(image_bytes(conv), image_bytes(size_t(spec_.nodes[conv].inputs[0]))));
  return images * image <= kWholeBytes ? images : std::max<int64_t>(1, kBlockBytes / image);
}

Tensor Model::convolve(size_t index, const Quantized& x, const Tensor& weight, const Tensor& bias,
                       SumOrder order) const {
  const auto& c = std::get<ConvConfig>(spec_.nodes[index].config);
  const Conv2dParams params{c.stride_h, c.stride_w, c.pad_h, c.pad_w, c.dilation_h, c.dilation_w, c.groups, order};
  if (is_binary_layer(spec_, int(index)))
    return binary_conv2d(x, weight, c.weight.surrogate, bias, params, c.pad_value);
  return conv2d(x.value, c.weight.scheme == Scheme::kSign ? sign_ste(weight, c.weight.surrogate) : weight, bias,
                params);
}

Tensor Model::real_value(const Tensor& x, const Context& context) {
  if (!x.defined() || x.dtype() != DType::kU8) return x;
  const Tensor values = byte_values(x, context.byte_values);
  return values.bytes() <= kSmallInput ? values.detach() : values;
}

Piece Model::piece_of(size_t conv, int pool, const Context& context) const {
  return [this, conv, pool, order = context.sums(), values = context.byte_values](const Quantized& images,
                                                                                  const Tensors& parameters) {
    const auto convolved = [&] {
      const WorkScope work({name_of(Kind::kConv), &spec_.nodes[conv].name});
      if (images.value.dtype() != DType::kU8) return convolve(conv, images, parameters[0], parameters[1], order);
      // Values of a few images, that need not be made once more within the piece.
      return convolve(conv, {byte_values(images.value, values).detach(), {}, 1}, parameters[0], parameters[1], order);
    };
    if (pool < 0) return convolved();
    const WorkScope work({name_of(Kind::kMaxPool), &spec_.nodes[size_t(pool)].name});
    return max_pool(convolved(), pool_params(spec_.nodes[size_t(pool)]));
  };
}

Quantized Model::run_node(size_t index, const Pass& pass, const List<Quantized>& values) const {
  const Context& context = pass.context;
  const NodeSpec& node = spec_.nodes[index];
  const auto value_of = [&](int j) { return real_value(values[size_t(j)].value, context); };
  const Quantized& source = values[size_t(node.inputs[0])];
  // What runs in blocks, and what only changes the shape, takes an input of bytes as it is.
  const bool as_it_is = node.kind == Kind::kFlatten || node.kind == Kind::kMaxPool || source.codes.defined();
  const Quantized in{as_it_is ? source.value : value_of(node.inputs[0]), source.codes, source.step};
  const Tensor& x = in.value;
  auto real = [](Tensor t) { return Quantized{std::move(t), {}, 1}; };
  switch (node.kind) {
    case Kind::kConv:
      return real(convolve(index, in, tensor_of(index, ".weight", pass), tensor_of(index, ".bias", pass),
                           context.sums()));
    case Kind::kLinear: {
      const auto& c = std::get<LinearConfig>(node.config);
      Tensor w = tensor_of(index, ".weight", pass);
      if (is_binary_layer(spec_, int(index)))
        return real(binary_linear(in, w, c.weight.surrogate, tensor_of(index, ".bias", pass)));
      if (c.weight.scheme == Scheme::kSign) w = sign_ste(w, c.weight.surrogate);
      return real(linear(x, w, tensor_of(index, ".bias", pass), context.training ? SumOrder::kAny : context.order));
    }
    case Kind::kBatchNorm: {
      const auto& c = std::get<BatchNormConfig>(node.config);
      const Tensor gamma = tensor_of(index, ".weight", pass), beta = tensor_of(index, ".bias", pass);
      if (!context.training) {
        const Norm& norm = norms_.at(node.name);
        return real(batch_norm_eval(x, gamma, beta, norm.running_mean, norm.running_var, c.eps));
      }
      Norm& norm = pass.statistics->at(node.name);
      ++norm.batches;
      return real(batch_norm(x, gamma, beta, &norm.running_mean, &norm.running_var, c.momentum, c.eps));
    }
    case Kind::kRelu: return real(relu(x));
    case Kind::kPRelu: return real(prelu(x, tensor_of(index, ".weight", pass)));
    case Kind::kHardtanh: return real(hardtanh(x));
    case Kind::kSigmoid: return real(sigmoid(x));
    case Kind::kTanh: return real(tanh(x));
    case Kind::kSoftmax: return real(softmax(x));
    case Kind::kMaxPool: {
      const size_t conv = size_t(node.inputs[0]);
      if (!context.training || context.tap || !pooled_in_blocks(conv, pass.images))
        return real(max_pool(real_value(x, context), pool_params(node)));
      return real(in_batch_blocks("conv_max_pool", block_of(conv, pass.images),
                                  values[size_t(spec_.nodes[conv].inputs[0])],
                                  {tensor_of(conv, ".weight", pass), tensor_of(conv, ".bias", pass)},
                                  piece_of(conv, int(index), context), is_binary_layer(spec_, int(conv))));
    }
    case Kind::kAvgPool: return real(avg_pool(x, pool_params(node)));
    case Kind::kGlobalAvgPool: return real(global_avg_pool(x));
    case Kind::kAdaptiveAvgPool: {
      const auto& c = std::get<AdaptivePoolConfig>(node.config);
      return real(adaptive_avg_pool(x, c.out_h, c.out_w));
    }
    case Kind::kAdd: return real(add(x, value_of(node.inputs[1])));
    case Kind::kMul: return real(mul(x, value_of(node.inputs[1])));
    case Kind::kConcat: {
      Tensors parts;
      for (int j : node.inputs) parts.push_back(value_of(j));
      return real(concat(parts, -1));
    }
    case Kind::kFlatten: return real(reshape(x, {x.dim(0), x.size() / x.dim(0)}));
    case Kind::kQuantize: {
      const QuantSpec& quant = std::get<QuantizeConfig>(node.config).quant;
      if (quant.scheme == Scheme::kNone) return real(x);
      return sign(x, quant.surrogate, real_value_used_[index]);
    }
    case Kind::kDropout:
      if (!context.training) return real(x);
      return real(dropout(x, std::get<DropoutConfig>(node.config).p,
                          Rng(context.seed, kRngDropout, index, uint64_t(context.step))));
    case Kind::kInput: break;
  }
  throw Error("model: " + node.name + ": kind without execution");
}

}  // namespace bantam
