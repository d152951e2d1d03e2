// bantam bench: time of a recipe's training step, or of images through a checkpoint or a packed model.
#include <algorithm>
#include <charconv>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/report/machine.h"
#include "cmd/run/model_bench.h"
#include "cmd/run/step_bench.h"
#include "core/file.h"
#include "core/parallel.h"

namespace bantam {
namespace {

// A row each; resolves nothing yet.
std::vector<int> thread_counts(const BenchArgs& args, int otherwise) {
  return args.threads.empty() ? std::vector<int>{otherwise} : args.threads;
}

void bench_recipe(const BenchArgs& args) {
  if (args.ops) throw UsageError("bench: --ops is for packed models; " + args.what + " is a recipe");
  std::vector<std::string> set = args.set;
  if (!args.batch.empty()) set.push_back("train.batch=" + args.batch);
  const Recipe recipe = load_recipe(args.what, set);
  std::vector<int> counts = thread_counts(args, 0);
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

int64_t images_of_a_run(const std::string& batch) {
  constexpr int64_t kMost = 65536;
  int64_t n = 0;
  const auto [end, error] = std::from_chars(batch.data(), batch.data() + batch.size(), n);
  if (error != std::errc() || end != batch.data() + batch.size() || n < 1 || n > kMost)
    throw UsageError("bench: --batch: '" + batch + "' is not an integer from 1 to " + std::to_string(kMost));
  return n;
}

// Of a checkpoint: its evaluation forward, on all threads of a row.
ModelBenchRow bench_checkpoint(AnyModel* model, ModelBenchOptions options) {
  set_threads(options.threads);
  options.threads = threads();
  Tensor images = Tensor::empty({options.batch, model->h, model->w, model->c}, DType::kU8);
  const std::vector<uint8_t> bytes = bench_images(options.batch, model->h * model->w * model->c);
  std::copy(bytes.begin(), bytes.end(), images.mutable_data<uint8_t>());
  Scorer scorer(model);
  return bench_runs(options, [&] { (void)scorer(images); });
}

// What is timed starts at u8 pixels and ends at scores, for both kinds.
void bench_model(const BenchArgs& args) {
  if (!args.set.empty())
    throw UsageError("bench: --set, --epochs and their like are for recipes; " + args.what + " is none");
  if (args.evaluation) throw UsageError("bench: --eval is for recipes; a model runs its evaluation forward anyway");
  if (args.format != "md" && args.format != "json") throw UsageError("bench: -o " + args.format + " is for recipes");
  ModelBenchOptions options{.batch = args.batch.empty() ? 1 : images_of_a_run(args.batch),
                            .runs = args.runs.value_or(200),
                            .warmup = args.warmup.value_or(20),
                            .ops = args.ops,
                            .active = uint32_t(args.active)};
  AnyModel model = load_any(args.what);
  if (args.active && !model.packed) throw UsageError("bench: --switch is for packed models; " + args.what + " is none");
  if (model.packed) check_switch(model.packed->info(), args.active, args.what);
  if (args.ops && !model.packed) throw UsageError("bench: --ops is for packed models; " + args.what + " is none");
  const Bytes file = model.packed ? read_file(args.what, uint64_t(1) << 32) : Bytes();
  ModelBenchReport report{model.path, model.kind(), {}};
  for (int count : thread_counts(args, 1)) {
    options.threads = count;
    report.rows.push_back(model.packed ? bench_packed(*model.packed, file, options)
                                       : bench_checkpoint(&model, options));
  }
  if (args.format == "json")
    print_report("bench", model_bench_json(report));
  else
    print(model_bench_markdown(report));
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
