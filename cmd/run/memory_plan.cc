#include "cmd/run/memory_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "cmd/recipe/data_source.h"
#include "cmd/errors.h"
#include "cmd/report/net_report.h"
#include "cmd/recipe/build.h"
#include "cmd/recipe/training.h"
#include "cmd/report/text.h"
#include "cmd/run/train.h"
#include "core/pool.h"
#include "nn/net.h"

namespace bantam {
namespace {

// The pieces between every two cuts, and what each costs.
struct Pieces {
  std::vector<int> cuts;
  std::vector<std::vector<SegmentCost>> cost;         // [i][j], i < j
  std::vector<double> work;                           // of cuts[i] ... cuts[i + 1]

  Pieces(const NetSpec& spec, int64_t batch, SumOrder order, bool bytes) {
    const DryRun dry;
    Net net(spec);
    cuts = net.plan.cuts();
    Tensor byte_values;
    if (bytes) byte_values = Tensor::empty({net.plan.input().c, 256});
    const size_t n = cuts.size();
    cost.assign(n, std::vector<SegmentCost>(n));
    for (size_t i = 0; i < n; ++i)
      for (size_t j = i + 1; j < n; ++j)
        cost[i][j] = bantam::cost_of(net.plan, net.parameters, {cuts[i], cuts[j]}, batch, order, byte_values);
    const NetCost nodes = cost_of(spec);
    for (size_t i = 0; i + 1 < n; ++i) {
      double sum = 0;
      for (int k = cuts[i] + 1; k <= cuts[i + 1]; ++k) {
        const NodeCost& node = nodes.nodes[size_t(k)];
        sum += double(node.macs) / (node.binary_macs ? 8 : 1) + 16.0 * double(node.output.size());
      }
      work.push_back(sum);
    }
  }
};

// Ways to run the net up to a cut, none of which is worse than another in both what it holds and what it costs.
struct Way {
  size_t held = 0;   // all along, while what follows runs
  size_t input = 0;  // and while the next piece runs: its input, where that is made again for it
  double extra = 0;  // work done a second time
  size_t from = 0, way = 0;
  bool again = false;  // the piece from `from` to here
};

// The segments with the least extra work such that no piece needs more than `room`, above parameters, states and input.
std::optional<RecomputePlan> cheapest(const Pieces& p, bool update_along, size_t room) {
  const size_t n = p.cuts.size();
  std::vector<size_t> gradients_after(n, 0);  // of parameters whose backward pass comes before
  if (!update_along)
    for (size_t i = n - 1; i-- > 0;) gradients_after[i] = gradients_after[i + 1] + p.cost[i][i + 1].gradients;
  std::vector<std::vector<Way>> ways(n);
  ways[0] = {Way{}};
  for (size_t j = 1; j < n; ++j) {
    std::vector<Way> all;
    for (size_t i = 0; i < j; ++i) {
      const SegmentCost& c = p.cost[i][j];
      double work = 0;
      for (size_t k = i; k < j; ++k) work += p.work[k];
      for (size_t w = 0; w < ways[i].size(); ++w) {
        const Way& before = ways[i][w];
        const size_t held = before.held + before.input + gradients_after[j];
        if (held + std::max(c.forward_peak + c.output, c.backward_peak) <= room)
          all.push_back({before.held + c.output, 0, before.extra + work, i, w, true});
        if (i + 1 == j && held + std::max(c.forward_peak, c.backward_peak) <= room)
          all.push_back(
              {before.held + c.kept - (c.remakes ? c.output : 0), c.remakes ? c.output : 0, before.extra, i, w, false});
      }
    }
    std::sort(all.begin(), all.end(),
              [](const Way& a, const Way& b) { return a.held != b.held ? a.held < b.held : a.extra < b.extra; });
    for (const Way& w : all)
      if (ways[j].empty() || w.extra < ways[j].back().extra) ways[j].push_back(w);
  }
  if (ways[n - 1].empty()) return std::nullopt;
  RecomputePlan plan;
  double total = 0;
  for (double w : p.work) total += w;
  size_t j = n - 1, w = ways[j].size() - 1;  // what holds most costs least
  plan.extra = ways[j][w].extra / total;
  while (j > 0) {
    const Way way = ways[j][w];
    if (way.again) plan.segments.push_back({p.cuts[way.from], p.cuts[j]});
    j = way.from;
    w = way.way;
  }
  std::reverse(plan.segments.begin(), plan.segments.end());
  return plan;
}

std::string holders(const MemoryPlan& plan) {
  std::string s;
  for (size_t i = 0; i < plan.at_peak.size() && i < 5; ++i) {
    const MemoryItem& item = plan.at_peak[i];
    s += (i ? ", " : "") + (item.who.empty() ? std::string() : item.who + " ") +
         (item.what.empty() ? "other" : item.what) + " " + bytes_text(item.bytes);
  }
  return s;
}

}  // namespace

RecomputePlan plan_memory(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held, size_t limit) {
  const auto report_of = [&](const List<Segment>& segments) { return memory_report(recipe, spec, held, segments); };
  const int64_t batch = recipe.train.batch;
  const bool update_along = update_mode(recipe) == UpdateMode::kAlong;
  MemoryReport least = report_of({});
  RecomputePlan plan;
  plan.peak_bytes = least.training.peak_bytes;
  if (plan.peak_bytes <= limit) return plan;
  const Pieces pieces(spec, batch, sum_order(recipe), held.bytes);
  const size_t fixed = least.parameter_bytes + least.optimizer_bytes + least.batch_bytes;
  // What a piece takes alone is not quite what it takes among others. So plans are made for many a room, from the
  // smallest to what the step takes as it is, each is run dry as a whole, and the cheapest that fits is taken.
  constexpr int kRooms = 256;
  const size_t largest = plan.peak_bytes > fixed ? plan.peak_bytes - fixed : 0;
  std::optional<RecomputePlan> best;
  double last_extra = -1;
  for (int i = 1; i <= kRooms; ++i) {
    std::optional<RecomputePlan> found = cheapest(pieces, update_along, size_t(double(largest) * 1.1 * i / kRooms));
    if (!found || found->extra == last_extra) continue;
    last_extra = found->extra;
    MemoryReport report = report_of(found->segments);
    found->peak_bytes = report.training.peak_bytes;
    if (report.training.peak_bytes <= limit && (!best || found->extra < best->extra)) best = found;
    if (report.training.peak_bytes < least.training.peak_bytes) least = std::move(report);
  }
  if (best) return *best;
  throw UsageError("--mem-limit " + bytes_text(limit) + ": a step of batch " + std::to_string(batch) +
                   " takes at least " + bytes_text(least.training.peak_bytes) + ", " +
                   bytes_text(least.training.peak_bytes - limit) +
                   " more, with recomputation; the largest at its peak: " + holders(least.training) +
                   "; a smaller train.batch takes less");
}

HeldBatches held_batches(const Recipe& recipe) { return {loader_batches(), trains_on_bytes(recipe)}; }

RecomputePlan plan_recipe(const Recipe& recipe, const NetSpec& spec, size_t limit) {
  const size_t evaluation = evaluation_peak(recipe, spec, held_batches(recipe));
  if (evaluation > limit)
    throw UsageError("--mem-limit " + bytes_text(limit) + ": evaluation of train.eval_batch = " +
                     std::to_string(recipe.train.eval_batch) + " images takes " + bytes_text(evaluation) + ", " +
                     bytes_text(evaluation - limit) + " more; a smaller train.eval_batch takes less");
  return plan_memory(recipe, spec, held_batches(recipe), limit);
}

std::string describe(const RecomputePlan& plan, const NetSpec& spec) {
  std::string text = "a step takes " + bytes_text(plan.peak_bytes);
  for (size_t i = 0; i < plan.segments.size(); ++i) {
    const Segment& s = plan.segments[i];
    text += (i ? ", " : ", with ") + spec.nodes[size_t(s.begin + 1)].name + " to " + spec.nodes[size_t(s.end)].name;
  }
  if (!plan.segments.empty())
    text += " computed again in backward, " + fixed(100 * plan.extra, 0) + " % of the forward pass";
  return text;
}

size_t parse_bytes(const std::string& text) {
  const auto fail = [&]() -> size_t {
    throw UsageError("--mem-limit: '" + text + "' is not a number of bytes, as in 500000000, 512MiB or 1.5GiB");
  };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number > 0)) return fail();
  std::string unit(end, text.data() + text.size());
  while (!unit.empty() && unit.front() == ' ') unit.erase(0, 1);
  int shift = -1;
  for (const auto& [name, bits] : {std::pair{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}})
    if (unit == name) shift = bits;
  const double bytes = std::floor(std::ldexp(number, shift));
  if (shift < 0 || !(bytes >= 1) || bytes > 1e15) return fail();
  return size_t(bytes);
}

}  // namespace bantam
