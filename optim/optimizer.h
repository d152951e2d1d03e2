// Optimizers in order of complexity: SGD, SGD with momentum, Adam. An optimizer owns its state (momenta), one tensor a
// parameter and kind, by name, so that a checkpoint can hold it; the learning rate comes from outside at every step
// (optim/schedule.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/autograd.h"

namespace bantam {

// Parameters that share a rule. Weight decay (L2: g += weight_decay * w) [T 2.3] applies to those whose `decay` is set.
struct ParameterGroup {
  std::vector<Parameter*> parameters = {};
  double lr_scale = 1;
  double weight_decay = 0;
};

// State to be saved: `name` is "<kind>.<parameter>", e.g. "exp_avg.conv1.weight"; the tensor has the parameter's shape.
struct OptimizerState {
  std::string name;
  const Parameter* parameter;
  Tensor* tensor;
};

class Optimizer {
 public:
  explicit Optimizer(std::vector<ParameterGroup> groups);
  virtual ~Optimizer() = default;

  // Updates every parameter that has a gradient; clears no gradient.
  void step(double lr);
  // The same in pieces, for an update that goes along with the backward pass: begin_step() once, then update() for each
  // parameter in any order, as soon as its gradient is complete.
  void begin_step() { ++steps_; }
  void update(Parameter& p, double lr);
  int64_t steps() const { return steps_; }  // steps taken: Adam's t
  void set_steps(int64_t t) { steps_ = t; }
  // Allocated and zero from the start, so that a checkpoint of step 0 is complete.
  virtual std::vector<OptimizerState> state() = 0;
  const std::vector<ParameterGroup>& groups() const { return groups_; }

 protected:
  // One parameter, by its running number.
  virtual void update_at(size_t index, Parameter& p, double lr, double weight_decay) = 0;
  std::vector<Tensor> zeros_like_parameters() const;
  std::vector<OptimizerState> named(const char* kind, std::vector<Tensor>& tensors);

 private:
  std::vector<ParameterGroup> groups_;
  std::unordered_map<const Parameter*, std::pair<const ParameterGroup*, size_t>> places_;  // group and running number
  int64_t steps_ = 0;
};

// [Eq. 3.1] [Alg. 1] theta -= lr * g; with momentum v = momentum * v + g (v = g at the first step), and
// theta -= lr * v, or lr * (g + momentum * v) with Nesterov's; PyTorch's definition, dampening 0.
struct SgdConfig {
  double momentum = 0;
  bool nesterov = false;
};
std::unique_ptr<Optimizer> make_sgd(std::vector<ParameterGroup> groups, const SgdConfig& config);

// [Alg. 2], with the sign and the place of delta as in Kingma & Ba: s = b1 s + (1 - b1) g; r = b2 r + (1 - b2) g^2;
// theta -= lr * s_hat / (sqrt(r_hat) + delta), s_hat = s / (1 - b1^t), r_hat = r / (1 - b2^t).
struct AdamConfig {
  double beta1 = 0.9, beta2 = 0.999;
  double delta = 1e-8;
};
std::unique_ptr<Optimizer> make_adam(std::vector<ParameterGroup> groups, const AdamConfig& config);

// Sum of squares of a gradient, in f64, in fixed chunks; 0 without one.
double gradient_squares(const Parameter& p);
// Euclidean norm of all gradients together, in f64: the root of the sum of squares, parameters in order.
double gradient_norm(const std::vector<Parameter*>& parameters);
// Scales all gradients by max_norm / norm if norm > max_norm. Returns the norm before.
double clip_gradients(const std::vector<Parameter*>& parameters, double max_norm);

}  // namespace bantam
