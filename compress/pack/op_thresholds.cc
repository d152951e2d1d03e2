#include "compress/pack/op_thresholds.h"

#include "bantam_fault.h"
#include "compress/pack/thresholds.h"

namespace bantam::packed {
namespace {

// The stages that thresholds stand in for, and the pool among them.
struct Split {
  std::vector<const StageRecord*> scalar;
  size_t before_pool = 0;  // scalar stages
  int pool = -1;           // index of the pool among the chain's stages
};
bool split(const Chain& chain, Split* out) {
  for (size_t i = 0; i < chain.stages.size(); ++i) {
    const StageKind kind = StageKind(chain.stages[i].kind);
    if (kind == StageKind::kMaxPool)
      out->pool = int(i), out->before_pool = out->scalar.size();
    else if (scalar_form(kind))
      out->scalar.push_back(&chain.stages[i]);
    else
      return false;
  }
  return true;
}

}  // namespace

void use_thresholds(FileBuilder* file, Chain* chain) {
  OpRecord& op = chain->op;
  Split stages;
  if (!split(*chain, &stages)) return;
  const bool pooled = stages.pool >= 0;
  const int64_t limit = int64_t(op.kh) * op.kw * chain->in.c;
  const size_t words = words_for(op.k);
  std::vector<int32_t> lo(op.k), hi(op.k);
  std::vector<uint64_t> flip(words), after(words);
  for (uint32_t c = 0; c < op.k; ++c) {
    std::vector<ScalarStage> all, behind_pool;
    for (const StageRecord* s : stages.scalar)
      all.push_back({StageKind(s->kind), s->a ? file->payload_value<float>(s->a, c) : 0.0f,
                     s->b ? file->payload_value<float>(s->b, c) : 0.0f});
    if (pooled) behind_pool.assign(all.begin() + std::ptrdiff_t(stages.before_pool), all.end());
    Threshold t;
    const int d = direction(behind_pool);
    if (d == 0 || !find_threshold(all, int32_t(limit), &t)) return;
    bool both = d < 0 && pooled;  // AND is the complement of the OR of complements
#ifdef BANTAM_FAULT_POOL_OF_FALLING_NORM_ORS
    both = false;
#endif
    lo[c] = t.lo, hi[c] = t.hi;
    flip[c / 64] |= uint64_t(t.flip != both) << (c % 64);
    after[c / 64] |= uint64_t(both) << (c % 64);
  }
  std::vector<uint8_t> bytes(threshold_masks(op.k) + (pooled ? 2 : 1) * words * 8);
  memcpy(bytes.data(), lo.data(), op.k * 4);
  memcpy(bytes.data() + op.k * 4, hi.data(), op.k * 4);
  memcpy(bytes.data() + threshold_masks(op.k), flip.data(), words * 8);
  if (pooled) memcpy(bytes.data() + threshold_masks(op.k) + words * 8, after.data(), words * 8);
  op.thresholds = file->payload(bytes);
  op.n_stages = pooled ? 1 : 0;
  const std::vector<StageRecord> all = std::move(chain->stages);
  const std::vector<int> nodes = std::move(chain->nodes);
  chain->stages.clear(), chain->nodes.clear();
  if (pooled) chain->stages.push_back(all[size_t(stages.pool)]), chain->nodes.push_back(nodes[size_t(stages.pool)]);
}

}  // namespace bantam::packed
