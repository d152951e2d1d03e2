#include "nn/net_spec.h"

#include <set>

#include "core/tensor.h"
#include "nn/kinds/kind.h"

namespace bantam {
namespace {

constexpr int64_t kMaxElements = 1ll << 31;  // of any one tensor, for a batch of one

}  // namespace

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
    const KindRoom& room = room_of(node.kind);
    if (room.inputs < 0 ? node.inputs.size() < 2 : node.inputs.size() != size_t(room.inputs))
      fail(node, "has " + std::to_string(node.inputs.size()) + " inputs");
    std::vector<Shape> in;
    for (int j : node.inputs) {
      if (j < 0 || size_t(j) >= i) fail(node, "input " + std::to_string(j) + " is not an earlier node");
      in.push_back(shapes[size_t(j)]);
    }
    const Shape s = room.shape(node, in, n);
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
  std::set<int> extra;
  for (int i : spec.extra_outputs) {
    if (i <= 0 || size_t(i) + 1 >= spec.nodes.size())
      throw Error("net: extra output " + std::to_string(i) + " is no node between input and output");
    if (!extra.insert(i).second) fail(spec.nodes[size_t(i)], "is an extra output twice");
  }
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
int NetBuilder::input_scale(const std::string& name, int layer, int x, const InputScaleConfig& config) {
  return push({name, Kind::kInputScale, {layer, x}, config});
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
