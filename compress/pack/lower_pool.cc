// Pools. A max pool is a stage; the mean over the whole image is a source.
#include <algorithm>

#include "compress/pack/lower.h"

namespace bantam::packed {
namespace {

void start_mean(PackState* s, int node) {
  Chain chain(node);
  chain.op.source = uint8_t(Source::kGlobalAverage);
  chain.op.in = f32_of(s, s->input(node));
  chain.in = s->dims(chain.op.in);
  extend(s, &chain);
}

StageRecord max_pool(PackState* s, const StagePlace& at) {
  const PoolConfig& p = s->config<PoolConfig>(at.node);
  if (std::max({p.kernel_h, p.kernel_w, p.stride_h, p.stride_w}) > int64_t(kMaxWindow))
    refuse(*s, at.node, "its window is larger than " + std::to_string(kMaxWindow));
  StageRecord r;
  r.kind = uint8_t(StageKind::kMaxPool);
  r.kh = uint8_t(p.kernel_h), r.kw = uint8_t(p.kernel_w), r.sh = uint8_t(p.stride_h), r.sw = uint8_t(p.stride_w);
  r.ph = uint8_t(p.pad_h), r.pw = uint8_t(p.pad_w);
  return r;
}

bool only_pool(const PackState&, const Chain& chain, int, int) {
  return std::none_of(chain.stages.begin(), chain.stages.end(),
                      [](const StageRecord& r) { return StageKind(r.kind) == StageKind::kMaxPool; });
}

// To the size that the image has already.
bool keeps_size(const PackState& s, int node) {
  return s.shapes[size_t(node)] == s.shapes[size_t(s.node(node).inputs[0])];
}

}  // namespace

std::span<const Lowering> pool_lowerings() {
  static constexpr Lowering kRows[] = {
      {.kind = Kind::kMaxPool, .start = start_with_load, .stage = max_pool, .joins = only_pool},
      {.kind = Kind::kGlobalAvgPool, .start = start_mean},
      {.kind = Kind::kAdaptiveAvgPool, .vanishes = keeps_size},
  };
  return kRows;
}

}  // namespace bantam::packed
