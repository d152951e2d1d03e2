#include "cmd/run/model_bench.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "cmd/report/machine.h"
#include "cmd/report/median.h"
#include "cmd/report/terminal.h"
#include "core/parallel.h"
#include "core/rng.h"
#include "core/tensor.h"

namespace bantam {
namespace {

// Scores of one image, and the time of each operation: what lies between the last tensor of the one before and its own
// last, as the runtime shows them.
std::vector<float> traced(PackedModel* session, const uint8_t* image, const PackedReport& report,
                          std::vector<double>* us) {
  size_t op = 0;
  int shown = 0;
  double last = monotonic_seconds();
  us->assign(report.ops.size(), 0);
  return session->run_traced(image, [&](const bnt_view&) {
    const double now = monotonic_seconds();
    if (op == report.ops.size()) throw Error("bench: the runtime shows more tensors than its operations make");
    (*us)[op] += 1e6 * (now - last);
    if (++shown == report.ops[op].tensors) ++op, shown = 0;
    last = monotonic_seconds();
  });
}

void add_ops(PackedModel* session, const uint8_t* image, const PackedReport& report, ModelBenchRow* row) {
  std::vector<std::vector<double>> times(report.ops.size());  // by operation
  std::vector<double> us;
  for (int i = 0; i < row->options.warmup + row->options.runs; ++i) {
    traced(session, image, report, &us);
    for (size_t op = 0; i >= row->options.warmup && op < us.size(); ++op) times[op].push_back(us[op]);
  }
  for (size_t op = 0; op < times.size(); ++op) row->ops.push_back({report.ops[op], median(times[op])});
  row->limits = {fma_peak(), popcount_peak(), copy_peak(int64_t(report.arena_bytes / 2))};
}

}  // namespace

std::vector<uint8_t> bench_images(int64_t n, int64_t bytes) {
  const Rng rng(0, kRngTest, 1);
  std::vector<uint8_t> images(static_cast<size_t>(n * bytes));
  for (size_t i = 0; i < images.size(); ++i) images[i] = uint8_t(rng.below(i, 256));
  return images;
}

ModelBenchRow bench_runs(const ModelBenchOptions& options, const std::function<void()>& run) {
  ModelBenchRow row;
  row.options = options;
  std::vector<double> us;
  for (int i = 0; i < options.warmup + options.runs; ++i) {
    const double start = monotonic_seconds();
    run();
    if (i >= options.warmup) us.push_back(1e6 * (monotonic_seconds() - start));
  }
  row.median_us = median(us);
  row.min_us = *std::min_element(us.begin(), us.end());
  row.max_us = *std::max_element(us.begin(), us.end());
  return row;
}

ModelBenchRow bench_packed(const PackedModel& model, const std::vector<uint8_t>& file,
                           const ModelBenchOptions& options) {
  set_threads(options.threads);
  ModelBenchOptions resolved = options;
  resolved.threads = threads();
  const bnt_info& info = model.info();
  const std::vector<uint8_t> images = bench_images(options.batch, int64_t(info.h) * info.w * info.c);
  const std::unique_ptr<PackedModel> session = model.parallel_session(), alone = model.another_session();
  session->set_switch(options.active);
  alone->set_switch(options.active);
  const std::vector<float> want = alone->run(images.data(), size_t(options.batch));
  const auto as_wanted = [&](const std::vector<float>& scores) {  // in all bits, NaN's too
    return memcmp(scores.data(), want.data(), scores.size() * sizeof(float)) == 0;
  };
  if (!as_wanted(session->run(images.data(), size_t(options.batch))))
    throw Error("bench: " + std::to_string(resolved.threads) + " lanes give other scores than one");
  const PackedReport report = report_of(file, options.active);
  if (options.ops) {
    std::vector<double> us;
    if (!as_wanted(traced(session.get(), images.data(), report, &us)))
      throw Error("bench: a traced run gives other scores than one that is not");
  }
  ModelBenchRow row = bench_runs(resolved, [&] { session->run(images.data(), size_t(options.batch)); });
  if (options.ops) add_ops(session.get(), images.data(), report, &row);
  return row;
}

}  // namespace bantam
