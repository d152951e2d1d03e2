// Training that starts from real weights and is drawn to quantized ones step by step. [T 6.4.3]
//
// ProxQuant (Bai et al. 2019): the task's gradient is taken at the real weights, and after the optimizer's step comes
//   w <- prox_{eta lambda R}(w), R(w) = |w - Quant(w)|_1:
//        q + sign(w - q) max(|w - q| - eta lambda, 0), q = Quant(w) with its scale        [Eq. 3.7] [Eq. 6.10]
// BinaryRelax (Yin et al. 2018): the net computes with x, a soft projection of y; y moves by the gradient at x,
//   x = (y + lambda Quant(y)) / (1 + lambda),   y <- y - eta grad L(x)
// which with lambda -> infinity becomes lazy training. [Eq. 6.9] Both take a training plan of real weights
// (real_weights() in nn/quantize.h), and a lambda that grows by epochs.
#pragma once

#include <map>

#include "compress/latent_weights.h"
#include "compress/step/step.h"
#include "optim/schedule.h"

namespace bantam {

// w in place -> prox(w), `t` = eta * lambda.
void prox_quant(const LatentWeight& w, double t);

class ProxQuant : public StepHook {
 public:
  // Throws Error if no layer is quantized.
  ProxQuant(const NetSpec& spec, const Parameters& parameters, const Ramp& lambda, int64_t steps_per_epoch);
  const char* name() const override { return "prox"; }
  void begin(int64_t step) override { lambda_ = ramp_value(ramp_, step / steps_per_epoch_); }
  void after_update(Parameter& p, double lr) override;

 private:
  std::map<const Parameter*, LatentWeight> latent_;
  Ramp ramp_;
  int64_t steps_per_epoch_;
  double lambda_ = 0;
};

// Between begin() and the update a parameter holds x; y is put back right before the update.
// Hooks whose gradients are to be taken at y come after it.
class BinaryRelax : public StepHook {
 public:
  // Throws Error if no layer is quantized.
  BinaryRelax(const NetSpec& spec, const Parameters& parameters, const Ramp& lambda, int64_t steps_per_epoch);
  const char* name() const override { return "relax"; }
  void begin(int64_t step) override;
  double add_gradient(Parameter& p) override;

 private:
  struct Held {
    LatentWeight latent;
    Tensor y;  // between steps the parameter holds it, and this is of no meaning
  };
  std::map<const Parameter*, Held> held_;
  Ramp ramp_;
  int64_t steps_per_epoch_;
};

}  // namespace bantam
