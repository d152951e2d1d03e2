#include "cmd/run/memory_report.h"

#include <algorithm>
#include <map>

#include "cmd/recipe/build.h"
#include "cmd/recipe/training.h"
#include "compress/evaluator.h"
#include "core/pool.h"

namespace bantam {
namespace {

// The moment at which most is alive, and what is alive then.
MemoryPlan peak_of(const std::vector<AllocEvent>& events) {
  std::vector<std::pair<uint64_t, int64_t>> changes;
  for (const AllocEvent& e : events) {
    changes.emplace_back(e.born, int64_t(e.bytes));
    if (e.died != UINT64_MAX) changes.emplace_back(e.died, -int64_t(e.bytes));
  }
  std::sort(changes.begin(), changes.end());
  int64_t live = 0, most = 0;
  uint64_t when = 0;
  for (const auto& [time, bytes] : changes) {
    live += bytes;
    if (live > most) {
      most = live;
      when = time;
    }
  }
  std::map<std::pair<std::string, std::string>, size_t> sums;
  for (const AllocEvent& e : events)
    if (e.born <= when && e.died > when) sums[{e.who, e.what}] += e.bytes;
  MemoryPlan plan;
  plan.peak_bytes = size_t(most);
  for (const auto& [key, bytes] : sums) plan.at_peak.push_back({key.first, key.second, bytes});
  std::stable_sort(plan.at_peak.begin(), plan.at_peak.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return plan;
}

size_t bytes_of(const std::vector<AllocEvent>& events, const char* what) {
  size_t sum = 0;
  for (const AllocEvent& e : events)
    if (e.what == what) sum += e.bytes;
  return sum;
}

// What a loader holds; of bytes, their values.
Tensor hold_batches(const InputConfig& in, int64_t batch, const HeldBatches& held, Tensors* all) {
  for (int i = 0; i < held.count; ++i) {
    all->push_back(Tensor::empty({batch, in.h, in.w, in.c}, held.bytes ? DType::kU8 : DType::kF32));
    all->push_back(Tensor::empty({batch}, DType::kI32));
  }
  return held.bytes ? Tensor::empty({in.c, 256}) : Tensor();
}

}  // namespace

MemoryReport memory_report(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held,
                           const List<Segment>& recompute) {
  const DryRun dry;
  MemoryReport report;
  report.batch = recipe.train.batch;
  for (const bool training : {true, false}) {
    start_alloc_trace();
    Net net(spec);
    const InputConfig& in = net.plan.input();
    Tensors inputs;
    Tensor byte_values;
    {
      static const std::string kInput = "input";
      AllocLabel label("batch", &kInput);
      if (training)
        byte_values = hold_batches(in, report.batch, held, &inputs);
      else
        inputs = {Tensor::empty({1, in.h, in.w, in.c}), Tensor::empty({1}, DType::kI32)};
    }
    std::vector<AllocEvent> events;
    if (training) {
      RecipeTraining recipe_training(recipe, &net, recompute);
      recipe_training.step()({inputs[0], byte_values}, inputs[1], 0, recipe.optimizer.lr);
      if (update_mode(recipe) == UpdateMode::kAfter)
        for (const Parameter* p : net.parameters.all()) report.gradient_bytes += size_class(p->value.bytes());
      events = stop_alloc_trace();
      report.parameter_bytes = bytes_of(events, "parameter");
      report.optimizer_bytes = bytes_of(events, "optimizer");
      report.batch_bytes = bytes_of(events, "batch");
      report.training = peak_of(events);
    } else {
      Evaluator(net.plan, net.parameters)(inputs[0]);
      events = stop_alloc_trace();
      report.inference = peak_of(events);
    }
  }
  return report;
}

size_t evaluation_peak(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held) {
  const DryRun dry;
  start_alloc_trace();
  Net net(spec);
  const RecipeTraining recipe_training(recipe, &net);
  Tensors inputs;
  const Tensor trained = hold_batches(net.plan.input(), recipe.train.batch, held, &inputs);
  const Tensor byte_values = hold_batches(net.plan.input(), recipe.train.eval_batch, {held.count, true}, &inputs);
  Evaluator(net.plan, net.parameters)({inputs[inputs.size() - 2], byte_values});
  return peak_of(stop_alloc_trace()).peak_bytes;
}

}  // namespace bantam
