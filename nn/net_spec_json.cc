// NetSpec <-> JSON. Each config's members are listed once, and the list drives writing, reading, and the refusal of
// keys that nobody knows: a file that means more than we understand must not load silently.
#include <set>

#include "core/json.h"
#include "core/tensor.h"
#include "nn/net_spec.h"

namespace bantam {
namespace {

constexpr size_t kMaxNodes = 10000;

const char* name_of(Scheme s) { return s == Scheme::kSign ? "sign" : "none"; }
const char* name_of(Init i) { return i == Init::kSmallNormal ? "small_normal" : "fan_in"; }
const char* name_of(Surrogate s) { return s == Surrogate::kClip ? "clip" : "identity"; }

// The members of each config, in the order in which they are written.
template <class V>
void fields(InputConfig& c, V&& v) {
  v("h", c.h), v("w", c.w), v("c", c.c);
}
template <class V>
void fields(ConvConfig& c, V&& v) {
  v("out_channels", c.out_channels);
  v("kernel_h", c.kernel_h), v("kernel_w", c.kernel_w), v("stride_h", c.stride_h), v("stride_w", c.stride_w);
  v("pad_h", c.pad_h), v("pad_w", c.pad_w), v("dilation_h", c.dilation_h), v("dilation_w", c.dilation_w);
  v("groups", c.groups), v("bias", c.bias), v("weight_quant", c.weight), v("pad_value", c.pad_value);
}
template <class V>
void fields(LinearConfig& c, V&& v) {
  v("out_features", c.out_features), v("bias", c.bias), v("weight_quant", c.weight);
}
template <class V>
void fields(BatchNormConfig& c, V&& v) {
  v("eps", c.eps), v("momentum", c.momentum), v.optional("set", c.set);
}
template <class V>
void fields(PReluConfig& c, V&& v) {
  v("slopes", c.slopes), v("init", c.init), v("parameter", c.parameter);
}
template <class V>
void fields(PoolConfig& c, V&& v) {
  v("kernel_h", c.kernel_h), v("kernel_w", c.kernel_w), v("stride_h", c.stride_h), v("stride_w", c.stride_w);
  v("pad_h", c.pad_h), v("pad_w", c.pad_w);
}
template <class V>
void fields(AdaptivePoolConfig& c, V&& v) {
  v("out_h", c.out_h), v("out_w", c.out_w);
}
template <class V>
void fields(QuantizeConfig& c, V&& v) {
  v("quant", c.quant);
}
template <class V>
void fields(DropoutConfig& c, V&& v) {
  v("p", c.p);
}
template <class V>
void fields(NoConfig&, V&&) {}

struct Write {
  Json& json;
  void operator()(const char* key, int64_t v) { json.set(key, v); }
  void operator()(const char* key, int v) { json.set(key, v); }
  void operator()(const char* key, bool v) { json.set(key, v); }
  void operator()(const char* key, double v) { json.set(key, v); }
  void operator()(const char* key, const std::string& v) { json.set(key, v); }
  void optional(const char* key, int64_t v) {  // 0 is not written
    if (v) json.set(key, v);
  }
  void operator()(const char* key, const QuantSpec& v) {
    json.set(key, Json::object({{"scheme", name_of(v.scheme)}, {"surrogate", name_of(v.surrogate)}}));
  }
};

void only_keys(const Json& json, const std::set<std::string>& known) {
  for (const auto& [key, value] : json.as_object())
    if (!known.count(key)) throw JsonError("unknown key '" + key + "'");
}

struct Read {
  const Json& json;
  std::set<std::string> known;
  const Json& at(const char* key) {
    known.insert(key);
    return json.at(key);
  }
  void operator()(const char* key, int64_t& v) { v = at(key).as_int(); }
  void operator()(const char* key, int& v) {
    v = int(std::max<int64_t>(-1000, std::min<int64_t>(1000, at(key).as_int())));
  }
  void operator()(const char* key, bool& v) { v = at(key).as_bool(); }
  void operator()(const char* key, double& v) { v = at(key).as_double(); }
  void operator()(const char* key, std::string& v) { v = at(key).as_string(); }
  void optional(const char* key, int64_t& v) {
    known.insert(key);
    if (const Json* value = json.find(key)) v = value->as_int();
  }
  void operator()(const char* key, QuantSpec& v) {
    const Json& q = at(key);
    only_keys(q, {"scheme", "surrogate"});
    const std::string &scheme = q.at("scheme").as_string(), &surrogate = q.at("surrogate").as_string();
    if (scheme != "none" && scheme != "sign") throw JsonError("unknown quantization scheme '" + scheme + "'");
    if (surrogate != "identity" && surrogate != "clip") throw JsonError("unknown surrogate '" + surrogate + "'");
    v = {scheme == "sign" ? Scheme::kSign : Scheme::kNone,
         surrogate == "clip" ? Surrogate::kClip : Surrogate::kIdentity};
  }
};

Init init_from_name(const std::string& name) {
  for (Init i : {Init::kFanIn, Init::kSmallNormal})
    if (name == name_of(i)) return i;
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
  Read read{json, {"name", "kind", "inputs"}};
  std::visit([&](auto& c) { fields(c, read); }, node.config);
  only_keys(json, read.known);
  return node;
}

}  // namespace

std::string to_json(const NetSpec& spec) {
  Json nodes = Json::array();
  for (const NodeSpec& node : spec.nodes) {
    Json json =
        Json::object({{"name", node.name}, {"kind", name_of(node.kind)}, {"inputs", indices_json(node.inputs)}});
    Config config = node.config;
    std::visit([&](auto& c) { fields(c, Write{json}); }, config);
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
    only_keys(json, {"schema", "classes", "init", "extra_outputs", "nodes"});
    if (json.at("schema").as_int() != 1)
      throw JsonError("schema " + std::to_string(json.at("schema").as_int()) + " is not known");
    spec.classes = json.at("classes").as_int();
    if (const Json* init = json.find("init")) spec.init = init_from_name(init->as_string());
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
