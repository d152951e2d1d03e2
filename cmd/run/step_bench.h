// Times whole steps of a recipe on data made in memory: what `bantam bench RECIPE` prints.
#pragma once

#include <string>

#include "cmd/recipe/recipe.h"
#include "cmd/report/step_bench_report.h"

namespace bantam {

// A training step is forward, loss, backward, optimizer (and clipping, if the recipe clips). Sets the number of
// threads.
StepBenchRow bench_steps(const std::string& name, const Recipe& recipe, const StepBenchOptions& options);

}  // namespace bantam
