#include "nn/model.h"

#include <cmath>
#include <cstring>
#include <set>

#include "core/parallel.h"
#include "core/rng.h"

namespace bantam {
namespace {

// Which stream of random numbers a parameter draws from: FNV-1a of its name, so that initial weights do not depend on the
// order of the nodes or on what else is in the net.
uint64_t name_hash(const std::string& name) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (unsigned char ch : name) h = (h ^ ch) * 0x100000001b3ull;
  return h;
}

void fill(Tensor& t, uint64_t seed, const std::string& name, bool normal, double scale) {
  const Rng rng(seed, kRngInit, name_hash(name));
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

}  // namespace

bool is_binary_layer(const NetSpec& spec, int index) {
  const NodeSpec& node = spec.nodes[size_t(index)];
  const auto* conv = std::get_if<ConvConfig>(&node.config);
  const auto* linear = std::get_if<LinearConfig>(&node.config);
  if (!conv && !linear) return false;
  if ((conv ? conv->weight : linear->weight).scheme != Scheme::kSign || (conv && conv->groups != 1)) return false;
  const auto* in = std::get_if<QuantizeConfig>(&spec.nodes[size_t(node.inputs[0])].config);
  return in && in->quant.scheme == Scheme::kSign;
}

Model::Model(NetSpec spec, DType dtype) : spec_(std::move(spec)), dtype_(dtype) {
  const std::vector<Shape> shapes = infer_shapes(spec_);
  constexpr FileLayout kPlain{FileLayout::kSame, 1, 1, 1};
  AllocLabel label("parameter");
  last_use_.assign(spec_.nodes.size(), -1);
  real_value_used_.assign(spec_.nodes.size(), false);
  for (size_t i = 0; i < spec_.nodes.size(); ++i) {
    const NodeSpec& node = spec_.nodes[i];
    for (int j : node.inputs) {
      last_use_[size_t(j)] = int(i);
      if (!is_binary_layer(spec_, int(i))) real_value_used_[size_t(j)] = true;
    }
    const Shape in = node.inputs.empty() ? Shape{} : shapes[size_t(node.inputs[0])];
    if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
      add_parameter(node.name + ".weight", {c->out_channels, c->kernel_h, c->kernel_w, in[3] / c->groups}, true,
                    {FileLayout::kConv, c->kernel_h, c->kernel_w, in[3] / c->groups});
      if (c->bias) add_parameter(node.name + ".bias", {c->out_channels}, false, kPlain);
    } else if (const auto* l = std::get_if<LinearConfig>(&node.config)) {
      FileLayout layout = kPlain;
      const NodeSpec& source = spec_.nodes[size_t(node.inputs[0])];
      if (source.kind == Kind::kFlatten) {
        const Shape& image = shapes[size_t(source.inputs[0])];
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
        if (shared->value.size() != p->slopes) throw Error("net: " + node.name + ": " + name + " is shared, with another size");
      } else {
        add_parameter(name, {p->slopes}, false, kPlain);
      }
    }
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

void Model::initialize(uint64_t seed) {
  for (const NodeSpec& node : spec_.nodes) {
    Parameter *w = parameter(node.name + ".weight"), *b = parameter(node.name + ".bias");
    if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
      const double fan_out = double(c->out_channels / c->groups * c->kernel_h * c->kernel_w);
      fill(w->value, seed, w->name, true, std::sqrt(2 / fan_out));
      if (b) fill(b->value, seed, b->name, false, 1 / std::sqrt(double(w->value.size() / c->out_channels)));
    } else if (node.kind == Kind::kLinear) {
      const double bound = 1 / std::sqrt(double(w->value.dim(1)));
      fill(w->value, seed, w->name, false, bound);
      if (b) fill(b->value, seed, b->name, false, bound);
    } else if (node.kind == Kind::kBatchNorm) {
      w->value = Tensor::full(w->value.shape(), 1, dtype_);
      b->value = Tensor::zeros(b->value.shape(), dtype_);
      norms_[node.name] = {Tensor::zeros(w->value.shape(), dtype_), Tensor::full(w->value.shape(), 1, dtype_), 0};
    } else if (const auto* p = std::get_if<PReluConfig>(&node.config)) {
      Parameter* slope = parameter(p->parameter + ".weight");
      slope->value = Tensor::full(slope->value.shape(), p->init, dtype_);
    }
  }
}

Tensor Model::to_file_layout(const std::string& name, const Tensor& t) const {
  const auto it = layouts_.find(name);
  if (it == layouts_.end()) return t.detach();
  const FileLayout& l = it->second;
  const int64_t rows = t.dim(0), hw = l.h * l.w;
  Tensor out = Tensor::empty(l.kind == FileLayout::kConv ? Shape{rows, l.c, l.h, l.w} : t.shape(), t.dtype());
  const size_t size = size_of(t.dtype());
  parallel_for(rows, 1, [&](int64_t begin, int64_t end, int) {
    const char* src = static_cast<const char*>(t.raw());
    char* dst = static_cast<char*>(out.raw());
    for (int64_t r = begin; r < end; ++r)
      for (int64_t p = 0; p < hw; ++p)
        for (int64_t c = 0; c < l.c; ++c)
          std::memcpy(dst + size_t((r * l.c + c) * hw + p) * size, src + size_t((r * hw + p) * l.c + c) * size, size);
  });
  return out;
}

Tensor Model::from_file_layout(const std::string& name, const Tensor& t) const {
  const Parameter* p = parameter(name);
  if (!p) throw Error("model: no parameter " + name);
  const auto it = layouts_.find(name);
  Shape want = p->value.shape();
  if (it != layouts_.end() && it->second.kind == FileLayout::kConv) want = {want[0], want[3], want[1], want[2]};
  if (!(t.shape() == want)) throw Error(name + ": the net has " + to_string(want) + ", the file " + to_string(t.shape()));
  if (it == layouts_.end()) return t.clone();
  const FileLayout& l = it->second;
  const int64_t rows = t.dim(0), hw = l.h * l.w;
  Tensor out = Tensor::empty(p->value.shape(), t.dtype());
  const size_t size = size_of(t.dtype());
  parallel_for(rows, 1, [&](int64_t begin, int64_t end, int) {
    const char* src = static_cast<const char*>(t.raw());
    char* dst = static_cast<char*>(out.raw());
    for (int64_t r = begin; r < end; ++r)
      for (int64_t p2 = 0; p2 < hw; ++p2)
        for (int64_t c = 0; c < l.c; ++c)
          std::memcpy(dst + size_t((r * hw + p2) * l.c + c) * size, src + size_t((r * l.c + c) * hw + p2) * size, size);
  });
  return out;
}

std::vector<NamedTensor> Model::state_dict() const {
  std::vector<NamedTensor> all;
  for (const Parameter* p : parameter_list_) all.push_back({p->name, to_file_layout(p->name, p->value)});
  for (const auto& [name, norm] : norms_) {
    all.push_back({name + ".running_mean", norm.running_mean});
    all.push_back({name + ".running_var", norm.running_var});
  }
  return all;
}

std::map<std::string, int64_t> Model::counters() const {
  std::map<std::string, int64_t> all;
  for (const auto& [name, norm] : norms_) all[name + ".num_batches_tracked"] = norm.batches;
  return all;
}

Model::LoadReport Model::load_state_dict(const std::vector<NamedTensor>& tensors, const std::map<std::string, int64_t>& counters) {
  LoadReport report;
  std::set<std::string> seen;
  for (const NamedTensor& named : tensors) {
    if (Parameter* p = parameter(named.name)) {
      p->value = from_file_layout(named.name, named.tensor).to(dtype_);
    } else {
      const size_t dot = named.name.rfind('.');
      const auto it = dot == std::string::npos ? norms_.end() : norms_.find(named.name.substr(0, dot));
      const std::string what = dot == std::string::npos ? "" : named.name.substr(dot + 1);
      if (it == norms_.end() || (what != "running_mean" && what != "running_var")) {
        report.unexpected.push_back(named.name);
        continue;
      }
      Tensor& target = what == "running_mean" ? it->second.running_mean : it->second.running_var;
      if (!(target.shape() == named.tensor.shape()))
        throw Error(named.name + ": the net has " + to_string(target.shape()) + ", the file " + to_string(named.tensor.shape()));
      target = named.tensor.clone().to(dtype_);
    }
    seen.insert(named.name);
    ++report.loaded;
  }
  for (const auto& [name, value] : counters) {
    const size_t dot = name.rfind('.');
    const auto it = dot == std::string::npos ? norms_.end() : norms_.find(name.substr(0, dot));
    if (it == norms_.end() || name.substr(dot + 1) != "num_batches_tracked")
      report.unexpected.push_back(name);
    else
      it->second.batches = value;
  }
  for (const NamedTensor& mine : state_dict())
    if (!seen.count(mine.name)) report.missing.push_back(mine.name);
  return report;
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
    const double scale = gamma.at(c) / std::sqrt(it->second.running_var.at(c) + eps);
    a.scale.push_back(float(scale));
    a.shift.push_back(float(beta.at(c) - it->second.running_mean.at(c) * scale));
  }
  return a;
}

}  // namespace bantam
