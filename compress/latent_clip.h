// Latent weights of quantized layers are clipped to [-bound, bound] after each update (Courbariaux et al. 2015, 2016:
// bound 1), so that they cannot drift where their sign no longer answers to the gradient. [T 3.2.2.1] does not say so,
// and by default nothing is clipped.
#pragma once

#include <string>
#include <unordered_set>

#include "compress/step/step.h"

namespace bantam {

class LatentClip : public StepHook {
 public:
  // Throws Error if no layer is quantized.
  LatentClip(const NetSpec& spec, const Parameters& parameters, double bound);
  const char* name() const override { return "latent_clip"; }
  void after_update(Parameter& p, double lr) override;

 private:
  std::unordered_set<const Parameter*> latent_;
  double bound_;
};

}  // namespace bantam
