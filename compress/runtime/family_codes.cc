// Tensors of codes: loaded as scale * code, made of floats by rounding, of sums by thresholds; pooled as codes.
#include "compress/runtime/families.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/threshold.h"

namespace bantam::packed {
namespace {

// Where a task's codes go: those of its channels in each pixel of its rows.
uint8_t* bytes_at(const OpRun& run, const Block& out) {
  return run.bytes(run.op.out_codes) + out.begin * out.w * run.g.c + out.first_c;
}

void load(const OpRun& run, const Block& b, float* rows) {
  const float scale = as_float(run.m.tensor(run.op.in).scale);
  codes_to_f32(run.bytes(run.op.in) + b.begin * b.w * b.c, run.g.in.mul, run.g.in.add, rows, b.size());
  scale_f32(rows, scale, rows, b.size());
}

void encode(const OpRun& run, const Block& out, const float* x) {
  const TensorRecord t = run.m.tensor(run.op.out_codes);
  const auto codes = [&](const float* from, int64_t n, uint8_t* to) {
    round_to_codes(from, as_float(t.factor), t.add, t.add + t.top, to, n);
    if (t.flags & TensorRecord::kFirstAboveZero)
      for (int64_t i = 0; i < n; ++i) to[i] = uint8_t(to[i] | (to[i] == 0 && from[i] > 0.0f));
  };
  uint8_t* to = bytes_at(run, out);
  if (out.c == run.g.c) return codes(x, out.size(), to);
  for (int64_t p = 0; p < out.pixels(); ++p, x += out.c, to += run.g.c) codes(x, int64_t(out.c), to);
}

// Output rows of codes: the largest of each window, or the least where `least` says so.
void pool(const OpRun& run, const Block& b, const Block& out, const uint8_t* rows, const uint64_t* least) {
  const StageRecord& p = run.stages[run.g.pool];
  uint8_t* to = bytes_at(run, out);
  for (uint64_t oy = out.begin; oy < out.end; ++oy) {
    const Span ys = window(oy, p.sh, p.ph, p.kh, run.g.h);
    for (uint64_t ox = 0; ox < out.w; ++ox, to += run.g.c) {
      const Span xs = window(ox, p.sw, p.pw, p.kw, b.w);
      for (uint64_t c = 0; c < b.c; ++c) {
        const bool low = least[c / kWordBits] >> (c % kWordBits) & 1;
        uint8_t best = rows[((ys.begin - b.begin) * b.w + xs.begin) * b.c + c];
        for (uint64_t y = ys.begin; y < ys.end; ++y)
          for (uint64_t x = xs.begin; x < xs.end; ++x) {
            const uint8_t v = rows[((y - b.begin) * b.w + x) * b.c + c];
            if (low ? v < best : v > best) best = v;
          }
        to[c] = best;
      }
    }
  }
}

void threshold(const OpRun& run, const Block& b, const Block& out, int32_t* sums, uint8_t* codes, uint8_t* kernel) {
  const Geometry& g = run.g;
  const int32_t* numbers = run.m.payload<int32_t>(run.op.thresholds);
  const uint64_t* masks = run.m.payload<uint64_t>(uint32_t(run.op.thresholds + threshold_masks(g.c, g.out)));
  const uint64_t first_word = b.first_c / kWordBits;
  run.families[family_of(g.product)].sums(run, b, kernel, sums);
  const bool direct = g.pool < 0 && b.c == g.c;
  uint8_t* const to = direct ? bytes_at(run, out) : codes;
  threshold_codes(sums, b.pixels(), int64_t(b.c),
                  {numbers + b.first_c, int64_t(g.out.levels) - 1, masks + first_word, int64_t(g.c)}, to);
  if (g.pool >= 0)
    pool(run, b, out, to, masks + words_for(g.c) + first_word);
  else if (!direct)
    copy_parts(to, b.c, bytes_at(run, out), g.c, b.c, b.pixels());
}

// A half goes to the even number, and what lies outside to the ends; then thresholds that rise, and that fall.
bool sane() {
  const float x[4] = {0.5f, 1.5f, -7.0f, 9.0f};
  uint8_t bytes[4];
  round_to_codes(x, 1.0f, -1, 6, bytes, 4);
  if (bytes[0] != 1 || bytes[1] != 3 || bytes[2] != 0 || bytes[3] != 7) return false;
  const int32_t sums[4] = {-3, 4, 5, 7}, t[8] = {-3, 5, -5, -7, 0, 9, 9, -6};
  const uint64_t falls[1] = {12};
  threshold_codes(sums, 1, 4, {t, 2, falls, 4}, bytes);
  return bytes[0] == 1 && bytes[1] == 0 && bytes[2] == 1 && bytes[3] == 1;
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_codes = {.id = bantam::packed::FamilyId::kCodes,
                                                    .load = bantam::packed::load,
                                                    .encode = bantam::packed::encode,
                                                    .threshold = bantam::packed::threshold,
                                                    .sane = bantam::packed::sane};
