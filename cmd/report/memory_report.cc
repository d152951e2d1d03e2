#include "cmd/report/memory_report.h"

#include <algorithm>
#include <map>

#include "core/pool.h"
#include "nn/model.h"
#include "ops/loss.h"

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

MemoryReport memory_report(const NetSpec& spec, int64_t batch, const MakeOptimizer& make_optimizer,
                           const HeldBatches& held, bool update_along, SumOrder order, const List<Segment>& recompute) {
  const DryRun dry;
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  MemoryReport report;
  report.batch = batch;
  for (const bool training : {true, false}) {
    start_alloc_trace();
    Model model(spec);
    Tensors inputs;
    Tensor byte_values;
    {
      static const std::string kInput = "input";
      AllocLabel label("batch", &kInput);
      if (training)
        byte_values = hold_batches(in, batch, held, &inputs);
      else
        inputs = {Tensor::empty({1, in.h, in.w, in.c}), Tensor::empty({1}, DType::kI32)};
    }
    if (training) {
      std::unique_ptr<Optimizer> optimizer = make_optimizer({{model.parameters(), 1, 0}});
      Context context;
      context.training = true;
      context.order = order;
      context.recompute = recompute;
      context.byte_values = byte_values;
      const Tensor logits =
          model.forward(context, inputs[0]);  // alive until the end of the backward pass, as in training
      const Tensor loss = cross_entropy(logits, inputs[1]);
      if (update_along) {
        optimizer->begin_step();
        backward({loss}, {}, [&](Parameter& p) {
          optimizer->update(p, 0.1);
          p.zero_grad();
        });
      } else {
        backward(loss);
        for (const Parameter* p : model.parameters())
          report.gradient_bytes += p->grad.defined() ? size_class(p->grad.bytes()) : 0;
        optimizer->step(0.1);
      }
    } else {
      NoGrad no_grad;
      model.forward({.order = evaluation_order(spec), .tap = {}}, inputs[0]);
    }
    std::vector<AllocEvent> events = stop_alloc_trace();
    if (training) {
      report.parameter_bytes = bytes_of(events, "parameter");
      report.optimizer_bytes = bytes_of(events, "optimizer");
      report.batch_bytes = bytes_of(events, "batch");
      report.training = peak_of(events);
    } else {
      report.inference = peak_of(events);
    }
  }
  return report;
}

size_t evaluation_peak(const NetSpec& spec, int64_t batch, int64_t eval_batch, const MakeOptimizer& make_optimizer,
                       const HeldBatches& held) {
  const DryRun dry;
  start_alloc_trace();
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  Model model(spec);
  const std::unique_ptr<Optimizer> optimizer = make_optimizer({{model.parameters(), 1, 0}});
  Tensors inputs;
  const Tensor trained = hold_batches(in, batch, held, &inputs);
  const Tensor byte_values = hold_batches(in, eval_batch, {held.count, true}, &inputs);
  {
    const NoGrad no_grad;
    model.forward({.order = evaluation_order(spec), .tap = {}, .byte_values = byte_values}, inputs[inputs.size() - 2]);
  }
  return peak_of(stop_alloc_trace()).peak_bytes;
}

}  // namespace bantam
