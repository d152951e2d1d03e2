#include "cmd/report/net_report.h"

#include <set>

#include "cmd/report/text.h"
#include "nn/model.h"

namespace bantam {
namespace {

void count_weights(NodeCost& n, int64_t weights, const QuantSpec& weight, int64_t bias) {
  n.weight_bits = weight.scheme == Scheme::kSign ? 1 : 32;
  n.parameters = weights + bias;
  n.parameter_bits = weights * n.weight_bits + bias * 32;
}

NodeCost node_cost(const NetSpec& spec, int index, const std::vector<Shape>& shapes, std::set<std::string>* slopes) {
  const NodeSpec& node = spec.nodes[size_t(index)];
  const Shape& out = shapes[size_t(index)];
  NodeCost n;
  n.name = node.name;
  n.kind = name_of(node.kind);
  for (int j : node.inputs) n.inputs.push_back(spec.nodes[size_t(j)].name);
  for (int i = 1; i < out.rank; ++i) n.output.dims[n.output.rank++] = out[i];
  const Shape in = node.inputs.empty() ? Shape{} : shapes[size_t(node.inputs[0])];
  if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
    const int64_t weights = c->out_channels * c->kernel_h * c->kernel_w * (in[3] / c->groups);
    count_weights(n, weights, c->weight, c->bias ? c->out_channels : 0);
    n.macs = weights * out[1] * out[2];
    n.binary_macs = is_binary_layer(spec, index);
  } else if (const auto* l = std::get_if<LinearConfig>(&node.config)) {
    const int64_t weights = l->out_features * in[1];
    count_weights(n, weights, l->weight, l->bias ? l->out_features : 0);
    n.macs = weights;
    n.binary_macs = is_binary_layer(spec, index);
  } else if (node.kind == Kind::kBatchNorm) {
    n.parameters = 2 * out[-1];
    n.parameter_bits = 32 * n.parameters;
  } else if (const auto* p = std::get_if<PReluConfig>(&node.config)) {
    if (slopes->insert(p->parameter).second) n.parameters = p->slopes;
    n.parameter_bits = 32 * n.parameters;
  }
  return n;
}

std::string size_text(const Shape& s) {
  std::string t;
  for (int i = 0; i < s.rank; ++i) t += (i ? "x" : "") + std::to_string(s[i]);
  return t;
}

}  // namespace

NetCost cost_of(const NetSpec& spec) {
  const std::vector<Shape> shapes = infer_shapes(spec);
  std::set<std::string> slopes;
  NetCost cost;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    cost.nodes.push_back(node_cost(spec, int(i), shapes, &slopes));
    const NodeCost& n = cost.nodes.back();
    cost.parameters += n.parameters;
    cost.parameter_bits += n.parameter_bits;
    (n.binary_macs ? cost.binary_macs : cost.float_macs) += n.macs;
  }
  return cost;
}

std::string cost_text(const NetCost& cost) {
  size_t name = 4, kind = 4, output = 6;
  for (const NodeCost& n : cost.nodes) {
    name = std::max(name, n.name.size());
    kind = std::max(kind, n.kind.size());
    output = std::max(output, size_text(n.output).size());
  }
  std::string out = pad_right("node", name) + "  " + pad_right("kind", kind) + "  " + pad_left("output", output) +
                    pad_left("parameters", 13) + pad_left("weights", 9) + pad_left("MACs", 14) + "\n";
  for (const NodeCost& n : cost.nodes)
    out += pad_right(n.name, name) + "  " + pad_right(n.kind, kind) + "  " + pad_left(size_text(n.output), output) +
           pad_left(n.parameters ? thousands(n.parameters) : "-", 13) +
           pad_left(n.weight_bits ? std::to_string(n.weight_bits) + " bit" : "-", 9) +
           pad_left(n.macs ? thousands(n.macs) : "-", 14) + (n.binary_macs ? "  xnor" : "") + "\n";
  out += "\nparameters       " + thousands(cost.parameters) + "\n";
  out += "as deployed      " + thousands(cost.parameter_bits) +
         " bits = " + bytes_text(uint64_t(cost.parameter_bits + 7) / 8) +
         " (1 bit a sign weight, 32 bits anything else)\n";
  out += "MACs an image    " + thousands(cost.float_macs + cost.binary_macs) + ": " + thousands(cost.float_macs) +
         " float, " + thousands(cost.binary_macs) + " binary (convolutions and linear layers)\n";
  return out;
}

Json cost_json(const NetCost& cost) {
  Json nodes = Json::array();
  for (const NodeCost& n : cost.nodes) {
    Json shape = Json::array();
    for (int i = 0; i < n.output.rank; ++i) shape.push(n.output[i]);
    Json inputs = Json::array();
    for (const std::string& input : n.inputs) inputs.push(input);
    Json weight_bits;  // null for a node without weights; g++ 12 at -O1 warns of a conditional expression here
    if (n.weight_bits) weight_bits = n.weight_bits;
    nodes.push(Json::object({{"name", n.name},
                             {"kind", n.kind},
                             {"inputs", inputs},
                             {"output", shape},
                             {"parameters", n.parameters},
                             {"parameter_bits", n.parameter_bits},
                             {"weight_bits", weight_bits},
                             {"macs", n.macs},
                             {"binary", n.binary_macs}}));
  }
  return Json::object({{"parameters", cost.parameters},
                       {"parameter_bits", cost.parameter_bits},
                       {"float_macs", cost.float_macs},
                       {"binary_macs", cost.binary_macs},
                       {"nodes", nodes}});
}

}  // namespace bantam
