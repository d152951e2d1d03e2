// What a node's execution sees of a pass. For nn/ alone.
#pragma once

#include <utility>

#include "nn/forward.h"
#include "ops/pool.h"

namespace bantam {

// One walk over nodes of a plan.
struct Pass {
  const Plan& plan;
  const Binding& binding;
  const Context& context;
  const Tensor& byte_values;
  int64_t images;
  const List<std::pair<const Parameter*, Tensor>>* leaves = nullptr;  // that stand for the parameters, or null
  bool again = false;                                                 // in backward: what is done once has been done
  // Groups that run node by node, because somebody wants a value inside; empty for none.
  const List<bool>* split = nullptr;

  // Groups, blocks and bytes that are kept, as opposed to node by node.
  bool fused() const { return context.for_backward && !context.tap; }
  // The group that a node runs in; null where it runs on its own.
  const NormGroup* group_of(size_t node) const;
  bool wants(size_t node) const;  // of Context::wanted
  // A node's parameter, of the leading channels that the plan takes; undefined if it has none.
  Tensor parameter(size_t node, Role role) const;
  // Of an input of bytes its values; any other tensor itself.
  Tensor real(const Tensor& x) const;
};

// A node of the walk, its inputs there.
class NodePass {
 public:
  NodePass(const Pass& pass, size_t index, const List<Quantized>& values, const Quantized& in)
      : pass(pass), index(index), in(in), values_(values) {}

  const NodeSpec& node() const { return pass.plan.spec().nodes[index]; }
  template <class C>
  const C& config() const {
    return std::get<C>(node().config);
  }
  const Context& context() const { return pass.context; }
  const Tensor& x() const { return in.value; }
  Tensor value(size_t i) const { return pass.real(values_[size_t(node().inputs[i])].value); }
  Tensor parameter(Role role) const { return pass.parameter(index, role); }
  // A layer of floats may be summed in any order, or only in the packed net's.
  SumOrder dense_order() const {
    return context().order == SumOrder::kCanonical ? SumOrder::kCanonical : SumOrder::kAny;
  }

  const Pass& pass;
  const size_t index;
  const Quantized& in;  // the first input

 private:
  const List<Quantized>& values_;
};

// Of an operation's result.
inline Quantized real(Tensor t) { return {std::move(t)}; }

// What stochastic quantizers of a pass draw from.
struct Draws {
  explicit Draws(const Context& c) : on(c.stochastic), seed(c.seed), step(c.step) {}
  bool on;
  uint64_t seed;
  int64_t step;
};
// A layer's parameters, by Role; its bias and its scale may be undefined.
Tensors layer_parameters(const Pass& pass, size_t layer);
// Its weights as codes and value (quantize_weight).
Quantized layer_weight(const NodeSpec& layer, const Tensors& parameters, const Draws& draws, bool materialize_value);
// Its learned scale, if it has one: for KindRoom::parameters.
ParameterSpec scale_of_layer(const NodeSpec& layer, const ParameterSpec& weight);

// A convolution node's value.
Tensor convolve(const Plan& plan, size_t conv, const Quantized& x, const Tensors& parameters, const Draws& draws,
                SumOrder order);
// A norm's running statistics as a plan of fewer channels sees them: the leading ones, shared.
struct NormView {
  NormView(const BoundNode& node);  // NOLINT: implicit
  Tensor mean, var;
};
PoolParams pool_params(const NodeSpec& node);

}  // namespace bantam
