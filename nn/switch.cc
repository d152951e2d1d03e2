#include "nn/switch.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "core/json.h"
#include "core/tensor.h"
#include "nn/kinds/kind.h"

namespace bantam {
namespace {

int64_t slimmed(int64_t channels, double width) {
  return std::max<int64_t>(1, int64_t(std::ceil(double(channels) * width - 1e-6)));  // 0.1 * 30 is a little above 3
}

bool is_depthwise(const NodeSpec& node, int64_t in, int64_t out) {
  const auto* c = std::get_if<ConvConfig>(&node.config);
  return c && c->groups > 1 && c->groups == in && in == out;
}

// Learned scales and ranges are of a set as norms are.
void take_set(QuantSpec* quant, Operand operand, int64_t set) {
  quant->set = int(set);
  *quant = normal(*quant, operand);
}

// For each node, whether its output keeps its channels.
std::vector<bool> kept_nodes(const NetSpec& spec, const std::vector<Shape>& shapes) {
  // Nodes whose outputs have the same channels, one for one, lead to the same node.
  std::vector<int> leader(spec.nodes.size());
  std::iota(leader.begin(), leader.end(), 0);
  const auto group_of = [&](int node) {
    while (leader[size_t(node)] != node) node = leader[size_t(node)];
    return node;
  };
  for (int i = 1; i < int(spec.nodes.size()); ++i) {
    const NodeSpec& node = spec.nodes[size_t(i)];
    const Channels channels = room_of(node.kind).channels;
    if (channels == Channels::kSame || is_depthwise(node, shapes[size_t(node.inputs[0])][-1], shapes[size_t(i)][-1]))
      for (int in : node.inputs) leader[size_t(group_of(i))] = group_of(in);
    if (channels == Channels::kFirst) leader[size_t(group_of(i))] = group_of(node.inputs[0]);
  }
  std::vector<bool> kept(spec.nodes.size());
  kept[size_t(group_of(0))] = kept[size_t(group_of(int(spec.nodes.size()) - 1))] = true;
  for (int head : spec.extra_outputs)
    if (spec.nodes[size_t(head)].kind == Kind::kLinear) kept[size_t(group_of(head))] = true;
  // What is flattened or joined keeps its channels where the result does.
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 1; i < spec.nodes.size(); ++i) {
      const Channels channels = room_of(spec.nodes[i].kind).channels;
      if (!kept[size_t(group_of(int(i)))] || (channels != Channels::kFlat && channels != Channels::kJoined)) continue;
      for (int in : spec.nodes[i].inputs)
        if (!kept[size_t(group_of(in))]) kept[size_t(group_of(in))] = changed = true;
    }
  }
  std::vector<bool> nodes;
  for (int i = 0; i < int(spec.nodes.size()); ++i) nodes.push_back(kept[size_t(group_of(i))]);
  return nodes;
}

}  // namespace

NetSpec at(const NetSpec& spec, const Switch& s) {
  if (!(s.width > 0 && s.width <= 1)) throw Error("switch: width is " + shortest(s.width) + ", must be above 0 to 1");
  const std::vector<Shape> whole = infer_shapes(spec);
  const std::vector<bool> kept = kept_nodes(spec, whole);
  NetSpec net = spec;
  std::vector<Shape> shapes;
  for (size_t i = 0; i < net.nodes.size(); ++i) {
    NodeSpec& node = net.nodes[i];
    const KindRoom& room = room_of(node.kind);
    std::vector<Shape> in;
    for (int from : node.inputs) in.push_back(shapes[size_t(from)]);
    if (room.resize)
      room.resize(&node, whole[size_t(node.inputs[0])][-1], in[0][-1],
                  kept[i] ? whole[i][-1] : slimmed(whole[i][-1], s.width));
    if (auto* norm = std::get_if<BatchNormConfig>(&node.config)) norm->set = s.set;
    shapes.push_back(room.shape(node, in, 1));
  }
  infer_shapes(net);
  if (!s.quant.changes_nothing()) net = quantize(net, s.quant);
  for (NodeSpec& node : net.nodes) {
    if (auto* q = std::get_if<QuantizeConfig>(&node.config)) take_set(&q->quant, Operand::kActivation, s.set);
    if (auto* conv = std::get_if<ConvConfig>(&node.config)) take_set(&conv->weight, Operand::kWeight, s.set);
    if (auto* linear = std::get_if<LinearConfig>(&node.config)) take_set(&linear->weight, Operand::kWeight, s.set);
  }
  return net;
}

}  // namespace bantam
