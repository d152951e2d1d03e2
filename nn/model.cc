// What a net consists of: its parameters and statistics.
#include "nn/model.h"

#include "ops/batch_norm.h"

namespace bantam {

Model::Model(NetSpec spec, DType dtype) : spec_(std::move(spec)), dtype_(dtype) {
  shapes_ = infer_shapes(spec_);
  constexpr FileLayout kPlain{FileLayout::kSame, 1, 1, 1};
  real_value_used_.assign(spec_.nodes.size(), false);
  cheap_before_pool_.assign(spec_.nodes.size(), false);
  norm_groups_ = find_norm_groups(spec_, shapes_);
  plan_reads();
  std::vector<int> readers(spec_.nodes.size(), 0);
  for (const NodeSpec& node : spec_.nodes)
    for (int j : node.inputs) ++readers[size_t(j)];
  for (size_t i = 0; i < spec_.nodes.size(); ++i) {
    const NodeSpec& node = spec_.nodes[i];
    AllocLabel label("parameter", &node.name);
    for (int j : node.inputs)
      if (!is_binary_layer(spec_, int(i))) real_value_used_[size_t(j)] = true;
    if (node.kind == Kind::kMaxPool) {
      const size_t conv = size_t(node.inputs[0]);
      cheap_before_pool_[conv] =
          spec_.nodes[conv].kind == Kind::kConv && readers[conv] == 1 && is_cheap(spec_, shapes_, int(conv));
    }
    const Shape in = node.inputs.empty() ? Shape{} : shapes_[size_t(node.inputs[0])];
    if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
      add_parameter(node.name + ".weight", {c->out_channels, c->kernel_h, c->kernel_w, in[3] / c->groups}, true,
                    {FileLayout::kConv, c->kernel_h, c->kernel_w, in[3] / c->groups});
      if (c->bias) add_parameter(node.name + ".bias", {c->out_channels}, false, kPlain);
    } else if (const auto* l = std::get_if<LinearConfig>(&node.config)) {
      FileLayout layout = kPlain;
      const NodeSpec& source = spec_.nodes[size_t(node.inputs[0])];
      if (source.kind == Kind::kFlatten) {
        const Shape& image = shapes_[size_t(source.inputs[0])];
        if (image.rank == 4) layout = {FileLayout::kFlattened, image[1], image[2], image[3]};
      }
      add_parameter(node.name + ".weight", {l->out_features, in[1]}, true, layout);
      if (l->bias) add_parameter(node.name + ".bias", {l->out_features}, false, kPlain);
    } else if (node.kind == Kind::kBatchNorm) {
      const Shape channels{in[-1]};
      add_parameter(node.name + ".weight", channels, false, kPlain);
      add_parameter(node.name + ".bias", channels, false, kPlain);
      norms_[node.name] = {Tensor::zeros(channels, dtype_), Tensor::full(channels, 1, dtype_), 0};
    } else if (const auto* p = std::get_if<PReluConfig>(&node.config)) {
      const std::string name = p->parameter + ".weight";
      if (const Parameter* shared = parameter(name)) {
        if (shared->value.size() != p->slopes)
          throw Error("net: " + node.name + ": " + name + " is shared, with another size");
      } else {
        add_parameter(name, {p->slopes}, false, kPlain);
      }
    }
  }
  for (const NodeSpec& node : spec_.nodes) {
    const auto* p = std::get_if<PReluConfig>(&node.config);
    own_.emplace_back(parameter((p ? p->parameter : node.name) + ".weight"),
                      p ? nullptr : parameter(node.name + ".bias"));
  }
}

Parameter& Model::add_parameter(const std::string& name, const Shape& shape, bool decay, FileLayout layout) {
  auto [it, is_new] = parameters_.emplace(name, nullptr);
  if (!is_new) throw Error("net: two parameters named " + name);
  it->second = std::make_unique<Parameter>(name, Tensor::zeros(shape, dtype_), decay);
  parameter_list_.push_back(it->second.get());
  if (layout.kind != FileLayout::kSame) layouts_[name] = layout;
  return *it->second;
}

Parameter* Model::parameter(const std::string& name) const {
  const auto it = parameters_.find(name);
  return it == parameters_.end() ? nullptr : it->second.get();
}

Model::NormAffine Model::norm_affine(const std::string& name) const {
  const auto it = norms_.find(name);
  if (it == norms_.end()) throw Error("model: no norm " + name);
  double eps = 0;
  for (const NodeSpec& node : spec_.nodes)
    if (node.name == name) eps = std::get<BatchNormConfig>(node.config).eps;
  const Tensor &gamma = parameter(name + ".weight")->value, &beta = parameter(name + ".bias")->value;
  NormAffine a;
  for (int64_t c = 0; c < gamma.size(); ++c) {
    const NormFold fold =
        fold_norm(gamma.at(c), beta.at(c), it->second.running_mean.at(c), it->second.running_var.at(c), eps);
    a.scale.push_back(float(fold.scale));
    a.shift.push_back(float(fold.shift));
  }
  return a;
}

SumOrder evaluation_order(const NetSpec& spec) {
  for (const NodeSpec& node : spec.nodes) {
    if (const auto* q = std::get_if<QuantizeConfig>(&node.config); q && q->quant.scheme != Scheme::kNone)
      return SumOrder::kCanonical;
    if (const auto* c = std::get_if<ConvConfig>(&node.config); c && c->weight.scheme != Scheme::kNone)
      return SumOrder::kCanonical;
    if (const auto* l = std::get_if<LinearConfig>(&node.config); l && l->weight.scheme != Scheme::kNone)
      return SumOrder::kCanonical;
  }
  return SumOrder::kAny;
}

}  // namespace bantam
