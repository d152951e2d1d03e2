// One walk over the nodes of a plan, for training and evaluation, and what training runs as one.
#include <algorithm>

#include "core/work.h"
#include "nn/batch_blocks.h"
#include "nn/forward.h"
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "nn/walk.h"
#include "ops/byte_values.h"
#include "ops/norm_act.h"
#include "ops/pool.h"
#include "ops/shape.h"
#include "ops/slice.h"

namespace bantam {
namespace {

// A cheap convolution whose full-size output or input is larger than this runs a few images at a time, so many that
// theirs takes about so much: small enough to be scratch, large enough for whole tasks for every thread.
constexpr int64_t kWholeBytes = int64_t(12) << 20, kBlockBytes = int64_t(4) << 20;
// A norm's output may be made again through so many norms of a residual chain, one before the other; then one is kept.
constexpr int kMaxChain = 4;
// Values of an input of bytes that take no more than this are kept for backward: making them again costs more.
constexpr size_t kSmallInput = size_t(256) << 10;

Tensor real_value(const Tensor& x, const Tensor& byte_values_of) {
  if (!x.defined() || x.dtype() != DType::kU8) return x;
  const Tensor values = byte_values(x, byte_values_of);
  return values.bytes() <= kSmallInput ? values.detach() : values;
}

// Images to run at a time.
int64_t block_of(const Plan& plan, size_t conv, int64_t images, DType dtype) {
  const auto bytes = [&](size_t node) { return int64_t(plan.shapes()[node].size()) * int64_t(size_of(dtype)); };
  // Forward the output counts, backward the gradient of the input too.
  const int64_t image = std::max(bytes(conv), bytes(size_t(plan.spec().nodes[conv].inputs[0])));
  return images * image <= kWholeBytes ? images : std::max<int64_t>(1, kBlockBytes / image);
}

DType dtype_of(const Pass& pass, size_t node) {
  const Parameter* p = pass.binding[node].of[size_t(Role::kWeight)].parameter;
  return p->value.dtype();
}

// In training, a cheap convolution and the max pool behind it run a few images at a time (nn/batch_blocks.h).
bool pooled_in_blocks(const Pass& pass, size_t conv) {
  return pass.fused() && pass.plan.is_cheap_before_pool(conv) && !pass.wants(conv) &&
         block_of(pass.plan, conv, pass.images, dtype_of(pass, conv)) < pass.images;
}

// The convolution, and the pool unless that is -1.
Piece piece_of(const Pass& pass, size_t conv, int pool) {
  return [plan = &pass.plan, conv, pool, order = pass.context.order, draws = Draws(pass.context),
          values = pass.byte_values](const Quantized& images, const Tensors& parameters) {
    const std::vector<NodeSpec>& nodes = plan->spec().nodes;
    const auto convolved = [&] {
      const WorkScope work({name_of(Kind::kConv), &nodes[conv].name});
      if (images.value.dtype() != DType::kU8) return convolve(*plan, conv, images, parameters, draws, order);
      // Values of a few images, that need not be made once more within the piece.
      return convolve(*plan, conv, {byte_values(images.value, values).detach()}, parameters, draws, order);
    };
    if (pool < 0) return convolved();
    const WorkScope work({name_of(Kind::kMaxPool), &nodes[size_t(pool)].name});
    return max_pool(convolved(), pool_params(nodes[size_t(pool)]));
  };
}

Tensor run_group(const NormGroup& g, const Pass& pass, const List<Quantized>& values, List<int>* chain) {
  const std::vector<NodeSpec>& nodes = pass.plan.spec().nodes;
  const NodeSpec& node = nodes[size_t(g.norm)];
  AllocLabel label("output", &node.name);
  const WorkScope work({name_of(node.kind), &node.name});
  const auto& c = std::get<BatchNormConfig>(node.config);
  NormForm form{.momentum = c.momentum, .eps = c.eps};
  const BoundNode& bound = pass.binding[size_t(g.norm)];
  NormView norm(bound);
  NormInputs in{.slope = {},
                .gamma = pass.parameter(size_t(g.norm), Role::kWeight),
                .beta = pass.parameter(size_t(g.norm), Role::kBias),
                .residual = {}};
  if (!pass.again) {
    ++bound.norm->batches;
    in.running_mean = &norm.mean;
    in.running_var = &norm.var;
  }
  if (g.pre >= 0) {
    in.slope = pass.parameter(size_t(g.pre), Role::kWeight);
    form.pre = *room_of(nodes[size_t(g.pre)].kind).before_norm;
  }
  if (g.post >= 0) form.post = *room_of(nodes[size_t(g.post)].kind).behind_norm;
  if (g.add >= 0) in.residual = pass.real(values[size_t(g.residual)].value);

  int& length = (*chain)[size_t(g.end)];
  length = 1 + (g.add >= 0 ? (*chain)[size_t(g.residual)] : 0);
  // A cheap convolution that is computed again with its norm, twice, has its source made again for that; one on bits
  // has them saved. So such a link of the chain counts for two.
  if (g.conv >= 0 && !pass.plan.is_binary(size_t(g.conv)))
    length = std::max(length, (*chain)[size_t(g.source)] > 0 ? (*chain)[size_t(g.source)] + 2 : 1);
  const bool remake = length <= kMaxChain;
  if (!remake) length = 0;
  const Quantized& x = values[size_t(g.source)];
  if (g.conv < 0) return norm_act(pass.real(x.value), form, in, remake);
  const size_t conv = size_t(g.conv);
  return norm_in_batch_blocks("conv_norm", block_of(pass.plan, conv, x.value.dim(0), dtype_of(pass, conv)), x,
                              layer_parameters(pass, conv), piece_of(pass, conv, g.pool), form, in, remake);
}

Quantized run_node(size_t index, const Pass& pass, const List<Quantized>& values) {
  const NodeSpec& node = pass.plan.spec().nodes[index];
  const KindRoom& room = room_of(node.kind);
  const size_t first = size_t(node.inputs[0]);
  if (node.kind == Kind::kMaxPool && pooled_in_blocks(pass, first)) {
    const int64_t block = block_of(pass.plan, first, pass.images, dtype_of(pass, first));
    return real(in_batch_blocks("conv_max_pool", block, values[size_t(pass.plan.spec().nodes[first].inputs[0])],
                                layer_parameters(pass, first), piece_of(pass, first, int(index)),
                                pass.plan.is_binary(first)));
  }
  const Quantized& source = values[first];
  const bool as_it_is = room.takes_bytes || source.codes.defined();
  const Quantized in{as_it_is ? source.value : pass.real(source.value), source.codes, source.scale};
  return room.run(NodePass(pass, index, values, in));
}

}  // namespace

Tensor Pass::parameter(size_t node, Role role) const {
  const BoundNode::Part& p = binding[node].of[size_t(role)];
  if (!p.parameter) return {};
  Tensor t;
  if (!leaves) t = p.parameter->tensor();
  for (size_t i = 0; leaves && i < leaves->size() && !t.defined(); ++i)
    if ((*leaves)[i].first == p.parameter) t = (*leaves)[i].second;
  if (!t.defined()) throw Error("model: " + p.parameter->name + " is no parameter of the segment");
  if (p.whole) return t;
  const Tensor part = leading_block(p.all == t.shape() ? t : reshape(t, p.all), p.part);
  return p.part == p.shape ? part : reshape(part, p.shape);
}

Tensor Pass::real(const Tensor& x) const { return real_value(x, byte_values); }

const NormGroup* Pass::group_of(size_t node) const {
  if (!fused() || !context.batch_statistics) return nullptr;
  const int g = plan.group_of(node);
  return g < 0 || (split && (*split)[size_t(g)]) ? nullptr : &plan.norm_groups()[size_t(g)];
}

bool Pass::wants(size_t node) const {
  return std::find(context.wanted.begin(), context.wanted.end(), int(node)) != context.wanted.end();
}

namespace {

void take_outputs(const NetSpec& spec, const Context& context, int node, const Quantized& value, Outputs* out) {
  for (size_t i = 0; i < spec.extra_outputs.size(); ++i)
    if (spec.extra_outputs[i] == node) out->extra[i] = materialize(value);
  for (size_t i = 0; i < context.wanted.size(); ++i)
    if (context.wanted[i] == node) out->wanted[i] = materialize(value);
}

}  // namespace

void run_nodes(int first, int last, const Pass& pass, List<Quantized>* all, List<int>* chain, Outputs* out) {
  List<Quantized>& values = *all;
  const NetSpec& spec = pass.plan.spec();
  const bool grouped = pass.fused();
  for (size_t i = size_t(first); i <= size_t(last); ++i) {
    const NodeSpec& node = spec.nodes[i];
    const NormGroup* group = pass.group_of(i);
    if (group && group->end != int(i)) continue;  // the group's end runs it
    if (pooled_in_blocks(pass, i)) continue;      // its pool runs it
    AllocLabel label("output", &node.name);
    if (group) {
      values[i].value = run_group(*group, pass, values, chain);
    } else if (node.kind != Kind::kInput) {
      const WorkScope work({name_of(node.kind), &node.name});
      values[i] = run_node(i, pass, values);
      if (room_of(node.kind).remade_from_input) (*chain)[i] = (*chain)[size_t(node.inputs[0])];
    }
    if (pass.context.tap) pass.context.tap(node, materialize(values[i]));
    if (out) take_outputs(spec, pass.context, int(i), values[i], out);
    for (int j : pass.plan.last_reads(i, grouped)) values[size_t(j)] = {};  // what backward needs, the graph holds
  }
}

namespace {

// Groups in which somebody wants a value.
List<bool> split_groups(const Plan& plan, const Context& context) {
  List<bool> split(plan.norm_groups().size(), false);
  for (int wanted : context.wanted) {
    if (wanted < 0 || size_t(wanted) >= plan.size())
      throw Error("model: there is no node " + std::to_string(wanted) + " whose value could be wanted");
    for (size_t g = 0; g < split.size(); ++g) {
      const NormGroup& group = plan.norm_groups()[g];
      for (int i : {group.conv, group.pool, group.pre, group.norm, group.add, group.post})
        if (i == wanted && i != group.end) split[g] = true;
    }
  }
  return split;
}

void check_segment(const Plan& plan, const Context& context, const Segment& s) {
  const auto inside = [&](int i) { return i > s.begin && i < s.end; };
  for (const auto* nodes : {&context.wanted})
    for (int i : *nodes)
      if (inside(i))
        throw Error("model: the value of " + plan.spec().nodes[size_t(i)].name +
                    " is wanted, and lies in a segment that is computed again");
  for (int i : plan.spec().extra_outputs)
    if (inside(i)) throw Error("model: an output lies in a segment that is computed again");
}

Outputs run_forward(const Plan& plan, const Parameters& parameters, Parameters* moving, const Input& input,
                    const Context& context) {
  const Tensor& x = input.x;
  const InputConfig& in = plan.input();
  if (x.rank() != 4 || x.dim(1) != in.h || x.dim(2) != in.w || x.dim(3) != in.c)
    throw Error("model: the net takes " + to_string(Shape{x.rank() ? x.dim(0) : 0, in.h, in.w, in.c}) +
                ", the input is " + to_string(x.shape()));
  const bool bytes = x.dtype() == DType::kU8 && parameters.dtype() == DType::kF32;
  if (x.dtype() != parameters.dtype() && !bytes)
    throw Error(std::string("model: the net is ") + name_of(parameters.dtype()) + ", the input " + name_of(x.dtype()));
  if (bytes && !input.byte_values.defined()) throw Error("model: an input of bytes, and no values of bytes");
  if (context.batch_statistics && !moving) throw Error("model: batch statistics move parameters, which are const here");

  List<Quantized> values(plan.size());
  List<int> chain(plan.size(), 0);
  Outputs out;
  out.extra.resize(plan.spec().extra_outputs.size());
  out.wanted.resize(context.wanted.size());
  List<bool> split;
  if (!context.wanted.empty()) split = split_groups(plan, context);
  const Pass pass{plan,  parameters.binding(plan),        context, input.byte_values, x.dim(0), nullptr,
                  false, split.empty() ? nullptr : &split};
  values[0].value = pass.fused() ? x : pass.real(x);
  int next = 0;
  if (pass.fused())
    for (const Segment& s : context.recompute) {
      check_segment(plan, context, s);
      run_nodes(next, s.begin, pass, &values, &chain, &out);
      values[size_t(s.end)].value = run_segment(pass, s, values[size_t(s.begin)]);
      take_outputs(plan.spec(), context, s.end, values[size_t(s.end)], &out);
      values[size_t(s.begin)] = {};
      next = s.end + 1;
    }
  run_nodes(next, int(plan.size()) - 1, pass, &values, &chain, &out);
  out.scores = values.back().value;
  return out;
}

}  // namespace

Outputs forward(const Plan& plan, Parameters& parameters, const Input& input, const Context& context) {
  return run_forward(plan, parameters, &parameters, input, context);
}
Outputs forward(const Plan& plan, const Parameters& parameters, const Input& input, const Context& context) {
  return run_forward(plan, parameters, nullptr, input, context);
}

SumOrder evaluation_order(const NetSpec& spec) {
  for (const NodeSpec& node : spec.nodes) {
    if (const auto* q = std::get_if<QuantizeConfig>(&node.config); q && q->quant.scheme != Scheme::kNone)
      return SumOrder::kCanonical;
    if (const QuantSpec* w = weight_quant(node); w && w->scheme != Scheme::kNone) return SumOrder::kCanonical;
  }
  return SumOrder::kAny;
}

}  // namespace bantam
