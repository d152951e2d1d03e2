// Activations as codes and values; integer layers read the codes alone.
#include "ops/quant/quantize.h"

#include "core/pool.h"
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/quant/learned_scale.h"
#include "ops/quant/range.h"

namespace bantam {
namespace {

NodeParameters parameters_of(const NodeView& v) {
  const QuantSpec& quant = v.config<QuantizeConfig>().quant;
  NodeParameters p;
  if (has_running_range(quant, Operand::kActivation)) p.range = quant_name(v.node(), "running_range", quant);
  if (has_learned_scale(quant, Operand::kActivation))
    p[Role::kScale] = {.name = quant_name(v.node(), "scale", quant), .shape = {1}, .decay = false, .quant = quant};
  return p;
}

// The node's spec in this pass, with the batch's range or the running one.
QuantSpec spec_in(const NodePass& p, QuantInputs* in) {
  const QuantSpec& spec = p.config<QuantizeConfig>().quant;
  Tensor* running = p.pass.binding[p.index].range;
  if (!running) return spec;
  in->of_batch = p.context().batch_statistics;
  if (!in->of_batch) return with_range(spec, running_range(*running, spec));
  const CodeRange batch = range_of(p.x(), spec);
  if (!p.pass.again) move_range(batch, running);
  return with_range(spec, batch);
}

// A learned scale that waits for its first batch.
void start(const NodePass& p) {
  const BoundNode::Part& scale = p.pass.binding[p.index].of[size_t(Role::kScale)];
  if (!scale.parameter || !p.context().batch_statistics || p.pass.again || dry_run()) return;
  Tensor& value = scale.parameter->value;
  if (value.item() != 0) return;
  const double first = first_activation_scale(p.x(), p.config<QuantizeConfig>().quant);
  if (value.dtype() == DType::kF64)
    *value.mutable_data<double>() = first;
  else
    *value.mutable_data<float>() = float(first);
}

Quantized run(const NodePass& p) {
  start(p);
  const Context& c = p.context();
  const Rng rng(c.seed, kRngQuantize, stream_of(p.node().name), uint64_t(c.step));
  QuantInputs in{.rng = c.stochastic ? &rng : nullptr, .scale = p.parameter(Role::kScale)};
  const QuantSpec spec = spec_in(p, &in);
  return quantize_activation(p.x(), spec, p.pass.plan.real_value_used(p.index), in);
}

}  // namespace

extern const KindRoom kQuantizeRoom;
constinit const KindRoom kQuantizeRoom = {
    .kind = Kind::kQuantize,
    .name = "quantize",
    .inputs = 1,
    .config = [] { return Config(QuantizeConfig{}); },
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
          check_quant(node, config_of<QuantizeConfig>(node).quant, Operand::kActivation);
          return in[0];
        },
    .run = run,
    .parameters = parameters_of,
};

}  // namespace bantam
