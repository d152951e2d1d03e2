// One step of a recipe on a batch made in memory, again and again: what benchmarks time.
#pragma once

#include <memory>

#include "cmd/recipe/recipe.h"
#include "nn/model.h"
#include "optim/optimizer.h"

namespace bantam {

enum class StepMode {
  kTraining,    // forward, loss, backward, optimizer (and clipping, if the recipe clips), as the trainer does them
  kEvaluation,  // the evaluation forward
  kUpdate,      // the optimizer alone, with gradients that are there
};

class RecipeStep {
 public:
  // Weights of seed 0; random pixels of variance 1, random labels. The recipe must outlive it.
  RecipeStep(const Recipe& recipe, int64_t batch, StepMode mode);
  void operator()();
  const NetSpec& spec() const { return model_.spec(); }

 private:
  void train();

  const Recipe& recipe_;
  StepMode mode_;
  Model model_;
  std::unique_ptr<Optimizer> optimizer_;
  Tensor x_, y_, byte_values_;  // x of bytes in training, where the recipe trains on bytes
  int64_t step_ = 0;
};

}  // namespace bantam
