// Times of a model's forward, as `bantam bench MODEL` prints them. cmd/run/model_bench.h measures them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cmd/report/packed_report.h"
#include "core/json.h"

namespace bantam {

struct ModelBenchOptions {
  int threads = 1;
  int64_t batch = 1;  // images of a run
  int runs = 200, warmup = 20;
  bool ops = false;  // of a packed model: observe the time of each operation, too
  uint32_t active = 0;  // of a packed model: switch
};

// What the threads in use can do at most, measured in the same run.
struct RunLimits {
  double fma = 0;       // multiply-accumulates of f32 a second, from registers
  double popcount = 0;  // of bits: xor, popcount and add, from registers
  double copy = 0;      // bytes a second, read and written, by memcpy of blocks as large as half the model's arena
};

// Of one operation, for one image.
struct OpTime {
  PackedOp op;
  double us = 0;  // the median
};

// The limit that binds an operation: the one by which it takes longest at least.
struct OpLimit {
  const char* name = "copy";  // "fma", "popcount", "copy"
  double us = 0;
};
// Products of bits are held against popcount, all others against fma: one of codes may well pass that. Bytes are those
// of PackedOp::moved_bytes.
OpLimit limit_of(const PackedOp& op, const RunLimits& limits);

struct ModelBenchRow {
  ModelBenchOptions options;                     // as they were resolved
  double median_us = 0, min_us = 0, max_us = 0;  // of a run
  RunLimits limits;                              // zeros without operations
  std::vector<OpTime> ops;

  double images_per_s() const { return 1e6 * double(options.batch) / median_us; }
  double ops_us() const {
    double sum = 0;
    for (const OpTime& o : ops) sum += o.us;
    return sum;
  }
};

struct ModelBenchReport {
  std::string model, kind;  // its path; "packed" or "checkpoint"
  std::vector<ModelBenchRow> rows;
};
Json model_bench_json(const ModelBenchReport& report);
std::string model_bench_markdown(const ModelBenchReport& report);

}  // namespace bantam
