// Pieces of a net that keep only their input in training and run again in backward.
#include <algorithm>

#include "core/pool.h"
#include "nn/batch_blocks.h"
#include "nn/model.h"

namespace bantam {

std::vector<int> Model::cuts() const {
  const int n = int(spec_.nodes.size());
  std::vector<int> last(size_t(n), -1);  // who reads each value last
  for (int i = 0; i < n; ++i)
    for (int j : spec_.nodes[size_t(i)].inputs) last[size_t(j)] = i;
  std::vector<bool> inside(size_t(n), false);  // between the ends of what runs as one
  for (const NormGroup& g : norm_groups_) {
    int first = g.norm;
    for (int i : {g.conv, g.pool, g.pre})
      if (i >= 0) first = std::min(first, i);
    // A group reads its source when it ends: what lies between belongs to it.
    for (int i = first; i < g.end; ++i) inside[size_t(i)] = true;
  }
  std::vector<int> cuts;
  int reach = -1;  // the last reader of all values before i
  for (int i = 0; i < n; ++i) {
    if (reach <= i && !inside[size_t(i)] && !cheap_before_pool_[size_t(i)] &&
        spec_.nodes[size_t(i)].kind != Kind::kQuantize)
      cuts.push_back(i);
    reach = std::max(reach, last[size_t(i)]);
  }
  return cuts;
}

List<Parameter*> Model::parameters_of(const Segment& segment) const {
  List<Parameter*> all;
  for (int i = segment.begin + 1; i <= segment.end; ++i)
    for (Parameter* p : {own_[size_t(i)].first, own_[size_t(i)].second})
      if (p && std::find(all.begin(), all.end(), p) == all.end()) all.push_back(p);
  return all;
}

Tensor Model::run_segment(const Segment& segment, const Context& context, const Quantized& x,
                          Norms* statistics) const {
  const List<Parameter*> parameters = parameters_of(segment);
  const auto run = [=, this](const Quantized& in, const Tensors& rest, bool again) {
    List<std::pair<const Parameter*, Tensor>> leaves;
    for (size_t i = 0; i < parameters.size(); ++i) leaves.emplace_back(parameters[i], rest[i]);
    List<Quantized> values(spec_.nodes.size());
    List<int> chain(spec_.nodes.size(), 0);
    values[size_t(segment.begin)] = in;
    run_nodes(segment.begin + 1, segment.end, {context, statistics, in.value.dim(0), &leaves, again}, &values, &chain);
    return values[size_t(segment.end)].value;
  };
  Tensors rest;
  for (const Parameter* p : parameters) rest.push_back(p->tensor());
  const Piece again = [run](const Quantized& in, const Tensors& r) { return run(in, r, true); };
  const Piece first = [run](const Quantized& in, const Tensors& r) { return run(in, r, false); };
  return in_batch_blocks("segment", x.value.dim(0), x, rest, again, false, first);
}

Model::SegmentCost Model::cost_of(const Segment& segment, int64_t images, SumOrder order, const Tensor& byte_values) {
  Context context;
  context.training = true;
  context.order = order;
  context.byte_values = byte_values;
  Shape shape = shapes_[size_t(segment.begin)];
  shape[0] = images;
  const bool bytes = segment.begin == 0 && byte_values.defined();
  Parameter input("", Tensor::empty(shape, bytes ? DType::kU8 : dtype_));
  input.frozen = segment.begin == 0;
  SegmentCost cost;
  for (const Parameter* p : parameters_of(segment)) cost.gradients += size_class(p->value.bytes());
  const size_t before = pool_stats().live_bytes;
  reset_high_water();
  List<Quantized> values(spec_.nodes.size());
  List<int> chain(spec_.nodes.size(), 0);
  values[size_t(segment.begin)].value = input.tensor();
  run_nodes(segment.begin + 1, segment.end, {context, &norms_, images, nullptr, true}, &values, &chain);
  const Tensor y = values[size_t(segment.end)].value;
  values.clear();
  cost.output = size_class(y.bytes());
  cost.remakes = recomputable(y);
  cost.kept = pool_stats().live_bytes - before;
  cost.forward_peak = pool_stats().high_water_bytes - before;
  if (!y.needs_grad()) return cost;
  reset_high_water();
  backward({y}, {Tensor::empty(y.shape(), dtype_)}, [](Parameter& p) { p.zero_grad(); });
  cost.backward_peak = pool_stats().high_water_bytes - before;
  return cost;
}

}  // namespace bantam
