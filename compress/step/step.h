// What one optimizer step is: passes of plans over shared parameters, their losses, penalties, one backward pass or one
// for each, the update, and what comes after it. The trainer, `bantam bench`, the memory report and the tests run this
// same code: what one of them times or measures is what the others do.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "nn/forward.h"
#include "optim/optimizer.h"

namespace bantam {

// A loss that a pass is trained on: a scalar. `earlier`: the outputs of the passes before it in this step, where these
// are still there (BackwardMode::kOnce); a teacher's, for a student.
using LossFn = std::function<Tensor(const Outputs& own, const Tensor& target, std::span<const Outputs> earlier)>;

// One run of a plan in each step. The context's step number is set by the step.
struct TrainingPass {
  const Plan* plan = nullptr;
  Context context = Context::training();
  LossFn loss = {};
};

// A method's part in each step: whatever of these it needs. A penalty is a function of the parameters alone: either
// closed-form gradients, a parameter at a time, or roots with a graph. What it keeps from step to step goes into
// checkpoints by name.
class StepHook {
 public:
  virtual ~StepHook() = default;
  virtual const char* name() const = 0;  // unique among the hooks of a step
  // Before the forward passes of step `step`, counted from 0.
  virtual void begin(int64_t step) { (void)step; }
  // Appends scalars to differentiate along with the losses.
  virtual void add_roots(const Parameters& parameters, Tensors* roots) { (void)parameters, (void)roots; }
  // Adds the penalty's gradient to a parameter's, whose backward is complete; returns the penalty's value.
  virtual double add_gradient(Parameter& p) { return (void)p, 0; }
  // Right after the update of a parameter, with the rate that it was made with: masks, projections, proximal steps,
  // averages.
  virtual void after_update(Parameter& p, double lr) { (void)p, (void)lr; }
  // What must be saved: `name` without the hook's; a tensor of a parameter's shape names it (its layout in files
  // differs from memory's), another one has null. Allocated from the start.
  virtual std::vector<OptimizerState> state() { return {}; }
};

enum class BackwardMode : uint8_t {
  kOnce,      // all roots together, when all passes have run
  kEachPass,  // each pass's loss alone, whose graph is then freed before the next pass; penalties' roots at the end
};
enum class UpdateMode : uint8_t {
  kAfter,  // of all parameters, when every gradient is there
  kAlong,  // of each parameter as soon as backward has its gradient, which is then dropped: less memory, the same
           // numbers
};
// "once", "each_pass"; "after", "along".
const char* name_of(BackwardMode mode);
const char* name_of(UpdateMode mode);

struct StepSpec {
  std::vector<TrainingPass> passes = {};
  std::vector<StepHook*> hooks = {};  // must outlive the step
  BackwardMode backward = BackwardMode::kOnce;
  UpdateMode update = UpdateMode::kAfter;
  double clip_norm = 0;  // gradients are scaled down to this norm; 0: not
};

struct StepReport {
  double loss = 0;           // sum over passes
  double penalty = 0;        // sum over hooks with closed-form gradients
  double gradient_norm = 0;  // before clipping; of losses and penalties
};

// A loss or a gradient that is no longer a finite number; what() says where it was first seen.
class NotFinite : public Error {
 public:
  using Error::Error;
};

class TrainingStep {
 public:
  // Throws Error where an update along with backward would not be exact: more than one backward call adds to a
  // gradient, or the norm of all gradients is needed.
  TrainingStep(Parameters* parameters, Optimizer* optimizer, StepSpec spec);

  // Called after each pass's loss with its number, while the outputs are there.
  using Observer = std::function<void(size_t pass, const Outputs& outputs, double loss)>;
  // `step`: how many were taken before. Throws NotFinite; the parameters may have moved then (kAlong).
  StepReport operator()(const Input& x, const Tensor& target, int64_t step, double lr, const Observer& observe = {});

  // Pieces that each pass computes a second time in backward; no result depends on them.
  void set_recompute(const List<Segment>& segments) {
    for (TrainingPass& pass : spec_.passes) pass.context.recompute = segments;
  }

  const StepSpec& spec() const { return spec_; }

 private:
  void differentiate(const Tensors& roots);
  void complete(Parameter& p);
  void update_all();

  Parameters* parameters_;
  Optimizer* optimizer_;
  StepSpec spec_;
  std::map<const Parameter*, double> squares_;  // of gradients that do not outlive the step
  double lr_ = 0;
  StepReport report_;
};

// Every hook's state, named "<hook>.<state>", for checkpoints.
std::vector<OptimizerState> state_of(const std::vector<StepHook*>& hooks);

}  // namespace bantam
