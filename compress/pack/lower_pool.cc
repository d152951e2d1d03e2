// Pools. Those of a window that slides are stages; means over the whole image, or over parts that divide it, are
// sources.
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

void start_adaptive_mean(PackState* s, int node) {
  const AdaptivePoolConfig& p = s->config<AdaptivePoolConfig>(node);
  Chain chain(node);
  chain.op.source = uint8_t(Source::kAdaptiveAverage);
  chain.op.in = f32_of(s, s->input(node));
  chain.op.kh = uint16_t(p.out_h), chain.op.kw = uint16_t(p.out_w);
  chain.in = s->dims(chain.op.in);
  extend(s, &chain);
}

StageRecord windows(PackState* s, const StagePlace& at, StageKind kind) {
  const PoolConfig& p = s->config<PoolConfig>(at.node);
  if (std::max({p.kernel_h, p.kernel_w, p.stride_h, p.stride_w}) > int64_t(kMaxWindow))
    refuse(*s, at.node, "its window is larger than " + std::to_string(kMaxWindow));
  StageRecord r;
  r.kind = uint8_t(kind);
  r.kh = uint8_t(p.kernel_h), r.kw = uint8_t(p.kernel_w), r.sh = uint8_t(p.stride_h), r.sw = uint8_t(p.stride_w);
  r.ph = uint8_t(p.pad_h), r.pw = uint8_t(p.pad_w);
  return r;
}

StageRecord max_pool(PackState* s, const StagePlace& at) { return windows(s, at, StageKind::kMaxPool); }
StageRecord avg_pool(PackState* s, const StagePlace& at) { return windows(s, at, StageKind::kAveragePool); }

bool only_pool(const PackState&, const Chain& chain, int, int) {
  return std::none_of(chain.stages.begin(), chain.stages.end(),
                      [](const StageRecord& r) { return is_pool(StageKind(r.kind)); });
}

// To the size that the image has already.
bool keeps_size(const PackState& s, int node) {
  return s.shapes[size_t(node)] == s.shapes[size_t(s.node(node).inputs[0])];
}

}  // namespace

std::span<const Lowering> pool_lowerings() {
  static constexpr Lowering kRows[] = {
      {.kind = Kind::kMaxPool, .start = start_with_load, .stage = max_pool, .joins = only_pool},
      {.kind = Kind::kAvgPool, .start = start_with_load, .stage = avg_pool, .joins = only_pool},
      {.kind = Kind::kGlobalAvgPool, .start = start_mean},
      {.kind = Kind::kAdaptiveAvgPool, .vanishes = keeps_size, .start = start_adaptive_mean},
  };
  return kRows;
}

}  // namespace bantam::packed
