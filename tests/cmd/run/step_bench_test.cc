#include "cmd/run/step_bench.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "cmd/recipe/build.h"
#include "cmd/run/memory_report.h"
#include "cmd/report/net_report.h"
#include "cmd/report/terminal.h"
#include "cmd/run/work_times.h"
#include "core/parallel.h"
#include "core/pool.h"

namespace bantam {
namespace {

Recipe recipe_of(const char* name) {
  const RecipeText text = find_recipe(name);
  return parse_recipe(text.toml, text.source);
}

}  // namespace

TEST_CASE("bench: the memory of a step is what the dry run predicts, to the byte") {
  for (const char* name : {"lenet-mnist", "fashion-mnist-bnn"}) {
    CAPTURE(name);
    const Recipe recipe = recipe_of(name);
    set_threads(1);
    const size_t before = pool_stats().live_bytes;
    const StepBenchRow row = bench_steps(name, recipe, {.threads = 1, .batch = 16, .runs = 1, .warmup = 1});
    Recipe of_16 = recipe;
    of_16.train.batch = 16;
    const MemoryReport memory = memory_report(of_16, net_of(recipe, 28, 28, 1, 10), {1, true});
    CHECK(row.pool_high_water_bytes - before == memory.training.peak_bytes);
    CHECK(pool_stats().live_bytes == before);
  }
  set_threads(0);
}

TEST_CASE("bench: operations are two a multiply-add in three passes, two passes where nothing is trained below") {
  const Recipe recipe = recipe_of("lenet-mnist");
  const StepBenchRow training = bench_steps("l", recipe, {.threads = 1, .batch = 3, .runs = 1, .warmup = 1});
  const StepBenchRow evaluation =
      bench_steps("l", recipe, {.threads = 1, .batch = 3, .runs = 1, .warmup = 1, .evaluation = true});
  const double conv1 = 28 * 28 * 6 * 25, others = 10 * 10 * 16 * 150 + 400 * 120 + 120 * 84 + 84 * 10;
  CHECK(evaluation.flops == 3 * 2 * (conv1 + others));
  CHECK(training.flops == 3 * 2 * (2 * conv1 + 3 * others));
  CHECK(evaluation.backward_ms == 0);
  CHECK(evaluation.optimizer_ms == 0);
  set_threads(0);
}

TEST_CASE("bench: every node of a net has its times, and they add up to those of the phases and kinds") {
  const Recipe recipe = recipe_of("fashion-mnist-bnn");
  const StepBenchRow row = bench_steps("q", recipe, {.threads = 2, .batch = 4, .runs = 2, .warmup = 1});
  const NetSpec spec = net_of(recipe, 28, 28, 1, 10);
  REQUIRE(row.nodes.size() > spec.nodes.size());
  double sum = 0, kinds = 0;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    CHECK(row.nodes[i].name == spec.nodes[i].name);
    CHECK(row.nodes[i].kind == name_of(spec.nodes[i].kind));
    if (spec.nodes[i].kind == Kind::kConv || spec.nodes[i].kind == Kind::kLinear) {
      CHECK(row.nodes[i].forward_ms > 0);
      CHECK(row.nodes[i].backward_ms > 0);
      CHECK(!row.nodes[i].weight_gradient.empty());
      CHECK(row.nodes[i].input_gradient.empty() == (i == 1));
    }
  }
  for (const NodeTimes& n : row.nodes) sum += n.forward_ms + n.backward_ms;
  for (const NodeTimes& k : by_kind(row.nodes)) kinds += k.forward_ms + k.backward_ms;
  CHECK(sum == doctest::Approx(row.forward_ms + row.loss_ms + row.backward_ms + row.optimizer_ms));
  CHECK(sum == doctest::Approx(kinds));
  CHECK(row.min_ms <= row.median_ms);
  CHECK(row.median_ms <= row.max_ms);
  CHECK(row.peak_share() > 0);
  set_threads(0);
}

TEST_CASE("bench: a layer on bits names its kernel xnor, one on other codes codes, one of floats its algorithm") {
  Recipe recipe = recipe_of("fashion-mnist-bnn");
  recipe.quant.layers = "conv3: weight = tanh, activation = relu";
  const StepBenchRow row = bench_steps("q", recipe, {.threads = 1, .batch = 2, .runs = 1, .warmup = 1});
  const auto forward = [&](const std::string& name) {
    for (const NodeTimes& n : row.nodes)
      if (n.name == name) return n.forward;
    return std::string();
  };
  CHECK(forward("conv2") == "xnor");
  CHECK(forward("conv3") == "codes");
  CHECK(forward("fc") != "codes");
  CHECK(!forward("fc").empty());
  set_threads(0);
}

TEST_CASE("bench: a report as JSON has the promised keys in each row, and as CSV a line for each") {
  const Recipe recipe = recipe_of("lenet-mnist");
  StepBenchReport report;
  report.before = report.after = probe_cores(2);
  for (int count : {1, 2})
    report.rows.push_back(bench_steps("lenet-mnist", recipe, {.threads = count, .batch = 2, .runs = 2}));
  set_threads(0);
  const Json json = Json::parse(step_bench_json(report).dump());
  REQUIRE(json.at("rows").size() == 2);
  for (const Json& row : json.at("rows").as_array()) {
    for (const char* key : {"recipe", "threads", "batch", "step_ms_median", "step_ms_min", "step_ms_max",
                            "images_per_s", "gflops", "peak_share", "pool_high_water_bytes"})
      CHECK_MESSAGE(row.find(key), key);
    CHECK(row.at("images_per_s").as_double() == doctest::Approx(2000 / row.at("step_ms_median").as_double()));
  }
  const std::string csv = step_bench_csv(report);
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 3);
  CHECK(report.before.one > 0);
  CHECK(report.before.ratio() > 0);
}

TEST_CASE("work times: a scope's time is without that of the scopes inside, and repeated scopes add up") {
  WorkTimes times;
  const std::string name = "n";
  const ObserveWork observe(&times);
  for (int i = 0; i < 2; ++i) {
    const WorkScope phase({"forward"});
    const WorkScope node({"conv", &name});
    const double begin = monotonic_seconds();
    while (monotonic_seconds() < begin + 2e-3) continue;
  }
  REQUIRE(times.entries().size() == 2);
  const auto& [phase, node] = std::tie(times.entries()[0], times.entries()[1]);
  CHECK(node.phase == "forward");
  CHECK(node.name == "n");
  CHECK(node.calls == 2);
  CHECK(node.seconds >= 4e-3);
  CHECK(phase.seconds >= 0);
}

}  // namespace bantam
