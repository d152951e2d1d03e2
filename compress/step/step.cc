#include "compress/step/step.h"

#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "compress/step/not_finite.h"
#include "core/json.h"
#include "core/pool.h"
#include "core/work.h"

namespace bantam {

const char* name_of(BackwardMode mode) { return mode == BackwardMode::kOnce ? "once" : "each_pass"; }
const char* name_of(UpdateMode mode) { return mode == UpdateMode::kAfter ? "after" : "along"; }

TrainingStep::TrainingStep(Parameters* parameters, Optimizer* optimizer, StepSpec spec)
    : parameters_(parameters), optimizer_(optimizer), spec_(std::move(spec)) {
  if (spec_.passes.empty()) throw Error("training step: there is no pass");
  for (const TrainingPass& pass : spec_.passes)
    if (!pass.plan || !pass.loss) throw Error("training step: a pass needs a plan and a loss");
  std::set<std::string> names;
  for (const StepHook* hook : spec_.hooks)
    if (!names.insert(hook->name()).second) throw Error("training step: two hooks named " + std::string(hook->name()));
  if (spec_.update != UpdateMode::kAlong) return;
  if (spec_.clip_norm > 0)
    throw Error(
        "training step: an update along with backward does not go with clipping: the norm of all gradients is known "
        "only "
        "when backward is through, and by then they are gone");
  if (spec_.backward == BackwardMode::kEachPass && spec_.passes.size() > 1)
    throw Error("training step: an update along with backward needs one backward call, and there is one for each of " +
                std::to_string(spec_.passes.size()) + " passes");
}

StepReport TrainingStep::operator()(const Input& x, const Tensor& target, int64_t step, double lr,
                                    const Observer& observe) {
  lr_ = lr;
  report_ = {};
  for (StepHook* hook : spec_.hooks) hook->begin(step);
  if (spec_.update == UpdateMode::kAlong) optimizer_->begin_step();
  const bool each = spec_.backward == BackwardMode::kEachPass;
  {
    List<Outputs> outputs;  // alive until the end of the backward pass
    Tensors roots;
    for (size_t i = 0; i < spec_.passes.size(); ++i) {
      TrainingPass& pass = spec_.passes[i];
      pass.context.step = step;
      {
        const WorkScope work({"forward"});
        outputs.push_back(forward(*pass.plan, *parameters_, x, pass.context));
      }
      {
        const WorkScope work({"loss"});
        roots.push_back(pass.loss(outputs.back(), target, std::span(outputs.data(), outputs.size() - 1)));
      }
      if (!dry_run()) {
        const double loss = roots.back().item();
        if (!std::isfinite(loss))
          throw NotFinite("the loss is " + shortest(loss) + "; first seen at " +
                          first_not_finite(*pass.plan, *parameters_, x, pass.context));
        report_.loss += loss;
        if (observe) observe(i, outputs.back(), loss);
      }
      if (!each) continue;
      differentiate(roots);
      roots.clear();
      outputs.clear();
    }
    for (StepHook* hook : spec_.hooks) hook->add_roots(*parameters_, &roots);
    if (!roots.empty()) differentiate(roots);
  }
  if (spec_.update == UpdateMode::kAfter) {
    update_all();
    return report_;
  }
  double sum = 0;  // in gradient_norm()'s order: the same number either way
  for (const Parameter* p : parameters_->all()) sum += std::exchange(squares_[p], 0);
  report_.gradient_norm = std::sqrt(sum);
  if (!std::isfinite(report_.gradient_norm))
    throw NotFinite("the gradient's norm is " + shortest(report_.gradient_norm) + "; " +
                    first_not_finite_gradient(*parameters_));
  return report_;
}

void TrainingStep::differentiate(const Tensors& roots) {
  const WorkScope work({"backward"});
  if (spec_.update == UpdateMode::kAfter)
    backward(roots, {});
  else
    backward(roots, {}, [this](Parameter& p) { complete(p); });
}

// Parameters of the layers behind have moved when a gradient is found not to be finite.
void TrainingStep::complete(Parameter& p) {
  const WorkScope work({"optimizer"});
  for (StepHook* hook : spec_.hooks) report_.penalty += hook->add_gradient(p);
  const double squares = squares_[&p] = gradient_squares(p);
  if (!std::isfinite(squares))
    throw NotFinite("the gradient's norm is " + shortest(std::sqrt(squares)) + "; " +
                    first_not_finite_gradient(*parameters_));
  optimizer_->update(p, lr_);
  p.zero_grad();
  for (StepHook* hook : spec_.hooks) hook->after_update(p, lr_);
}

void TrainingStep::update_all() {
  const WorkScope work({"optimizer"});
  const std::vector<Parameter*>& all = parameters_->all();
  for (Parameter* p : all)
    if (p->grad.defined())
      for (StepHook* hook : spec_.hooks) report_.penalty += hook->add_gradient(*p);
  report_.gradient_norm =
      clip_gradients(all, spec_.clip_norm > 0 ? spec_.clip_norm : std::numeric_limits<double>::infinity());
  if (!std::isfinite(report_.gradient_norm))
    throw NotFinite("the gradient's norm is " + shortest(report_.gradient_norm) + "; " +
                    first_not_finite_gradient(*parameters_));
  optimizer_->step(lr_);
  for (Parameter* p : all) {
    const bool updated = p->grad.defined();
    p->zero_grad();
    if (updated)
      for (StepHook* hook : spec_.hooks) hook->after_update(*p, lr_);
  }
}

std::vector<OptimizerState> state_of(const std::vector<StepHook*>& hooks) {
  std::vector<OptimizerState> all;
  for (StepHook* hook : hooks)
    for (OptimizerState& s : hook->state()) {
      s.name = std::string(hook->name()) + "." + s.name;
      all.push_back(std::move(s));
    }
  return all;
}

}  // namespace bantam
