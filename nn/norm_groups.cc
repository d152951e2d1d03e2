#include "nn/norm_groups.h"

#include "nn/kinds/kind.h"

namespace bantam {

Arithmetic arithmetic_of_layer(const NetSpec& spec, int index) {
  const NodeSpec& node = spec.nodes[size_t(index)];
  const QuantSpec* weight = weight_quant(node);
  if (!weight) return Arithmetic::kReal;
  WeightShape shape;
  if (const auto* conv = std::get_if<ConvConfig>(&node.config))
    shape = {.taps = conv->kernel_h * conv->kernel_w, .groups = conv->groups};
  const auto* in = std::get_if<QuantizeConfig>(&spec.nodes[size_t(node.inputs[0])].config);
  return arithmetic_of(*weight, in ? in->quant : QuantSpec{}, shape);
}

bool is_cheap(const NetSpec& spec, const std::vector<Shape>& shapes, int conv) {
  const NodeSpec& node = spec.nodes[size_t(conv)];
  const auto& c = std::get<ConvConfig>(node.config);
  const int64_t products = c.kernel_h * c.kernel_w * shapes[size_t(node.inputs[0])][3] / c.groups;
  return is_binary_layer(spec, conv) || products <= 32;
}

std::vector<int> count_readers(const NetSpec& spec) {
  std::vector<int> readers(spec.nodes.size(), 0);
  for (const NodeSpec& node : spec.nodes)
    for (int j : node.inputs) ++readers[size_t(j)];
  for (int i : spec.extra_outputs) ++readers[size_t(i)];
  return readers;
}

std::vector<NormGroup> find_norm_groups(const NetSpec& spec, const std::vector<Shape>& shapes) {
  const int n = int(spec.nodes.size());
  const std::vector<int> readers = count_readers(spec);
  std::vector<int> reader(size_t(n), -1);
  for (int i = 0; i < n; ++i)
    for (int j : spec.nodes[size_t(i)].inputs) reader[size_t(j)] = i;
  const auto kind = [&](int i) { return spec.nodes[size_t(i)].kind; };
  const auto input = [&](int i) { return spec.nodes[size_t(i)].inputs[0]; };
  const auto only_reader = [&](int i) { return readers[size_t(i)] == 1 ? reader[size_t(i)] : -1; };
  const auto may_follow = [&](int i, bool sum) {
    const KindRoom& room = room_of(kind(i));
    return room.behind_norm && (room.behind_sum || !sum);
  };
  std::vector<bool> taken(size_t(n), false);
  std::vector<NormGroup> groups;
  for (int i = 0; i < n; ++i) {
    if (kind(i) != Kind::kBatchNorm) continue;
    NormGroup g;
    g.norm = g.end = i;
    g.source = input(i);
    if (room_of(kind(g.source)).before_norm && readers[size_t(g.source)] == 1 && !taken[size_t(g.source)]) {
      g.pre = g.source;
      g.source = input(g.pre);
    }
    const bool pooled = kind(g.source) == Kind::kMaxPool && readers[size_t(g.source)] == 1;
    const int conv = pooled ? input(g.source) : g.source;
    // A pooled output is a quarter and less: of a real layer it is kept, rather than making all of it twice more.
    const bool worth = kind(conv) == Kind::kConv && readers[size_t(conv)] == 1 && is_cheap(spec, shapes, conv) &&
                       (!pooled || is_binary_layer(spec, conv));
    if (worth) {
      g.conv = conv;
      if (pooled) g.pool = g.source;
      g.source = input(conv);
    }
    if (const int r = only_reader(i); r >= 0 && kind(r) == Kind::kAdd && !taken[size_t(r)]) {
      const std::vector<int>& terms = spec.nodes[size_t(r)].inputs;
      g.residual = terms[terms[0] == i ? 1 : 0];
      if (shapes[size_t(g.residual)] == shapes[size_t(i)]) {
        g.add = g.end = r;
        taken[size_t(r)] = true;
      } else {
        g.residual = -1;
      }
    }
    if (const int r = only_reader(g.end); r >= 0 && may_follow(r, g.add >= 0)) {
      g.post = g.end = r;
      taken[size_t(r)] = true;  // the norm behind it does not take it once more
    }
    groups.push_back(g);
  }
  return groups;
}

}  // namespace bantam
