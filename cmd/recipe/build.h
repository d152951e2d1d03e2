// What a recipe builds: its net, its optimizer, its schedule.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cmd/recipe/recipe.h"
#include "compress/step/step.h"
#include "data/dataset.h"
#include "nn/net_spec.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"

namespace bantam {

// The net of a recipe for images of this size.
NetSpec net_of(const Recipe& recipe, int64_t h, int64_t w, int64_t c, int64_t classes);
// The same for training on these images. Throws UsageError where the recipe wants others (model.classes).
NetSpec net_of(const Recipe& recipe, const Dataset& data);
// A recipe that is written into a folder takes the file of its net along, and names the copy from then on:
// RUN/recipe.toml means what it meant, wherever the folder goes. Does nothing where the net has a name.
constexpr const char* kKeptNetFile = "net.json";
void keep_net_file(Recipe* recipe, const std::string& folder);
std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& config, const Parameters& parameters);
// Whether each parameter is updated as soon as its gradient is complete (optimizer.fused_update).
UpdateMode update_mode(const Recipe& recipe);
Schedule make_schedule(const Recipe& recipe, int64_t steps_per_epoch);

}  // namespace bantam
