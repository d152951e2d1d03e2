// NetSpec <-> JSON. Each config has one list of its members (tests/lint.sh holds them against each other), which drives
// writing, reading, and the refusal of keys that nobody knows: a file that means more than we understand must not load
// silently.
#include "core/fields_json.h"
#include "core/tensor.h"
#include "nn/net_spec.h"

namespace bantam {
namespace {

constexpr size_t kMaxNodes = 10000;

// The members of each config, in the order in which they are written. Ranges are infer_shapes' matter.
void fields(InputConfig& c, FieldList& f) {
  f.add("h", &c.h, "rows of an image");
  f.add("w", &c.w, "columns of an image");
  f.add("c", &c.c, "channels of an image");
}
void fields(QuantSpec& q, const std::string& name, FieldList& f) {
  f.add((name + ".scheme").c_str(), &q.scheme, "codebook");
  f.add((name + ".surrogate").c_str(), &q.surrogate, "what stands in for the quantizer's gradient");
  f.add((name + ".bits").c_str(), &q.bits, "bits of a code, of schemes that take any number", between(1, kMaxQuantBits))
      .without_effect_at(int64_t(2));
  f.add((name + ".granularity").c_str(), &q.granularity, "which weights share a scale")
      .without_effect_at(std::string(name_of(Granularity::kLayer)));
  f.add((name + ".scale").c_str(), &q.scale, "where the scale comes from")
      .without_effect_at(std::string(name_of(ScaleRule::kNone)));
  f.add((name + ".low").c_str(), &q.low, "least of the values that codes reach", between(-1e30, 1e30))
      .without_effect_at(0.0);
  f.add((name + ".high").c_str(), &q.high, "largest of them", between(0, 1e30)).without_effect_at(0.0);
  f.add((name + ".set").c_str(), &q.set, "which set of learned scales or ranges", between(0, 1023))
      .without_effect_at(int64_t(0));
}
void fields(ConvConfig& c, FieldList& f) {
  f.add("out_channels", &c.out_channels, "channels of the output");
  f.add("kernel_h", &c.kernel_h, "rows of the window");
  f.add("kernel_w", &c.kernel_w, "columns of the window");
  f.add("stride_h", &c.stride_h, "rows from window to window");
  f.add("stride_w", &c.stride_w, "columns from window to window");
  f.add("pad_h", &c.pad_h, "rows of padding above, and below");
  f.add("pad_w", &c.pad_w, "columns of padding on the left, and on the right");
  f.add("dilation_h", &c.dilation_h, "rows from product to product");
  f.add("dilation_w", &c.dilation_w, "columns from product to product");
  f.add("groups", &c.groups, "groups of channels");
  f.add("bias", &c.bias, "a number a channel is added");
  fields(c.weight, "weight_quant", f);
  f.add("pad_value", &c.pad_value, "what the padding of a binary convolution holds: 0, 1 or -1");
}
void fields(LinearConfig& c, FieldList& f) {
  f.add("out_features", &c.out_features, "features of the output");
  f.add("bias", &c.bias, "a number a feature is added");
  fields(c.weight, "weight_quant", f);
}
void fields(BatchNormConfig& c, FieldList& f) {
  f.add("eps", &c.eps, "added to the variance");
  f.add("momentum", &c.momentum, "weight of a batch in the running mean and variance");
  f.add("set", &c.set, "which set of weight, bias and statistics").without_effect_at(int64_t(0));
}
void fields(PReluConfig& c, FieldList& f) {
  f.add("slopes", &c.slopes, "1, or the number of channels");
  f.add("init", &c.init, "slope at the start of training");
  f.add("parameter", &c.parameter, "name of the slope; nodes that give the same name share it");
}
void fields(PoolConfig& c, FieldList& f) {
  f.add("kernel_h", &c.kernel_h, "rows of the window");
  f.add("kernel_w", &c.kernel_w, "columns of the window");
  f.add("stride_h", &c.stride_h, "rows from window to window");
  f.add("stride_w", &c.stride_w, "columns from window to window");
  f.add("pad_h", &c.pad_h, "rows of padding above, and below");
  f.add("pad_w", &c.pad_w, "columns of padding on the left, and on the right");
}
void fields(AdaptivePoolConfig& c, FieldList& f) {
  f.add("out_h", &c.out_h, "rows of the output");
  f.add("out_w", &c.out_w, "columns of the output");
}
void fields(QuantizeConfig& c, FieldList& f) { fields(c.quant, "quant", f); }
void fields(InputScaleConfig& c, FieldList& f) {
  f.add("kernel_h", &c.kernel_h, "rows of the window");
  f.add("kernel_w", &c.kernel_w, "columns of the window");
  f.add("stride_h", &c.stride_h, "rows from window to window");
  f.add("stride_w", &c.stride_w, "columns from window to window");
  f.add("pad_h", &c.pad_h, "rows of padding above, and below");
  f.add("pad_w", &c.pad_w, "columns of padding on the left, and on the right");
  f.add("dilation_h", &c.dilation_h, "rows from value to value");
  f.add("dilation_w", &c.dilation_w, "columns from value to value");
}
void fields(DropoutConfig& c, FieldList& f) { f.add("p", &c.p, "probability that a value is dropped"); }
void fields(NoConfig&, FieldList&) {}

FieldList fields(Config& config) {
  FieldList list;
  std::visit([&](auto& c) { fields(c, list); }, config);
  return list;
}

Init read_init(const std::string& name) {
  if (const auto init = from_name<Init>(name)) return *init;
  throw JsonError("unknown init '" + name + "'");
}

std::vector<int> read_indices(const Json& json) {
  std::vector<int> all;
  for (const Json& in : json.as_array()) {
    const int64_t i = in.as_int();
    if (i < 0 || i >= int64_t(kMaxNodes)) throw JsonError("input " + std::to_string(i) + " is not a node");
    all.push_back(int(i));
  }
  return all;
}

Json indices_json(const std::vector<int>& indices) {
  Json all = Json::array();
  for (int i : indices) all.push(i);
  return all;
}

NodeSpec read_node(const Json& json) {
  NodeSpec node;
  node.name = json.at("name").as_string();
  const std::string& kind = json.at("kind").as_string();
  if (!kind_from_name(kind, &node.kind)) throw JsonError("unknown kind '" + kind + "'");
  node.inputs = read_indices(json.at("inputs"));
  node.config = default_config(node.kind);
  FieldList list = fields(node.config);
  read_fields(&list, json, {"name", "kind", "inputs"});
  return node;
}

}  // namespace

std::string to_json(const NetSpec& spec) {
  Json nodes = Json::array();
  for (const NodeSpec& node : spec.nodes) {
    Json json =
        Json::object({{"name", node.name}, {"kind", name_of(node.kind)}, {"inputs", indices_json(node.inputs)}});
    Config config = node.config;
    write_fields(fields(config), &json);
    nodes.push(std::move(json));
  }
  Json json = Json::object({{"schema", 1}, {"classes", spec.classes}});
  if (spec.init != Init::kFanIn) json.set("init", name_of(spec.init));  // the usual one is not written
  if (!spec.extra_outputs.empty()) json.set("extra_outputs", indices_json(spec.extra_outputs));
  json.set("nodes", std::move(nodes));
  return json.dump();
}

NetSpec net_spec_from_json(const std::string& text) {
  NetSpec spec;
  size_t index = 0;
  bool in_nodes = false;
  try {
    const Json json = Json::parse(text);
    FieldList none;
    read_fields(&none, json, {"schema", "classes", "init", "extra_outputs", "nodes"});
    if (json.at("schema").as_int() != 1)
      throw JsonError("schema " + std::to_string(json.at("schema").as_int()) + " is not known");
    spec.classes = json.at("classes").as_int();
    if (const Json* init = json.find("init")) spec.init = read_init(init->as_string());
    if (const Json* extra = json.find("extra_outputs")) spec.extra_outputs = read_indices(*extra);
    const auto& nodes = json.at("nodes").as_array();
    if (nodes.size() > kMaxNodes) throw JsonError(std::to_string(nodes.size()) + " nodes are too many");
    in_nodes = true;
    for (; index < nodes.size(); ++index) spec.nodes.push_back(read_node(nodes[index]));
  } catch (const JsonError& e) {
    throw Error("net: " + (in_nodes ? "node " + std::to_string(index) + ": " : std::string()) + e.what());
  }
  infer_shapes(spec);
  return spec;
}

}  // namespace bantam
