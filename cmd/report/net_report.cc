#include "cmd/report/net_report.h"

#include <set>

#include "cmd/report/text.h"
#include "nn/kinds/kind.h"
#include "nn/norm_groups.h"

namespace bantam {
namespace {

NodeCost node_cost(const NetSpec& spec, int index, const std::vector<Shape>& shapes, std::set<std::string>* slopes) {
  const NodeView view{spec, size_t(index), shapes};
  const NodeSpec& node = view.node();
  const KindRoom& room = room_of(node.kind);
  const Shape& out = view.out();
  NodeCost n;
  n.name = node.name;
  n.kind = room.name;
  for (int j : node.inputs) n.inputs.push_back(spec.nodes[size_t(j)].name);
  for (int i = 1; i < out.rank; ++i) n.output.dims[n.output.rank++] = out[i];
  const QuantSpec* weight = weight_quant(node);
  if (weight) n.weight_bits = bits_of(*weight);
  if (room.parameters) {
    const NodeParameters parameters = room.parameters(view);
    for (size_t r = 0; r < kRoles; ++r) {
      const ParameterSpec& p = parameters.of[r];
      if (p.name.empty() || (p.shared && !slopes->insert(p.name).second)) continue;
      n.parameters += p.shape.size();
      n.parameter_bits += p.shape.size() * (weight && Role(r) == Role::kWeight ? n.weight_bits : 32);
    }
  }
  if (room.macs) n.macs = room.macs(view);
  n.binary_macs = n.macs && is_binary_layer(spec, index);
  n.code_macs = n.macs && arithmetic_of_layer(spec, index) == Arithmetic::kCodes;
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
    (n.binary_macs ? cost.binary_macs : n.code_macs ? cost.code_macs : cost.float_macs) += n.macs;
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
           pad_left(n.macs ? thousands(n.macs) : "-", 14) +
           (n.binary_macs ? "  xnor"
            : n.code_macs ? "  codes"
                          : "") +
           "\n";
  out += "\nparameters       " + thousands(cost.parameters) + "\n";
  out += "as deployed      " + thousands(cost.parameter_bits) +
         " bits = " + bytes_text(uint64_t(cost.parameter_bits + 7) / 8) +
         " (the bits of its code a weight, 32 bits anything else)\n";
  out += "MACs an image    " + thousands(cost.float_macs + cost.code_macs + cost.binary_macs) + ": " +
         thousands(cost.float_macs) + " float, " +
         (cost.code_macs ? thousands(cost.code_macs) + " on codes, " : std::string()) + thousands(cost.binary_macs) +
         " binary (convolutions and linear layers)\n";
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
                             {"binary", n.binary_macs},
                             {"codes", n.code_macs}}));
  }
  return Json::object({{"parameters", cost.parameters},
                       {"parameter_bits", cost.parameter_bits},
                       {"float_macs", cost.float_macs},
                       {"code_macs", cost.code_macs},
                       {"binary_macs", cost.binary_macs},
                       {"nodes", nodes}});
}

}  // namespace bantam
