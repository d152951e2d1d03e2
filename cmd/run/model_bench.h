// Times a model's forward on images made in memory: what `bantam bench MODEL` prints.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "cmd/report/model_bench_report.h"
#include "compress/pack/packed_model.h"

namespace bantam {

// n images of so many bytes, always the same.
std::vector<uint8_t> bench_images(int64_t n, int64_t bytes);

// Times run() after some to warm up.
ModelBenchRow bench_runs(const ModelBenchOptions& options, const std::function<void()>& run);

// A packed model on one session, whose lanes are options.threads threads: sets their number. Throws Error, before
// anything is timed, if the scores are not those of one lane, or if observing an operation's time changes any.
// `file` is the model's.
ModelBenchRow bench_packed(const PackedModel& model, const std::vector<uint8_t>& file,
                           const ModelBenchOptions& options);

}  // namespace bantam
