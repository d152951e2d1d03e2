#include "compress/pack/planner.h"

#include <algorithm>
#include <numeric>

#include "bantam_fault.h"

namespace bantam::packed {
namespace {

uint64_t rounded(uint64_t bytes, uint64_t align) { return (bytes + align - 1) / align * align; }
bool meet(const Lifetime& a, const Lifetime& b) {
#ifdef BANTAM_FAULT_PLANNER_FORGETS_LAST_USE
  return a.first < b.last && b.first < a.last;
#else
  return a.first <= b.last && b.first <= a.last;
#endif
}

}  // namespace

ArenaPlan plan_arena(const std::vector<Lifetime>& tensors, uint64_t align) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return tensors[a].bytes > tensors[b].bytes; });

  ArenaPlan plan;
  plan.offsets.assign(tensors.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t i : order) {
    const uint64_t bytes = rounded(tensors[i].bytes, align);
    uint64_t at = 0;
    for (size_t j : placed) {
      if (!meet(tensors[i], tensors[j])) continue;
      if (at + bytes <= plan.offsets[j]) break;  // fits below j
      at = std::max(at, plan.offsets[j] + rounded(tensors[j].bytes, align));
    }
    plan.offsets[i] = at;
    plan.bytes = std::max(plan.bytes, at + bytes);
    const auto above = [&](size_t j) { return plan.offsets[j] > at; };
    placed.insert(std::find_if(placed.begin(), placed.end(), above), i);
  }
  return plan;
}

uint64_t live_bytes(const std::vector<Lifetime>& tensors, uint64_t align) {
  uint64_t most = 0;
  for (const Lifetime& moment : tensors) {  // the sum only grows where a life begins
    uint64_t sum = 0;
    for (const Lifetime& t : tensors)
      if (t.first <= moment.first && moment.first <= t.last) sum += rounded(t.bytes, align);
    most = std::max(most, sum);
  }
  return most;
}

}  // namespace bantam::packed
