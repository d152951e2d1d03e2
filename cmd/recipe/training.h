// What a recipe's training step is, for whoever takes such steps: the trainer, benchmarks, memory reports.
#pragma once

#include <memory>
#include <vector>

#include "cmd/recipe/recipe.h"
#include "compress/step/step.h"
#include "nn/net.h"

namespace bantam {

// A net's training by a recipe: optimizer and hooks with what they keep, and the step. The net must outlive it.
class RecipeTraining {
 public:
  // Steps of an epoch: what grows by epochs stays as in the first with the default. Throws UsageError for keys that
  // have no effect on this net, or not together.
  RecipeTraining(const Recipe& recipe, Net* net, List<Segment> recompute = {}, int64_t steps_per_epoch = kMany);

  Optimizer& optimizer() { return *optimizer_; }
  TrainingStep& step() { return *step_; }
  std::vector<OptimizerState> hook_state() const { return state_of(step_->spec().hooks); }

 private:
  static constexpr int64_t kMany = int64_t(1) << 62;

  std::unique_ptr<Plan> real_;  // the training pass's, where it is not the net's
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<std::unique_ptr<StepHook>> hooks_;
  std::unique_ptr<TrainingStep> step_;
};

}  // namespace bantam
