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
  RecipeTraining(const Recipe& recipe, Net* net, List<Segment> recompute = {});

  Optimizer& optimizer() { return *optimizer_; }
  TrainingStep& step() { return *step_; }
  std::vector<OptimizerState> hook_state() const { return state_of(step_->spec().hooks); }

 private:
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<std::unique_ptr<StepHook>> hooks_;
  std::unique_ptr<TrainingStep> step_;
};

}  // namespace bantam
