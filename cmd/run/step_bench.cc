#include "cmd/run/step_bench.h"

#include <algorithm>
#include <ctime>
#include <map>

#include "cmd/report/machine.h"
#include "cmd/report/median.h"
#include "cmd/report/terminal.h"
#include "cmd/run/recipe_step.h"
#include "cmd/run/work_times.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "nn/forward.h"
#include "nn/kinds/kind.h"
#include "ops/conv/work.h"

namespace bantam {
namespace {

constexpr double kTimedSeconds = 3;  // of steps, where the number of runs is not given
constexpr double kObservedSeconds = 0.5;

// The shape of a convolution's or linear layer's product for a batch; false for other nodes.
bool product_shape(const NetSpec& spec, size_t index, const std::vector<Shape>& shapes, int64_t batch, ConvShape* s) {
  const NodeSpec& node = spec.nodes[index];
  if (node.inputs.empty()) return false;
  const Shape& in = shapes[size_t(node.inputs[0])];
  if (const auto* c = std::get_if<ConvConfig>(&node.config)) {
    *s = {batch,       in[1],       in[2],    in[3],    c->out_channels, c->kernel_h,   c->kernel_w,
          c->stride_h, c->stride_w, c->pad_h, c->pad_w, c->dilation_h,   c->dilation_w, c->groups};
    return true;
  }
  if (const auto* l = std::get_if<LinearConfig>(&node.config)) {
    *s = {.n = batch, .c = in[1], .k = l->out_features};
    return true;
  }
  return false;
}

// Nodes below which nothing is trained: their input's gradient is not computed.
std::vector<bool> gradient_stops(const NetSpec& spec) {
  std::vector<bool> trains(spec.nodes.size()), stops(spec.nodes.size());
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    const NodeSpec& node = spec.nodes[i];
    bool below = false;
    for (int j : node.inputs) below = below || trains[size_t(j)];
    stops[i] = !below;
    trains[i] = below || room_of(node.kind).parameters;
  }
  return stops;
}

// One entry a node of the net, without times.
std::vector<NodeTimes> nodes_of(const NetSpec& spec, const StepBenchOptions& o, SumOrder order, double* flops) {
  const std::vector<Shape> shapes = infer_shapes(spec);
  const std::vector<bool> stops = gradient_stops(spec);
  std::vector<NodeTimes> nodes;
  *flops = 0;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    NodeTimes n;
    n.name = spec.nodes[i].name;
    n.kind = name_of(spec.nodes[i].kind);
    ConvShape s;
    if (product_shape(spec, i, shapes, o.batch, &s)) {
      n.macs = s.macs();
      switch (arithmetic_of_layer(spec, int(i))) {
        case Arithmetic::kBits:
          n.forward = "xnor";
          break;
        case Arithmetic::kCodes:
          n.forward = "codes";
          break;
        case Arithmetic::kReal:
        case Arithmetic::kCodedWeights:
          n.forward = name_of(conv_algorithm(s, ConvPass::kForward, o.evaluation ? evaluation_order(spec) : order));
          break;
      }
      if (!o.evaluation) {
        if (!stops[i]) n.input_gradient = name_of(conv_algorithm(s, ConvPass::kInputGrad, order));
        n.weight_gradient = name_of(conv_algorithm(s, ConvPass::kWeightGrad));
      }
      *flops += 2.0 * double(n.macs) * (o.evaluation ? 1 : stops[i] ? 2 : 3);
    }
    nodes.push_back(n);
  }
  return nodes;
}

// Times of observed steps, which all do the same, dealt to the nodes; what has no node is an entry of its own.
void add_times(const std::vector<WorkTimes>& steps, StepBenchRow* row) {
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < row->nodes.size(); ++i) index[row->nodes[i].name] = i;
  for (size_t i = 0; i < steps[0].entries().size(); ++i) {
    const WorkTimes::Entry& e = steps[0].entries()[i];
    std::vector<double> ms;
    for (const WorkTimes& step : steps) ms.push_back(1e3 * step.entries()[i].seconds);
    const double time = median(ms);
    const bool split = e.phase == "forward" || e.phase == "backward";  // into nodes
    auto [it, is_new] = index.emplace(e.name.empty() ? "(" + e.kind + ")" : e.name, row->nodes.size());
    if (is_new)
      row->nodes.push_back({e.name, e.kind == e.phase && split ? e.phase + ", rest" : e.kind, 0, 0, 0, "", "", ""});
    NodeTimes& n = row->nodes[it->second];
    (e.phase == "backward" || e.phase == "optimizer" ? n.backward_ms : n.forward_ms) += time;
    if (e.phase == "forward") row->forward_ms += time;
    if (e.phase == "loss") row->loss_ms += time;
    if (e.kind == "optimizer")  // within the backward pass, where each parameter is updated along with it
      row->optimizer_ms += time;
    else if (e.phase == "backward")
      row->backward_ms += time;
  }
}

double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

}  // namespace

StepBenchRow bench_steps(const std::string& name, const Recipe& recipe, const StepBenchOptions& options) {
  set_threads(options.threads);
  StepBenchRow row;
  row.recipe = name;
  row.options = options;
  StepBenchOptions& o = row.options;
  o.threads = threads();
  if (o.batch == 0) o.batch = recipe.train.batch;
  row.peak_gflops = 2e-9 * fma_peak();

  RecipeStep step(recipe, o.batch, o.evaluation ? StepMode::kEvaluation : StepMode::kTraining);
  row.nodes = nodes_of(step.spec(), o, sum_order(recipe), &row.flops);
  std::vector<double> ms, cpu;
  const auto timed = [&] {
    const double start = monotonic_seconds(), cpu_start = cpu_seconds();
    step();
    cpu.push_back(1e3 * (cpu_seconds() - cpu_start));
    ms.push_back(1e3 * (monotonic_seconds() - start));
  };
  for (int i = 0; i < std::max(o.warmup, 1); ++i) timed();
  if (o.runs == 0) o.runs = int(std::clamp(1e3 * kTimedSeconds / ms.back(), 5.0, 500.0));
  ms.clear();
  cpu.clear();
  for (int i = 0; i < o.runs; ++i) timed();
  row.median_ms = median(ms);
  row.min_ms = *std::min_element(ms.begin(), ms.end());
  row.max_ms = *std::max_element(ms.begin(), ms.end());
  row.cpu_ms = median(cpu);
  row.peak_gflops = std::max(row.peak_gflops, 2e-9 * fma_peak());

  reset_high_water();
  step();
  row.pool_high_water_bytes = pool_stats().high_water_bytes;

  const int observed = int(std::clamp(1e3 * kObservedSeconds / row.median_ms, 2.0, 200.0));
  std::vector<WorkTimes> times(static_cast<size_t>(observed));
  for (WorkTimes& t : times) {
    const ObserveWork observe(&t);
    step();
  }
  add_times(times, &row);
  return row;
}

}  // namespace bantam
