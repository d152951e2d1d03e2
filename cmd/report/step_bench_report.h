// Times of whole steps, as `bantam bench RECIPE` prints them. cmd/run/step_bench.h measures them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cmd/report/machine.h"
#include "core/json.h"

namespace bantam {

struct StepBenchOptions {
  int threads = 1;
  int64_t batch = 0;        // 0: the recipe's
  int runs = 0;             // timed steps; 0: as many as fit in some seconds, 5 to 500
  int warmup = 2;           // steps before
  bool evaluation = false;  // the evaluation forward instead of a training step
};

// Of one node of the net (or of one phase, where no node accounts for the time), the median of some observed steps.
struct NodeTimes {
  std::string name, kind;
  double forward_ms = 0, backward_ms = 0;
  int64_t macs = 0;                                      // of the batch, forward; 0 for what multiplies no matrices
  std::string forward, input_gradient, weight_gradient;  // algorithms of a convolution or linear layer; "" for none
};

struct StepBenchRow {
  std::string recipe;
  StepBenchOptions options;  // as they were resolved
  double median_ms = 0, min_ms = 0, max_ms = 0;
  double cpu_ms = 0;       // median of the process's CPU time of a step: other programs on the machine do not count
  double flops = 0;        // of a step, nominal: 2 for each multiply-add of a direct convolution, all passes
  double peak_gflops = 0;  // 2 x fused multiply-adds of these threads from registers, the better of before and after
  size_t pool_high_water_bytes = 0;  // over a step; parameters, optimizer state and the batch included
  std::vector<NodeTimes> nodes;
  double forward_ms = 0, loss_ms = 0, backward_ms = 0, optimizer_ms = 0;  // of the observed steps

  double images_per_s() const { return 1e3 * double(options.batch) / median_ms; }
  double gflops() const { return 1e-6 * flops / median_ms; }
  double peak_share() const { return gflops() / peak_gflops; }
};

// Sums by kind, the most time first. Convolutions of different algorithms are kinds of their own: "conv winograd".
std::vector<NodeTimes> by_kind(const std::vector<NodeTimes>& nodes);

struct StepBenchReport {
  CoreProbe before, after;
  std::vector<StepBenchRow> rows;
};
Json step_bench_json(const StepBenchReport& report);
std::string step_bench_csv(const StepBenchReport& report);
std::string step_bench_markdown(const StepBenchReport& report);  // what a person reads, on a terminal, too

}  // namespace bantam
