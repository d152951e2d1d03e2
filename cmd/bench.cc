// bantam bench: time of a recipe's training step, or of one image through a checkpoint or a packed model.
#include <algorithm>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/terminal.h"
#include "cmd/report/text.h"
#include "cmd/run/step_bench.h"
#include "core/parallel.h"
#include "core/rng.h"

namespace bantam {
namespace {

void bench_recipe(const BenchArgs& args) {
  const Recipe recipe = load_recipe(args.what, args.set);
  std::vector<int> counts = args.threads;
  if (counts.empty()) counts = {0};
  for (int& count : counts) {
    set_threads(count);
    count = threads();
  }
  const int most = *std::max_element(counts.begin(), counts.end());
  StepBenchReport report;
  report.before = probe_cores(most);
  for (int count : counts)
    report.rows.push_back(bench_steps(args.what, recipe,
                                      {.threads = count,
                                       .batch = recipe.train.batch,
                                       .runs = args.runs.value_or(0),
                                       .warmup = args.warmup.value_or(2),
                                       .evaluation = args.evaluation}));
  report.after = probe_cores(most);
  if (args.format == "json")
    print_report("bench", step_bench_json(report));
  else
    print(args.format == "csv" ? step_bench_csv(report) : step_bench_markdown(report));
}

void check_model_arguments(const BenchArgs& args) {
  if (!args.set.empty())
    throw UsageError("bench: --set, --batch and their like are for recipes; " + args.what + " is none");
  if (args.evaluation) throw UsageError("bench: --eval is for recipes; a model runs its evaluation forward anyway");
  if (args.threads.size() > 1) throw UsageError("bench: --threads: several numbers are for recipes");
  if (args.format != "md" && args.format != "json") throw UsageError("bench: -o " + args.format + " is for recipes");
}

void bench_model(const BenchArgs& args) {
  check_model_arguments(args);
  const int wanted = args.threads.empty() ? 1 : args.threads[0];
  set_threads(wanted);
  AnyModel model = load_any(args.what);
  if (model.packed && (wanted > 1 || threads() != 1))  // a serial build has one thread whatever was asked for
    throw UsageError("bench: --threads: a packed model runs one image on one thread");
  const int runs = args.runs.value_or(200), warmup = args.warmup.value_or(20);
  Tensor image = Tensor::empty({1, model.h, model.w, model.c}, DType::kU8);
  const Rng rng(0, kRngTest, 1);
  for (int64_t i = 0; i < image.size(); ++i) image.mutable_data<uint8_t>()[i] = uint8_t(rng.below(uint64_t(i), 256));

  // What is timed starts at u8 pixels and ends at scores, for both kinds.
  Scorer scorer(&model);
  std::vector<double> us;
  for (int i = 0; i < warmup + runs; ++i) {
    const double start = monotonic_seconds();
    const Tensor scores = scorer(image);
    if (i >= warmup) us.push_back(1e6 * (monotonic_seconds() - start));
  }
  std::sort(us.begin(), us.end());
  const double median = us.size() % 2 ? us[us.size() / 2] : (us[us.size() / 2 - 1] + us[us.size() / 2]) / 2;
  if (args.format == "json") {
    print_report("bench", Json::object({{"model", model.path},
                                        {"kind", model.kind()},
                                        {"threads", threads()},
                                        {"runs", runs},
                                        {"warmup", warmup},
                                        {"median_us", median},
                                        {"min_us", us.front()},
                                        {"max_us", us.back()}}));
  } else {
    print(model.path + " (" + model.kind() + "): one image, " + std::to_string(threads()) + " thread" +
          (threads() > 1 ? "s" : "") + ": median " + fixed(median, 1) + " us of " + std::to_string(runs) +
          " runs after " + std::to_string(warmup) + " (" + fixed(us.front(), 1) + " to " + fixed(us.back(), 1) + ")\n");
  }
}

}  // namespace

int run_bench(const BenchArgs& args) {
  if (names_recipe(args.what))
    bench_recipe(args);
  else
    bench_model(args);
  return kExitOk;
}

}  // namespace bantam
