// What a net learns: which parameters its nodes declare, the values they start from, and where a plan finds them.
#include "nn/parameters.h"

#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "nn/kinds/kind.h"
#include "nn/plan.h"
#include "ops/batch_norm.h"
#include "ops/quant/learned_scale.h"
#include "ops/quant/range.h"

namespace bantam {
namespace {

void fill(Tensor& t, uint64_t seed, const std::string& name, const Initial& initial) {
  const Rng rng(seed, kRngInit, stream_of(name));
  const bool normal = initial.rule == Initial::kNormal;
  const double scale = initial.scale;
  auto write = [&]<class T>(T* p) {
    parallel_for(t.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i)
        p[i] = T(float(scale * (normal ? rng.normal(uint64_t(i)) : 2 * rng.uniform64(uint64_t(i)) - 1)));
    });
  };
  if (t.dtype() == DType::kF64)
    write(t.mutable_data<double>());
  else
    write(t.mutable_data<float>());
}

// Whether `part` lies within `whole`, both from the first element of each dimension on.
bool leads(const Shape& part, const Shape& whole) {
  if (part.rank != whole.rank) return false;
  for (int i = 0; i < part.rank; ++i)
    if (part[i] > whole[i]) return false;
  return true;
}

// The shape of a parameter whose columns are an image is that of the image, so that its channels can be told apart.
Shape channel_shape(const Shape& shape, const FileLayout& layout) {
  return layout.kind == FileLayout::kFlattened ? Shape{shape[0], layout.h, layout.w, layout.c} : shape;
}

// Makes `all` large enough for `p`, too.
void widen(ParameterSpec* all, const ParameterSpec& p) {
  const Shape a = channel_shape(all->shape, all->layout), b = channel_shape(p.shape, p.layout);
  if (a.rank != b.rank || all->layout.kind != p.layout.kind)
    throw Error("net: " + p.name + " is shared by nets that do not fit: " + to_string(all->shape) + " and " +
                to_string(p.shape));
  // The start is that of the larger net, whose spread is the smaller one.
  if (p.initial.rule == all->initial.rule && p.initial.rule != Initial::kConstant)
    all->initial.scale = std::min(all->initial.scale, p.initial.scale);
  if (leads(b, a)) return;
  Shape most = a;
  for (int i = 0; i < a.rank; ++i) most[i] = std::max(a[i], b[i]);
  if (p.layout.kind == FileLayout::kFlattened) {
    all->layout = {FileLayout::kFlattened, most[1], most[2], most[3]};
    all->shape = {most[0], most[1] * most[2] * most[3]};
  } else {
    all->shape = most;
    if (p.layout.kind == FileLayout::kConv) all->layout = {FileLayout::kConv, most[1], most[2], most[3]};
  }
}

}  // namespace

std::string quant_name(const NodeSpec& node, const char* what, const QuantSpec& quant) {
  return node.name + "." + what + (quant.set == 0 ? "" : ".set" + std::to_string(quant.set));
}

Initial initial_bias(Init init, int64_t fan_in) {
  if (init == Init::kSmallNormal) return {Initial::kConstant, 0};
  return {Initial::kUniform, 1 / std::sqrt(double(fan_in))};
}

std::vector<NodeParameters> node_parameters(const NetSpec& spec, const std::vector<Shape>& shapes) {
  std::vector<NodeParameters> all(spec.nodes.size());
  std::map<std::string, const ParameterSpec*> known;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    const KindRoom& room = room_of(spec.nodes[i].kind);
    if (!room.parameters) continue;
    all[i] = room.parameters({spec, i, shapes});
    for (const ParameterSpec& p : all[i].of) {
      if (p.name.empty()) continue;
      const auto [it, is_new] = known.emplace(p.name, &p);
      if (is_new) continue;
      if (!p.shared || !it->second->shared) throw Error("net: two parameters named " + p.name);
      if (!(p.shape == it->second->shape))
        throw Error("net: " + spec.nodes[i].name + ": " + p.name + " is shared, with another size");
    }
  }
  return all;
}

Parameters::Parameters(std::span<const NetSpec> specs, DType dtype) : dtype_(dtype) {
  std::vector<const std::string*> order;
  std::map<std::string, int64_t> norms;
  std::map<std::string, const std::string*> labels, ranges;
  for (const NetSpec& spec : specs) {
    const std::vector<NodeParameters> nodes = node_parameters(spec, infer_shapes(spec));
    for (size_t i = 0; i < nodes.size(); ++i) {
      for (const ParameterSpec& p : nodes[i].of) {
        if (p.name.empty()) continue;
        const auto [it, is_new] = specs_.emplace(p.name, p);
        if (!is_new) {
          widen(&it->second, p);
          continue;
        }
        order.push_back(&it->first);
        labels[p.name] = &spec.nodes[i].name;
      }
      if (!nodes[i].range.empty()) ranges.emplace(nodes[i].range, &spec.nodes[i].name);
      if (nodes[i].norm.empty()) continue;
      int64_t& channels = norms[nodes[i].norm];
      channels = std::max(channels, nodes[i].norm_channels);
      labels.emplace(nodes[i].norm, &spec.nodes[i].name);
    }
  }
  for (const std::string* name : order) {
    const ParameterSpec& p = specs_.at(*name);
    const AllocLabel label("parameter", labels.at(*name));
    auto made = std::make_unique<Parameter>(p.name, Tensor::zeros(p.shape, dtype_), p.decay);
    all_.push_back(made.get());
    parameters_.emplace(p.name, std::move(made));
  }
  for (const auto& [name, channels] : norms) {
    const AllocLabel label("parameter", labels.at(name));
    norms_[name] = std::make_unique<NormStatistics>(
        NormStatistics{Tensor::zeros({channels}, dtype_), Tensor::full({channels}, 1, dtype_), 0});
  }
  for (const auto& [name, node] : ranges) {
    const AllocLabel label("parameter", node);
    ranges_[name] = std::make_unique<Tensor>(Tensor::zeros({2}, dtype_));
  }
}

Parameters::~Parameters() = default;

Parameter* Parameters::find(const std::string& name) const {
  const auto it = parameters_.find(name);
  return it == parameters_.end() ? nullptr : it->second.get();
}

int64_t Parameters::count() const {
  int64_t n = 0;
  for (const Parameter* p : all_) n += p->value.size();
  return n;
}

void Parameters::initialize(uint64_t seed) {
  for (Parameter* p : all_) {
    const Initial& initial = specs_.at(p->name).initial;
    if (initial.rule == Initial::kConstant)
      p->value = Tensor::full(p->value.shape(), initial.scale, dtype_);
    else
      fill(p->value, seed, p->name, initial);
  }
  for (auto& [name, norm] : norms_) {
    const Shape channels = norm->mean.shape();
    *norm = {Tensor::zeros(channels, dtype_), Tensor::full(channels, 1, dtype_), 0};
  }
  for (auto& [name, range] : ranges_) *range = Tensor::zeros({2}, dtype_);
  for (const Parameter* p : all_)
    if (is_scale(*p)) start_scale(p->name);
}

void Parameters::start_scale(const std::string& name) {
  const ParameterSpec& spec = specs_.at(name);
  Parameter* scale = find(name);
  const Parameter* weight = spec.scale_of.empty() ? nullptr : find(spec.scale_of);
  scale->value = weight ? first_weight_scale(weight->value, spec.quant) : Tensor::zeros(scale->value.shape(), dtype_);
}

bool Parameters::is_scale(const Parameter& p) const { return specs_.at(p.name).is_scale(); }

bool Parameters::is_of_quantizer(const std::string& name) const {
  const auto it = specs_.find(name);
  return it == specs_.end() ? ranges_.count(name) == 1 : it->second.is_scale();
}

QuantSpec Parameters::fixed_quant(const NodeSpec& node) const {
  const QuantSpec& quant = std::get<QuantizeConfig>(node.config).quant;
  if (has_running_range(quant, Operand::kActivation))
    return with_range(quant, running_range(*ranges_.at(quant_name(node, "running_range", quant)), quant));
  if (has_learned_scale(quant, Operand::kActivation))
    return with_scale(quant, find(quant_name(node, "scale", quant))->value.item());
  return quant;
}

Parameters::NormAffine Parameters::norm_affine(const NodeSpec& node) const {
  const std::string name = norm_name(node);
  const auto it = norms_.find(name);
  if (it == norms_.end()) throw Error("parameters: no norm " + name);
  const double eps = std::get<BatchNormConfig>(node.config).eps;
  const Tensor &gamma = find(name + ".weight")->value, &beta = find(name + ".bias")->value;
  NormAffine a;
  for (int64_t c = 0; c < gamma.size(); ++c) {
    const NormFold fold = fold_norm(gamma.at(c), beta.at(c), it->second->mean.at(c), it->second->var.at(c), eps);
    a.scale.push_back(float(fold.scale));
    a.shift.push_back(float(fold.shift));
  }
  return a;
}

// A plan that was seen, and where its nodes find what they need.
struct Parameters::Bound {
  std::weak_ptr<const Plan::Made> plan;
  const Plan::Made* made;
  Binding nodes;
};

const Binding& Parameters::binding(const Plan& plan) const {
  for (const auto& b : bound_)
    if (b->made == plan.made_.get() && !b->plan.expired()) return b->nodes;
  std::erase_if(bound_, [](const auto& b) { return b->plan.expired(); });
  auto bound = std::make_unique<Bound>(Bound{plan.made_, plan.made_.get(), Binding(plan.size())});
  for (size_t i = 0; i < plan.size(); ++i) {
    const NodeParameters& wanted = plan.parameters(i);
    BoundNode& node = bound->nodes[i];
    for (size_t r = 0; r < kRoles; ++r) {
      const ParameterSpec& want = wanted.of[r];
      if (want.name.empty()) continue;
      const auto it = specs_.find(want.name);
      if (it == specs_.end()) throw Error("plan: there is no parameter " + want.name);
      const Shape part = channel_shape(want.shape, want.layout),
                  all = channel_shape(it->second.shape, it->second.layout);
      if (!leads(part, all) || want.layout.kind != it->second.layout.kind)
        throw Error("plan: " + want.name + " is " + to_string(it->second.shape) + ", the plan takes " +
                    to_string(want.shape));
      node.of[r] = {find(want.name), part, part == all, all, want.shape};
    }
    if (!wanted.range.empty()) node.range = ranges_.at(wanted.range).get();
    if (wanted.norm.empty()) continue;
    node.norm = norms_.at(wanted.norm).get();
    node.norm_channels = wanted.norm_channels;
  }
  bound_.push_back(std::move(bound));
  return bound_.back()->nodes;
}

}  // namespace bantam
