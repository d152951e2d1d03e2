// All that packing and verifying read of a trained net, in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/autograd.h"
#include "nn/net.h"

namespace bantam {

class TrainedNet {
 public:
  TrainedNet(const Plan& plan, const Parameters& parameters) : plan_(plan), parameters_(parameters) {}

  const NetSpec& spec() const { return plan_.spec(); }
  const std::vector<Shape>& shapes() const { return plan_.shapes(); }  // of every node's output, for one image
  bool is_f32() const { return parameters_.dtype() == DType::kF32; }
  // How a layer multiplies in the evaluation forward; and is that in integers, on bits?
  Arithmetic arithmetic(int node) const { return plan_.arithmetic(size_t(node)); }
  bool is_binary_layer(int node) const { return plan_.is_binary(size_t(node)); }
  bool is_integer(int node) const { return plan_.is_integer(size_t(node)); }

  // Values [n] of a parameter, as they lie in memory; null if there is none of this name and size.
  const float* values(const std::string& parameter, int64_t n) const {
    const Parameter* p = parameters_.find(parameter);
    return p && p->value.size() == n ? p->value.data<float>() : nullptr;
  }
  // The same as a tensor, undefined if there is none.
  Tensor tensor(const std::string& parameter) const {
    const Parameter* p = parameters_.find(parameter);
    return p ? p->value.detach() : Tensor();
  }
  // The net with what its quantize nodes have found, ranges and learned scales, as constants.
  NetSpec fixed_spec() const {
    NetSpec fixed = spec();
    for (NodeSpec& node : fixed.nodes)
      if (auto* c = std::get_if<QuantizeConfig>(&node.config)) c->quant = parameters_.fixed_quant(node);
    return fixed;
  }
  // A norm in evaluation as y = fma(x, scale, shift).
  Parameters::NormAffine norm_affine(const NodeSpec& norm) const { return parameters_.norm_affine(norm); }

  // -> scores [N,classes] in the canonical order; `tap` sees every node's value.
  Tensor evaluate(const Input& x, const std::function<void(const NodeSpec&, const Tensor&)>& tap) const {
    const NoGrad no_grad;
    Context context = Context::evaluation();
    context.tap = tap;
    return forward(plan_, parameters_, x, context).scores.detach();
  }

 private:
  const Plan& plan_;
  const Parameters& parameters_;
};

}  // namespace bantam
