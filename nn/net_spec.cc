#include "nn/net_spec.h"

#include <set>

#include "core/tensor.h"

namespace bantam {
namespace {

struct KindName {
  Kind kind;
  const char* name;
  int inputs;  // -1: two or more
};
constexpr KindName kKinds[] = {
    {Kind::kInput, "input", 0},
    {Kind::kConv, "conv", 1},
    {Kind::kLinear, "linear", 1},
    {Kind::kBatchNorm, "batch_norm", 1},
    {Kind::kRelu, "relu", 1},
    {Kind::kPRelu, "prelu", 1},
    {Kind::kHardtanh, "hardtanh", 1},
    {Kind::kSigmoid, "sigmoid", 1},
    {Kind::kTanh, "tanh", 1},
    {Kind::kSoftmax, "softmax", 1},
    {Kind::kMaxPool, "max_pool", 1},
    {Kind::kAvgPool, "avg_pool", 1},
    {Kind::kGlobalAvgPool, "global_avg_pool", 1},
    {Kind::kAdaptiveAvgPool, "adaptive_avg_pool", 1},
    {Kind::kAdd, "add", 2},
    {Kind::kMul, "mul", 2},
    {Kind::kConcat, "concat", -1},
    {Kind::kFlatten, "flatten", 1},
    {Kind::kQuantize, "quantize", 1},
    {Kind::kDropout, "dropout", 1},
};

constexpr int64_t kMaxDim = 1 << 24;       // of any one dimension of a net read from a file
constexpr int64_t kMaxElements = 1ll << 31;  // of any one tensor, for a batch of one

[[noreturn]] void fail(const NodeSpec& node, const std::string& what) {
  throw Error("net: " + node.name + " (" + name_of(node.kind) + "): " + what);
}

template <class C> const C& config_of(const NodeSpec& node) {
  const C* c = std::get_if<C>(&node.config);
  if (!c) fail(node, "its config is of another kind");
  return *c;
}

void check_range(const NodeSpec& node, const char* what, int64_t v, int64_t lo, int64_t hi) {
  if (v < lo || v > hi)
    fail(node, std::string(what) + " is " + std::to_string(v) + ", must be " + std::to_string(lo) + " to " +
                   std::to_string(hi));
}

// Output size along one axis of a window that slides; fails where it is larger than its padded input.
int64_t slide(const NodeSpec& node, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  check_range(node, "kernel size", kernel, 1, 1024);
  check_range(node, "stride", stride, 1, 1024);
  check_range(node, "padding", pad, 0, 1024);
  check_range(node, "dilation", dilation, 1, 1024);
  const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
  if (span < 0) fail(node, "the kernel is larger than its padded input");
  return span / stride + 1;
}

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
  auto need_image = [&](const Shape& s) {
    if (s.rank != 4) fail(node, "needs an image, gets " + to_string(s));
  };
  switch (node.kind) {
    case Kind::kInput: {
      const auto& c = config_of<InputConfig>(node);
      check_range(node, "height", c.h, 1, kMaxDim);
      check_range(node, "width", c.w, 1, kMaxDim);
      check_range(node, "channels", c.c, 1, kMaxDim);
      return {n, c.h, c.w, c.c};
    }
    case Kind::kConv: {
      const auto& c = config_of<ConvConfig>(node);
      need_image(in[0]);
      check_range(node, "out_channels", c.out_channels, 1, kMaxDim);
      check_range(node, "groups", c.groups, 1, kMaxDim);
      check_range(node, "pad_value", c.pad_value, -1, 1);
      if (in[0][3] % c.groups || c.out_channels % c.groups)
        fail(node, std::to_string(in[0][3]) + " input and " + std::to_string(c.out_channels) +
                       " output channels do not divide into " + std::to_string(c.groups) + " groups");
      return {n, slide(node, in[0][1], c.kernel_h, c.stride_h, c.pad_h, c.dilation_h),
              slide(node, in[0][2], c.kernel_w, c.stride_w, c.pad_w, c.dilation_w), c.out_channels};
    }
    case Kind::kLinear: {
      const auto& c = config_of<LinearConfig>(node);
      if (in[0].rank != 2) fail(node, "needs features [N,F], gets " + to_string(in[0]));
      check_range(node, "out_features", c.out_features, 1, kMaxDim);
      return {n, c.out_features};
    }
    case Kind::kMaxPool:
    case Kind::kAvgPool: {
      const auto& c = config_of<PoolConfig>(node);
      need_image(in[0]);
      if (c.pad_h >= c.kernel_h || c.pad_w >= c.kernel_w) fail(node, "padding must be smaller than the kernel");
      return {n, slide(node, in[0][1], c.kernel_h, c.stride_h, c.pad_h, 1),
              slide(node, in[0][2], c.kernel_w, c.stride_w, c.pad_w, 1), in[0][3]};
    }
    case Kind::kGlobalAvgPool: need_image(in[0]); return {n, in[0][3]};
    case Kind::kAdaptiveAvgPool: {
      const auto& c = config_of<AdaptivePoolConfig>(node);
      need_image(in[0]);
      check_range(node, "out_h", c.out_h, 1, 1024);
      check_range(node, "out_w", c.out_w, 1, 1024);
      return {n, c.out_h, c.out_w, in[0][3]};
    }
    case Kind::kFlatten: {
      int64_t f = 1;
      for (int i = 1; i < in[0].rank; ++i) f *= in[0][i];
      return {n, f};
    }
    case Kind::kAdd:
    case Kind::kMul:
      if (!(in[0] == in[1])) fail(node, "inputs " + to_string(in[0]) + " and " + to_string(in[1]) + " differ");
      return in[0];
    case Kind::kConcat: {
      Shape s = in[0];
      for (size_t i = 1; i < in.size(); ++i) {
        Shape t = in[i];
        if (t.rank != s.rank) fail(node, "inputs " + to_string(s) + " and " + to_string(t) + " differ in rank");
        const int64_t channels = t[-1];
        t[-1] = s[-1];
        if (!(t == s))
          fail(node, "inputs " + to_string(s) + " and " + to_string(in[i]) + " differ in more than channels");
        s[-1] += channels;
      }
      return s;
    }
    case Kind::kPRelu: {
      const auto& c = config_of<PReluConfig>(node);
      if (c.slopes != 1 && c.slopes != in[0][-1])
        fail(node, std::to_string(c.slopes) + " slopes for " + std::to_string(in[0][-1]) + " channels");
      if (c.parameter.empty()) fail(node, "its slope has no name");
      return in[0];
    }
    case Kind::kBatchNorm: {
      const auto& c = config_of<BatchNormConfig>(node);
      if (!(c.eps > 0 && c.eps < 1) || !(c.momentum >= 0 && c.momentum <= 1))
        fail(node, "eps must be in (0,1), momentum in [0,1]");
      return in[0];
    }
    case Kind::kDropout: {
      const auto& c = config_of<DropoutConfig>(node);
      if (!(c.p >= 0 && c.p < 1)) fail(node, "p must be in [0,1)");
      return in[0];
    }
    case Kind::kQuantize: config_of<QuantizeConfig>(node); return in[0];
    case Kind::kRelu:
    case Kind::kHardtanh:
    case Kind::kSigmoid:
    case Kind::kTanh:
    case Kind::kSoftmax: return in[0];
  }
  fail(node, "unknown kind");
}

}  // namespace

const char* name_of(Kind kind) {
  for (const KindName& k : kKinds)
    if (k.kind == kind) return k.name;
  return "?";
}

bool kind_from_name(const std::string& name, Kind* kind) {
  for (const KindName& k : kKinds)
    if (name == k.name) {
      *kind = k.kind;
      return true;
    }
  return false;
}

int NetSpec::find(const std::string& name) const {
  for (size_t i = 0; i < nodes.size(); ++i)
    if (nodes[i].name == name) return int(i);
  return -1;
}

std::vector<Shape> infer_shapes(const NetSpec& spec, int64_t n) {
  if (spec.nodes.empty() || spec.nodes[0].kind != Kind::kInput) throw Error("net: the first node must be the input");
  std::vector<Shape> shapes;
  std::set<std::string> names;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    const NodeSpec& node = spec.nodes[i];
    if (node.name.empty()) throw Error("net: node " + std::to_string(i) + " has no name");
    if (!names.insert(node.name).second) fail(node, "the name is taken");
    if (i > 0 && node.kind == Kind::kInput) fail(node, "there is one input, the first node");
    for (const KindName& k : kKinds)
      if (k.kind == node.kind && (k.inputs < 0 ? node.inputs.size() < 2 : node.inputs.size() != size_t(k.inputs)))
        fail(node, "has " + std::to_string(node.inputs.size()) + " inputs");
    std::vector<Shape> in;
    for (int j : node.inputs) {
      if (j < 0 || size_t(j) >= i) fail(node, "input " + std::to_string(j) + " is not an earlier node");
      in.push_back(shapes[size_t(j)]);
    }
    const Shape s = shape_of(node, in, n);
    int64_t elements = 1;
    for (int d = 1; d < s.rank; ++d) {
      check_range(node, "a dimension", s[d], 1, kMaxElements);
      if (elements > kMaxElements / s[d]) fail(node, "its output is too large: " + to_string(s));
      elements *= s[d];
    }
    shapes.push_back(s);
  }
  const Shape& out = shapes.back();
  if (out.rank != 2 || out[1] != spec.classes)
    fail(spec.nodes.back(),
         "the output is " + to_string(out) + ", the net has " + std::to_string(spec.classes) + " classes");
  return shapes;
}

NetBuilder::NetBuilder(int64_t h, int64_t w, int64_t c, int64_t classes) {
  spec_.classes = classes;
  push({"input", Kind::kInput, {}, InputConfig{h, w, c}});
}

int NetBuilder::push(NodeSpec node) {
  spec_.nodes.push_back(std::move(node));
  return int(spec_.nodes.size()) - 1;
}

int NetBuilder::conv(const std::string& name, int x, const ConvConfig& config) {
  return push({name, Kind::kConv, {x}, config});
}
int NetBuilder::linear(const std::string& name, int x, const LinearConfig& config) {
  return push({name, Kind::kLinear, {x}, config});
}
int NetBuilder::batch_norm(const std::string& name, int x, const BatchNormConfig& config) {
  return push({name, Kind::kBatchNorm, {x}, config});
}
int NetBuilder::prelu(const std::string& name, int x, const PReluConfig& config) {
  return push({name, Kind::kPRelu, {x}, config});
}
int NetBuilder::quantize(const std::string& name, int x, const QuantizeConfig& config) {
  return push({name, Kind::kQuantize, {x}, config});
}
int NetBuilder::max_pool(const std::string& name, int x, const PoolConfig& config) {
  return push({name, Kind::kMaxPool, {x}, config});
}
int NetBuilder::avg_pool(const std::string& name, int x, const PoolConfig& config) {
  return push({name, Kind::kAvgPool, {x}, config});
}
int NetBuilder::adaptive_avg_pool(const std::string& name, int x, const AdaptivePoolConfig& config) {
  return push({name, Kind::kAdaptiveAvgPool, {x}, config});
}
int NetBuilder::dropout(const std::string& name, int x, const DropoutConfig& config) {
  return push({name, Kind::kDropout, {x}, config});
}
int NetBuilder::unary(Kind kind, const std::string& name, int x) { return push({name, kind, {x}, NoConfig{}}); }
int NetBuilder::add(const std::string& name, int a, int b) { return push({name, Kind::kAdd, {a, b}, NoConfig{}}); }
int NetBuilder::mul(const std::string& name, int a, int b) { return push({name, Kind::kMul, {a, b}, NoConfig{}}); }
int NetBuilder::concat(const std::string& name, const std::vector<int>& xs) {
  return push({name, Kind::kConcat, xs, NoConfig{}});
}

NetSpec NetBuilder::build() {
  infer_shapes(spec_);
  return spec_;
}

}  // namespace bantam
