// All that packing and verifying read of a trained net, in one place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/autograd.h"
#include "nn/model.h"
#include "nn/norm_groups.h"

namespace bantam {

class TrainedNet {
 public:
  explicit TrainedNet(const Model& model) : model_(model) {}

  const NetSpec& spec() const { return model_.spec(); }
  bool is_f32() const { return model_.dtype() == DType::kF32; }
  // Is this node a layer of sign weights on signs, which the evaluation forward sums up in integers?
  bool is_binary_layer(int node) const { return bantam::is_binary_layer(spec(), node); }

  // Values [n] of a parameter, as they lie in memory; null if there is none of this name and size.
  const float* values(const std::string& parameter, int64_t n) const {
    const Parameter* p = model_.parameter(parameter);
    return p && p->value.size() == n ? p->value.data<float>() : nullptr;
  }
  // A norm in evaluation as y = fma(x, scale, shift).
  Model::NormAffine norm_affine(const std::string& norm) const { return model_.norm_affine(norm); }

  // x [N,H,W,C] -> logits [N,classes] in the canonical order; `tap` sees every node's value.
  Tensor evaluate(const Tensor& x, const std::function<void(const NodeSpec&, const Tensor&)>& tap) const {
    const NoGrad no_grad;
    Context context;
    context.order = SumOrder::kCanonical;
    context.tap = tap;
    return model_.evaluate(context, x).detach();
  }

 private:
  const Model& model_;
};

}  // namespace bantam
