#include "compress/pack/bands.h"

#include <algorithm>

namespace bantam::packed {
namespace {

Geometry derived(const PackState& s, const Chain& chain) {
  Geometry g;
  Fault fault;
  if (!derive(chain.op, chain.in, chain.out, chain.stages.data(), &g, &fault)) {
    const int at = fault.stage >= 0 ? chain.nodes[size_t(fault.stage)] : chain.root;
    refuse(s, at, "the packed format cannot hold it (field at byte " + std::to_string(fault.at) + " of its record)");
  }
  return g;
}

}  // namespace

Geometry choose_band(const PackState& s, Chain* chain) {
  constexpr uint64_t kPixels = 56, kScratch = 32 * 1024;
  constexpr uint64_t kTasks = 4, kLeastPixels = 28, kLeastValues = 2048;  // what is worth a task of its own
  OpRecord& op = chain->op;
  Geometry best = derived(s, *chain);
  while (op.band < best.out_h && !(op.is_conv() && best.source_rows * best.w >= kPixels)) {
    const uint64_t pixels = best.source_rows * best.w;
    const bool enough = op.is_conv() ? pixels >= kLeastPixels : pixels * best.c >= kLeastValues;
    if (enough && best.out_h <= uint64_t(op.band) * 2 * (kTasks - 1)) break;  // so that several lanes share it
    const uint32_t smaller = op.band;
    op.band = uint32_t(std::min<uint64_t>(best.out_h, op.band * 2));
    const Geometry g = derived(s, *chain);
    if (g.scratch_bytes > std::max(kScratch, best.scratch_bytes)) {
      op.band = smaller;
      break;
    }
    best = g;
  }
  // Deep layers have few rows: what keeps several lanes busy there are parts of the channels. Each gathers its input
  // again, which is little beside a product with kLeast channels or more.
  constexpr uint64_t kLeast = 64;
  static_assert(kLeast % kWordBits == 0);
  const bool whole = std::any_of(chain->stages.begin(), chain->stages.end(), [](const StageRecord& r) {
    return StageKind(r.kind) == StageKind::kSoftmax;  // of all channels
  });
  if (op.is_conv() && op.groups == 1 && best.tasks < kTasks && op.k > kLeast && !whole) {
    const uint64_t parts = std::min((kTasks + best.tasks - 1) / best.tasks, op.k / kLeast);
    const uint64_t words = ((op.k + parts - 1) / parts + kWordBits - 1) / kWordBits;
    if (words * kWordBits < op.k) {
      op.part = uint16_t(words);
      best = derived(s, *chain);
    }
  }
  return best;
}

}  // namespace bantam::packed
