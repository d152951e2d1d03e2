// L1 penalty on weights [T 2.3]
//
//   R(w) = lambda * sum |w|,  dR/dw = lambda * sign(w), 0 where w = 0
//
// over every parameter that weight decay applies to: weights, neither biases nor norms nor slopes.
#pragma once

#include "compress/step/step.h"

namespace bantam {

class L1Penalty : public StepHook {
 public:
  explicit L1Penalty(double lambda) : lambda_(lambda) {}
  const char* name() const override { return "l1"; }
  double add_gradient(Parameter& p) override;

 private:
  double lambda_;
};

}  // namespace bantam
