#include "nn/model.h"

#include <cmath>
#include <cstring>
#include <set>
#include <string_view>

#include "core/parallel.h"
#include "core/rng.h"
#include "core/work.h"
#include "nn/batch_blocks.h"
#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/batch_norm.h"
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

PoolParams pool_params(const NodeSpec& node) {
  const auto& c = std::get<PoolConfig>(node.config);
  return {c.kernel_h, c.kernel_w, c.stride_h, c.stride_w, c.pad_h, c.pad_w};
}

// A cheap convolution whose full-size output or input is larger than this runs a few images at a time, so many that
// theirs takes about so much: small enough to be scratch, large enough for whole tasks for every thread.
constexpr int64_t kWholeBytes = int64_t(12) << 20, kBlockBytes = int64_t(4) << 20;
// A norm's output may be made again through so many norms of a residual chain, one before the other; then one is kept.
constexpr int kMaxChain = 4;

}  // namespace

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
      cheap_before_pool_[conv] = spec_.nodes[conv].kind == Kind::kConv && readers[conv] == 1 && is_cheap(spec_, shapes_, int(conv));
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
        if (shared->value.size() != p->slopes) throw Error("net: " + node.name + ": " + name + " is shared, with another size");
      } else {
        add_parameter(name, {p->slopes}, false, kPlain);
      }
    }
  }
  for (const NodeSpec& node : spec_.nodes) own_.emplace_back(parameter(node.name + ".weight"), parameter(node.name + ".bias"));
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
  const bool small_normal = spec_.init == Init::kSmallNormal;
  auto fill_bias = [&](Parameter* b, double bound) {
    if (b && small_normal)
      b->value = Tensor::zeros(b->value.shape(), dtype_);
    else if (b)
      fill(b->value, seed, b->name, false, bound);
  };
  for (const NodeSpec& node : spec_.nodes) {
    Parameter *w = parameter(node.name + ".weight"), *b = parameter(node.name + ".bias");
    if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
      const double fan_out = double(c->out_channels / c->groups * c->kernel_h * c->kernel_w);
      fill(w->value, seed, w->name, true, std::sqrt(2 / fan_out));
      fill_bias(b, 1 / std::sqrt(double(w->value.size() / c->out_channels)));
    } else if (node.kind == Kind::kLinear) {
      const double bound = 1 / std::sqrt(double(w->value.dim(1)));
      fill(w->value, seed, w->name, small_normal, small_normal ? 0.01 : bound);
      fill_bias(b, bound);
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
  auto want = [&](const std::string& name) {
    if (!seen.count(name)) report.missing.push_back(name);
  };
  for (const Parameter* p : parameter_list_) want(p->name);
  for (const auto& [name, norm] : norms_) want(name + ".running_mean"), want(name + ".running_var");
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
    const NormFold fold = fold_norm(gamma.at(c), beta.at(c), it->second.running_mean.at(c), it->second.running_var.at(c), eps);
    a.scale.push_back(float(fold.scale));
    a.shift.push_back(float(fold.shift));
  }
  return a;
}

Tensor Model::forward(const Context& context, const Tensor& x) {
  const auto& in = std::get<InputConfig>(spec_.nodes[0].config);
  if (x.rank() != 4 || x.dim(1) != in.h || x.dim(2) != in.w || x.dim(3) != in.c)
    throw Error("model: the net takes " + to_string(Shape{x.rank() ? x.dim(0) : 0, in.h, in.w, in.c}) + ", the input is " +
                to_string(x.shape()));
  if (x.dtype() != dtype_) throw Error(std::string("model: the net is ") + name_of(dtype_) + ", the input " + name_of(x.dtype()));
  std::vector<Quantized> values(spec_.nodes.size());
  std::vector<int> chain(spec_.nodes.size(), 0);
  values[0].value = x;
  const Pass pass{context, x.dim(0), nullptr, false};
  int next = 0;
  if (context.training && !context.tap)
    for (const Segment& s : context.recompute) {
      run_nodes(next, s.begin, pass, &values, &chain);
      values[size_t(s.end)].value = run_segment(s, context, values[size_t(s.begin)]);
      values[size_t(s.begin)] = {};
      next = s.end + 1;
    }
  run_nodes(next, int(spec_.nodes.size()) - 1, pass, &values, &chain);
  return values.back().value;
}

void Model::run_nodes(int first, int last, const Pass& pass, std::vector<Quantized>* all, std::vector<int>* chain) {
  std::vector<Quantized>& values = *all;
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

Tensor Model::run_group(const NormGroup& g, const Pass& pass, const std::vector<Quantized>& values, std::vector<int>* chain) {
  const NodeSpec& node = spec_.nodes[size_t(g.norm)];
  AllocLabel label("output", &node.name);
  const WorkScope work({name_of(node.kind), &node.name});
  const auto& c = std::get<BatchNormConfig>(node.config);
  NormForm form{.momentum = c.momentum, .eps = c.eps};
  Norm& norm = norms_.at(node.name);
  NormInputs in{.slope = {}, .gamma = tensor_of(size_t(g.norm), ".weight", pass), .beta = tensor_of(size_t(g.norm), ".bias", pass),
                .residual = {}};
  if (!pass.again) {
    ++norm.batches;
    in.running_mean = &norm.running_mean;
    in.running_var = &norm.running_var;
  }
  if (g.pre >= 0) {
    const auto* p = std::get_if<PReluConfig>(&spec_.nodes[size_t(g.pre)].config);
    form.pre = p ? NormPre::kPRelu : NormPre::kRelu;
    if (p) in.slope = leaf(*parameter(p->parameter + ".weight"), pass);
  }
  if (g.post >= 0) form.post = spec_.nodes[size_t(g.post)].kind == Kind::kRelu ? NormPost::kRelu : NormPost::kHardtanh;
  if (g.add >= 0) in.residual = values[size_t(g.residual)].value;

  int& length = (*chain)[size_t(g.end)];
  length = 1 + (g.add >= 0 ? (*chain)[size_t(g.residual)] : 0);
  const bool remake = length <= kMaxChain;
  if (!remake) length = 0;
  const Quantized& x = values[size_t(g.source)];
  if (g.conv < 0) return norm_act(x.value, form, in, remake);
  const size_t conv = size_t(g.conv);
  return norm_in_batch_blocks("conv_norm", block_of(conv, x.value.dim(0)), x,
                              {tensor_of(conv, ".weight", pass), tensor_of(conv, ".bias", pass)},
                              piece_of(conv, g.pool, pass.context.sums()), form, in, remake);
}

Tensor Model::leaf(const Parameter& p, const Pass& pass) { return pass.leaves ? pass.leaves->at(&p) : p.tensor(); }

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

Tensor Model::convolve(size_t index, const Quantized& x, const Tensor& weight, const Tensor& bias, SumOrder order) const {
  const auto& c = std::get<ConvConfig>(spec_.nodes[index].config);
  const Conv2dParams params{c.stride_h, c.stride_w, c.pad_h, c.pad_w, c.dilation_h, c.dilation_w, c.groups, order};
  if (is_binary_layer(spec_, int(index))) return binary_conv2d(x, weight, c.weight.surrogate, bias, params, c.pad_value);
  return conv2d(x.value, c.weight.scheme == Scheme::kSign ? sign_ste(weight, c.weight.surrogate) : weight, bias, params);
}

Piece Model::piece_of(size_t conv, int pool, SumOrder order) const {
  return [this, conv, pool, order](const Quantized& images, const std::vector<Tensor>& parameters) {
    const auto convolved = [&] {
      const WorkScope work({name_of(Kind::kConv), &spec_.nodes[conv].name});
      return convolve(conv, images, parameters[0], parameters[1], order);
    };
    if (pool < 0) return convolved();
    const WorkScope work({name_of(Kind::kMaxPool), &spec_.nodes[size_t(pool)].name});
    return max_pool(convolved(), pool_params(spec_.nodes[size_t(pool)]));
  };
}

Quantized Model::run_node(size_t index, const Pass& pass, const std::vector<Quantized>& values) {
  const Context& context = pass.context;
  const NodeSpec& node = spec_.nodes[index];
  const Quantized& in = values[size_t(node.inputs[0])];
  const Tensor& x = in.value;
  auto real = [](Tensor t) { return Quantized{std::move(t), {}, 1}; };
  switch (node.kind) {
    case Kind::kConv:
      return real(convolve(index, in, tensor_of(index, ".weight", pass), tensor_of(index, ".bias", pass),
                           context.sums()));
    case Kind::kLinear: {
      const auto& c = std::get<LinearConfig>(node.config);
      Tensor w = tensor_of(index, ".weight", pass);
      if (is_binary_layer(spec_, int(index))) return real(binary_linear(in, w, c.weight.surrogate, tensor_of(index, ".bias", pass)));
      if (c.weight.scheme == Scheme::kSign) w = sign_ste(w, c.weight.surrogate);
      return real(linear(x, w, tensor_of(index, ".bias", pass), context.training ? SumOrder::kAny : context.order));
    }
    case Kind::kBatchNorm: {
      const auto& c = std::get<BatchNormConfig>(node.config);
      Norm& norm = norms_.at(node.name);
      if (context.training) ++norm.batches;
      const Tensor gamma = tensor_of(index, ".weight", pass), beta = tensor_of(index, ".bias", pass);
      if (context.training) return real(batch_norm(x, gamma, beta, &norm.running_mean, &norm.running_var, c.momentum, c.eps));
      return real(batch_norm_eval(x, gamma, beta, norm.running_mean, norm.running_var, c.eps));
    }
    case Kind::kRelu: return real(relu(x));
    case Kind::kPRelu: return real(prelu(x, leaf(*parameter(std::get<PReluConfig>(node.config).parameter + ".weight"), pass)));
    case Kind::kHardtanh: return real(hardtanh(x));
    case Kind::kSigmoid: return real(sigmoid(x));
    case Kind::kTanh: return real(tanh(x));
    case Kind::kSoftmax: return real(softmax(x));
    case Kind::kMaxPool: {
      const size_t conv = size_t(node.inputs[0]);
      if (!context.training || context.tap || !pooled_in_blocks(conv, pass.images)) return real(max_pool(x, pool_params(node)));
      return real(in_batch_blocks("conv_max_pool", block_of(conv, pass.images), values[size_t(spec_.nodes[conv].inputs[0])],
                                  {tensor_of(conv, ".weight", pass), tensor_of(conv, ".bias", pass)},
                                  piece_of(conv, int(index), context.sums()), is_binary_layer(spec_, int(conv))));
    }
    case Kind::kAvgPool: return real(avg_pool(x, pool_params(node)));
    case Kind::kGlobalAvgPool: return real(global_avg_pool(x));
    case Kind::kAdaptiveAvgPool: {
      const auto& c = std::get<AdaptivePoolConfig>(node.config);
      return real(adaptive_avg_pool(x, c.out_h, c.out_w));
    }
    case Kind::kAdd: return real(add(x, values[size_t(node.inputs[1])].value));
    case Kind::kMul: return real(mul(x, values[size_t(node.inputs[1])].value));
    case Kind::kConcat: {
      std::vector<Tensor> parts;
      for (int j : node.inputs) parts.push_back(values[size_t(j)].value);
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
      return real(dropout(x, std::get<DropoutConfig>(node.config).p, Rng(context.seed, kRngDropout, index, uint64_t(context.step))));
    case Kind::kInput: break;
  }
  throw Error("model: " + node.name + ": kind without execution");
}

SumOrder evaluation_order(const NetSpec& spec) {
  for (const NodeSpec& node : spec.nodes) {
    if (const auto* q = std::get_if<QuantizeConfig>(&node.config); q && q->quant.scheme != Scheme::kNone) return SumOrder::kCanonical;
    if (const auto* c = std::get_if<ConvConfig>(&node.config); c && c->weight.scheme != Scheme::kNone) return SumOrder::kCanonical;
    if (const auto* l = std::get_if<LinearConfig>(&node.config); l && l->weight.scheme != Scheme::kNone) return SumOrder::kCanonical;
  }
  return SumOrder::kAny;
}

}  // namespace bantam
