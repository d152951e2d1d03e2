// Pools of floats.
#include "compress/runtime/families.h"
#include "ops/kernels/pool.h"

namespace bantam::packed {
namespace {

void max_pool(const OpRun& run, const StageRecord& p, const Block& b, const Block& out, const float* x, float* to) {
  ConvShape s;  // of one output row: exactly the source rows under its windows that lie inside the image
  s.w = int64_t(b.w), s.c = s.k = int64_t(b.c), s.kw = p.kw, s.stride_w = p.sw, s.pad_w = p.pw;
  for (uint64_t oy = out.begin; oy < out.end; ++oy, to += out.w * out.c) {
    const Span rows = window(oy, p.sh, p.ph, p.kh, run.g.h);
    s.h = s.kh = int64_t(rows.end - rows.begin);
    max_pool_f32(s, x + (rows.begin - b.begin) * b.w * b.c, to, 0, int64_t(out.w));
  }
}

void average_pool(const OpRun& run, const StageRecord& p, const Block& b, const Block& out, const float* x, float* to) {
  ConvShape s;  // of one output row: the source rows under its windows, the others being padding
  s.w = int64_t(b.w), s.c = s.k = int64_t(b.c), s.kh = p.kh, s.kw = p.kw, s.stride_w = p.sw, s.pad_w = p.pw;
  s.stride_h = 2 * kMaxSide;  // one row, whatever is padding
  for (uint64_t oy = out.begin; oy < out.end; ++oy, to += out.w * out.c) {
    const Span rows = window(oy, p.sh, p.ph, p.kh, run.g.h);
    s.h = int64_t(rows.end - rows.begin), s.pad_h = int64_t(rows.begin + p.ph) - int64_t(oy * p.sh);
    avg_pool_f32(s, x + (rows.begin - b.begin) * b.w * b.c, to, 0, int64_t(out.w));
  }
}

void adaptive_average(const OpRun& run, const Block& b, const float*, uint8_t*, float* rows) {
  const Geometry& g = run.g;
  const AdaptivePool s = {1, int64_t(g.in_h), int64_t(g.in_w), int64_t(b.c), int64_t(g.h), int64_t(g.w)};
  const int64_t first = int64_t(b.begin * b.w);
  adaptive_avg_pool_f32(s, run.f32(run.op.in), rows - first * s.c, first, int64_t(b.end * b.w));
}

void global_average(const OpRun& run, const Block& b, const float*, uint8_t*, float* rows) {
  global_avg_pool_f32(run.f32(run.op.in), int64_t(run.g.in_h * run.g.in_w), int64_t(b.c), rows, 0, 1);
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_max_pool = {.id = bantam::packed::FamilyId::kMaxPool, .pool = bantam::packed::max_pool};
constexpr bnt_family bnt_family_average_pool = {.id = bantam::packed::FamilyId::kAveragePool,
                                                .pool = bantam::packed::average_pool};
constexpr bnt_family bnt_family_adaptive_average = {.id = bantam::packed::FamilyId::kAdaptiveAverage,
                                                    .rows = bantam::packed::adaptive_average};
constexpr bnt_family bnt_family_global_average = {.id = bantam::packed::FamilyId::kGlobalAverage,
                                                  .rows = bantam::packed::global_average};
