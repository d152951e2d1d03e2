// One step of a recipe on a batch made in memory, again and again: what benchmarks time.
#pragma once

#include <memory>

#include "cmd/recipe/training.h"
#include "compress/evaluator.h"
#include "nn/net.h"

namespace bantam {

enum class StepMode {
  kTraining,    // the trainer's step (compress/step/step.h)
  kEvaluation,  // the evaluation forward
  kUpdate,      // the optimizer alone, with gradients that are there
};

class RecipeStep {
 public:
  // Weights of seed 0; random pixels of variance 1, random labels.
  RecipeStep(const Recipe& recipe, int64_t batch, StepMode mode);
  void operator()();
  const NetSpec& spec() const { return net_.spec(); }

 private:
  StepMode mode_;
  Net net_;
  RecipeTraining training_;
  Evaluator evaluator_;
  Tensor x_, y_, byte_values_;  // x of bytes in training, where the recipe trains on bytes
  int64_t step_ = 0;
};

}  // namespace bantam
