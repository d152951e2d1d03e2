#include "nn/plan.h"

#include <algorithm>

#include "nn/kinds/kind.h"

namespace bantam {

Plan::Plan(NetSpec spec) {
  auto m = std::make_shared<Made>();
  m->shapes = infer_shapes(spec);
  m->spec = std::move(spec);
  const NetSpec& s = m->spec;
  const size_t n = s.nodes.size();
  m->norm_groups = find_norm_groups(s, m->shapes);
  m->parameters = node_parameters(s, m->shapes);
  m->arithmetic.assign(n, Arithmetic::kReal);
  m->cheap_before_pool.assign(n, false);
  m->real_value_used.assign(n, false);
  const std::vector<int> readers = count_readers(s);
  for (int i : s.extra_outputs) m->real_value_used[size_t(i)] = true;
  for (size_t i = 0; i < n; ++i) {
    const NodeSpec& node = s.nodes[i];
    const Arithmetic a = m->arithmetic[i] = arithmetic_of_layer(s, int(i));
    const auto* conv = std::get_if<ConvConfig>(&node.config);
    if (conv && conv->pad_value && a != Arithmetic::kBits && a != Arithmetic::kCodes)
      fail(node, "a pad_value other than 0 is a code: it needs quantized weights and inputs, and of signs one group");
    for (int j : node.inputs)
      if (a != Arithmetic::kBits && a != Arithmetic::kCodes) m->real_value_used[size_t(j)] = true;
    if (node.kind != Kind::kMaxPool) continue;
    const size_t pooled = size_t(node.inputs[0]);
    m->cheap_before_pool[pooled] =
        s.nodes[pooled].kind == Kind::kConv && readers[pooled] == 1 && is_cheap(s, m->shapes, int(pooled));
  }
  plan_reads(m.get());
  made_ = std::move(m);
}

// Which values nobody reads any more after each node, one by one and in groups.
void Plan::plan_reads(Made* m) {
  const std::vector<NodeSpec>& nodes = m->spec.nodes;
  const size_t n = nodes.size();
  m->group_of.assign(n, -1);
  for (size_t g = 0; g < m->norm_groups.size(); ++g) {
    const NormGroup& group = m->norm_groups[g];
    for (int i : {group.conv, group.pool, group.pre, group.norm, group.add, group.post, group.end})
      if (i >= 0) m->group_of[size_t(i)] = int(g);
  }
  for (const bool grouped : {false, true}) {
    std::vector<int> last(n, -1);
    for (size_t i = 0; i < n; ++i) {
      for (int j : nodes[i].inputs) {
        last[size_t(j)] = int(i);
        // A convolution may be run by its pool.
        for (int k : nodes[size_t(j)].inputs)
          if (nodes[i].kind == Kind::kMaxPool) last[size_t(k)] = std::max(last[size_t(k)], int(i));
      }
      if (!grouped || m->group_of[i] < 0) continue;
      const NormGroup& group = m->norm_groups[size_t(m->group_of[i])];
      if (group.end != int(i)) continue;
      for (int j : {group.source, group.residual})
        if (j >= 0) last[size_t(j)] = int(i);
    }
    m->last_reads[grouped].assign(n, {});
    for (size_t j = 0; j < n; ++j)
      if (last[j] >= 0) m->last_reads[grouped][size_t(last[j])].push_back(int(j));
  }
}

std::vector<int> Plan::cuts() const {
  const NetSpec& net = spec();
  const int n = int(size());
  std::vector<int> last(size_t(n), -1);  // who reads each value last
  for (int i = 0; i < n; ++i)
    for (int j : net.nodes[size_t(i)].inputs) last[size_t(j)] = i;
  for (int i : net.extra_outputs) last[size_t(i)] = n;  // the caller
  std::vector<bool> inside(size_t(n), false);           // between the ends of what runs as one
  for (const NormGroup& g : norm_groups()) {
    int first = g.norm;
    for (int i : {g.conv, g.pool, g.pre})
      if (i >= 0) first = std::min(first, i);
    // A group reads its source when it ends: what lies between belongs to it.
    for (int i = first; i < g.end; ++i) inside[size_t(i)] = true;
  }
  std::vector<int> cuts;
  int reach = -1;  // the last reader of all values before i
  for (int i = 0; i < n; ++i) {
    if (reach <= i && !inside[size_t(i)] && !is_cheap_before_pool(size_t(i)) &&
        net.nodes[size_t(i)].kind != Kind::kQuantize)
      cuts.push_back(i);
    reach = std::max(reach, last[size_t(i)]);
  }
  return cuts;
}

}  // namespace bantam
