// Steps of a recipe on demand, for a driver (bench/peers/step_time.py) that alternates them with another engine's in
// one run, on a machine whose speed wanders. It asks by lines on standard input, and is answered by a line each:
//
//   describe   what the other engine must build: JSON
//   step N     milliseconds of N steps, one after the other
//   probe      multiply-adds a second (in 1e9) from registers: of one thread, of all
//   memory     the pool's high-water mark over a step, in bytes
//
//   build/bench/step_bench RECIPE [--mode training|evaluation|update] [--threads T] [--set KEY=VALUE]...
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <sstream>
#include <string>

#include "cmd/report/machine.h"
#include "cmd/run/recipe_step.h"
#include "core/json.h"
#include "core/parallel.h"
#include "core/pool.h"

using namespace bantam;

namespace {

struct Arguments {
  std::string recipe;
  StepMode mode = StepMode::kTraining;
  int threads = 0;
  Overrides set;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name.rfind("--", 0) != 0) {
      a.recipe = name;
      continue;
    }
    if (++i == argc) throw Error(name + " needs a value");
    const std::string value = argv[i];
    if (name == "--set")
      a.set.push_back(split_override(value));
    else if (name == "--threads")
      a.threads = std::atoi(value.c_str());
    else if (name == "--mode" && value == "evaluation")
      a.mode = StepMode::kEvaluation;
    else if (name == "--mode" && value == "update")
      a.mode = StepMode::kUpdate;
    else if (name != "--mode" || value != "training")
      throw Error(name + " " + value + "?");
  }
  return a;
}

std::string describe(const Recipe& r, const NetSpec& spec) {
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  return Json::object({{"net", r.model.name},
                       {"weight", name_of(r.quant.weight.scheme)},
                       {"activation", name_of(r.quant.activation.scheme)},
                       {"width", r.model.width},
                       {"stem", name_of(r.model.stem)},
                       {"classes", spec.classes},
                       {"h", in.h},
                       {"w", in.w},
                       {"c", in.c},
                       {"batch", r.train.batch},
                       {"optimizer", name_of(r.optimizer.name)},
                       {"momentum", r.optimizer.momentum},
                       {"nesterov", r.optimizer.nesterov},
                       {"weight_decay", r.optimizer.weight_decay},
                       {"label_smoothing", r.train.label_smoothing},
                       {"threads", threads()}})
      .dump();
}

std::string answer(const std::string& line, const Recipe& recipe, RecipeStep& step) {
  std::istringstream words(line);
  std::ostringstream out;
  std::string word;
  words >> word;
  if (word == "describe") {
    out << describe(recipe, step.spec());
  } else if (word == "probe") {
    const CoreProbe p = probe_cores(threads());
    out << 1e-9 * p.one << " " << 1e-9 * p.all;
  } else if (word == "memory") {
    reset_high_water();
    step();
    out << pool_stats().high_water_bytes;
  } else if (word == "step") {
    int n = 1;
    words >> n;
    for (int i = 0; i < n; ++i) {
      const auto start = std::chrono::steady_clock::now();
      step();
      out << (i ? " " : "")
          << std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    }
  } else {
    throw Error("'" + line + "'?");
  }
  return out.str();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments a = parse(argc, argv);
    set_threads(a.threads);
    const RecipeText text = find_recipe(a.recipe);
    const Recipe recipe = parse_recipe(text.toml, text.source, a.set);
    RecipeStep step(recipe, recipe.train.batch, a.mode);
    for (std::string line; std::getline(std::cin, line);) std::cout << answer(line, recipe, step) << std::endl;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "step_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
