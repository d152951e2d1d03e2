// Pieces of a net that keep only their input in training and run again in backward.
#include <algorithm>

#include "core/pool.h"
#include "nn/batch_blocks.h"
#include "nn/walk.h"

namespace bantam {
namespace {

List<Parameter*> parameters_of(const Binding& binding, const Segment& segment) {
  List<Parameter*> all;
  for (int i = segment.begin + 1; i <= segment.end; ++i)
    for (const BoundNode::Part& part : binding[size_t(i)].of)
      if (part.parameter && std::find(all.begin(), all.end(), part.parameter) == all.end())
        all.push_back(part.parameter);
  return all;
}

Tensor run_alone(const Pass& pass, const Segment& segment, const Quantized& x) {
  List<Quantized> values(pass.plan.size());
  List<int> chain(pass.plan.size(), 0);
  values[size_t(segment.begin)] = x;
  run_nodes(segment.begin + 1, segment.end, pass, &values, &chain, nullptr);
  return values[size_t(segment.end)].value;
}

}  // namespace

Tensor run_segment(const Pass& pass, const Segment& segment, const Quantized& x) {
  const List<Parameter*> parameters = parameters_of(pass.binding, segment);
  const auto run = [plan = &pass.plan, binding = &pass.binding, context = pass.context, table = pass.byte_values,
                    parameters, segment](const Quantized& in, const Tensors& rest, bool again) {
    List<std::pair<const Parameter*, Tensor>> leaves;
    for (size_t i = 0; i < parameters.size(); ++i) leaves.emplace_back(parameters[i], rest[i]);
    return run_alone({*plan, *binding, context, table, in.value.dim(0), &leaves, again}, segment, in);
  };
  Tensors rest;
  for (const Parameter* p : parameters) rest.push_back(p->tensor());
  const Piece again = [run](const Quantized& in, const Tensors& r) { return run(in, r, true); };
  const Piece first = [run](const Quantized& in, const Tensors& r) { return run(in, r, false); };
  return in_batch_blocks("segment", x.value.dim(0), x, rest, again, false, first);
}

SegmentCost cost_of(const Plan& plan, Parameters& parameters, const Segment& segment, int64_t images, SumOrder order,
                    const Tensor& byte_values) {
  const Binding& binding = parameters.binding(plan);
  const Context context = Context::training(0, 0, order);
  Shape shape = plan.shapes()[size_t(segment.begin)];
  shape[0] = images;
  const bool bytes = segment.begin == 0 && byte_values.defined();
  Parameter input("", Tensor::empty(shape, bytes ? DType::kU8 : parameters.dtype()));
  input.frozen = segment.begin == 0;
  SegmentCost cost;
  for (const Parameter* p : parameters_of(binding, segment)) cost.gradients += size_class(p->value.bytes());
  const size_t before = pool_stats().live_bytes;
  reset_high_water();
  const Tensor y = run_alone({plan, binding, context, byte_values, images, nullptr, true}, segment, {input.tensor()});
  cost.output = size_class(y.bytes());
  cost.remakes = recomputable(y);
  cost.kept = pool_stats().live_bytes - before;
  cost.forward_peak = pool_stats().high_water_bytes - before;
  if (!y.needs_grad()) return cost;
  reset_high_water();
  backward({y}, {Tensor::empty(y.shape(), parameters.dtype())}, [](Parameter& p) { p.zero_grad(); });
  cost.backward_peak = pool_stats().high_water_bytes - before;
  return cost;
}

}  // namespace bantam
