// The distance between latent weights and what they are quantized to, as a penalty: chapter 6's L1 and L2, beside
// learned scales BNN+'s. [T 6.5]
//
//   R_p   = |v - alpha Quant(v)|_p, v a layer's latent weights, p = 1 or 2; the target is a constant   [Eq. 6.15]
//   dR/dv = dR/dlambda, lambda = v - alpha Quant(v): sign(lambda), or lambda / |lambda|_2              [Eq. 6.16]
//   loss  = task's + weight * mean over layers of R_p / numel(v)
//
// Unlike the angle it depends on the weights' magnitude, and has no bound: published runs take a weight of 100 for p
// = 2.
#pragma once

#include <map>

#include "compress/latent_weights.h"
#include "compress/step/step.h"
#include "optim/schedule.h"

namespace bantam {

// R_p of one layer over numel; with `gradient`, factor times its gradient is added to that. Returns factor * R_p /
// numel.
double distance_penalty(const LatentWeight& w, int p, double factor, Tensor* gradient);

class DistancePenalty : public StepHook {
 public:
  // p = 1 or 2; its weight by epoch of `steps_per_epoch` steps. Throws Error if no layer is quantized.
  DistancePenalty(const NetSpec& spec, const Parameters& parameters, int p, const Ramp& weight,
                  int64_t steps_per_epoch);
  const char* name() const override { return p_ == 1 ? "distance_l1" : "distance_l2"; }
  void begin(int64_t step) override { weight_ = ramp_value(ramp_, step / steps_per_epoch_); }
  double add_gradient(Parameter& p) override;

 private:
  std::map<const Parameter*, LatentWeight> latent_;
  int p_;
  Ramp ramp_;
  int64_t steps_per_epoch_;
  double weight_ = 0;
};

}  // namespace bantam
