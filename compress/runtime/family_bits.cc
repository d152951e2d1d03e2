// Tensors of bits: loaded as +1 and -1, made of floats by their signs, of sums by thresholds; pooled as bits.
#include "compress/runtime/families.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/threshold.h"

namespace bantam::packed {
namespace {

// Where a task's words go: those of its channels in each pixel of its rows.
uint64_t* words_at(const OpRun& run, const Block& out) {
  return run.bits(run.op.out_codes) + out.begin * out.w * words_for(run.g.c) + out.first_c / kWordBits;
}

void load(const OpRun& run, const Block& b, float* rows) {
  unpack_signs(run.bits(run.op.in) + b.begin * b.w * words_for(b.c), b.pixels(), int64_t(b.c), rows);
}

void encode(const OpRun& run, const Block& out, const float* x) {
  uint64_t* to = words_at(run, out);
  if (out.c == run.g.c) return pack_signs(x, out.pixels(), int64_t(out.c), to);
  for (int64_t p = 0; p < out.pixels(); ++p, x += out.c, to += words_for(run.g.c)) pack_signs(x, 1, int64_t(out.c), to);
}

// Output rows of bits: the OR of their windows, turned round where `after` says so.
void pool(const OpRun& run, const Block& b, const Block& out, const uint64_t* rows, const uint64_t* after) {
  const StageRecord& p = run.stages[run.g.pool];
  const uint64_t words = words_for(b.c);
  uint64_t* to = words_at(run, out);
  for (uint64_t oy = out.begin; oy < out.end; ++oy) {
    const Span ys = window(oy, p.sh, p.ph, p.kh, run.g.h);
    for (uint64_t ox = 0; ox < out.w; ++ox, to += words_for(run.g.c)) {
      const Span xs = window(ox, p.sw, p.pw, p.kw, b.w);
      for (uint64_t i = 0; i < words; ++i) {
        uint64_t any = 0;
        for (uint64_t y = ys.begin; y < ys.end; ++y)
          for (uint64_t x = xs.begin; x < xs.end; ++x) any |= rows[((y - b.begin) * b.w + x) * words + i];
        to[i] = any ^ after[i];
      }
    }
  }
}

void threshold(const OpRun& run, const Block& b, const Block& out, int32_t* sums, uint8_t* codes, uint8_t* kernel) {
  const Geometry& g = run.g;
  const int32_t* lo = run.m.payload<int32_t>(run.op.thresholds);
  const uint64_t* masks = run.m.payload<uint64_t>(uint32_t(run.op.thresholds + threshold_masks(g.c, g.out)));
  const uint64_t first_word = b.first_c / kWordBits, words = words_for(b.c);
  const bnt_family& conv = run.families[family_of(g.product)];
  // Before a pool, and of a part of the channels, the bits lie side by side in `codes`.
  const bool direct = g.pool < 0 && b.c == g.c;
  uint64_t* const to = direct ? words_at(run, out) : reinterpret_cast<uint64_t*>(codes);
  if (conv.sums_to_bits) {
    conv.sums_to_bits(run, b, kernel, to);
  } else {
    conv.sums(run, b, kernel, sums);
    threshold_bits(sums, b.pixels(), int64_t(b.c), {lo + b.first_c, lo + g.c + b.first_c, masks + first_word}, to);
  }
  if (g.pool >= 0)
    pool(run, b, out, to, masks + words_for(g.c) + first_word);
  else if (!direct)
    copy_parts(to, words * 8, words_at(run, out), words_for(g.c) * 8, words * 8, b.pixels());
}

// Signs of 66 values: all +1 (-0.0 too) but channels 1 and 65; then thresholds on sums.
bool sane() {
  float values[66];
  for (float& v : values) v = -0.0f;
  values[1] = -1.0f, values[65] = -0x1p-100f;
  uint64_t bits[2] = {0, 0};
  pack_signs(values, 1, 66, bits);
  if (bits[0] != ~uint64_t(2) || bits[1] != 1) return false;
  const int32_t sums[4] = {-3, 0, 5, 7}, lo[4] = {-3, 1, 0, INT32_MIN}, hi[4] = {INT32_MAX, INT32_MAX, 4, 6};
  const uint64_t flip[1] = {8};
  threshold_bits(sums, 1, 4, {lo, hi, flip}, bits);
  return bits[0] == 9;  // inside; below; above; above, flipped
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_bits = {.id = bantam::packed::FamilyId::kBits,
                                                   .load = bantam::packed::load,
                                                   .encode = bantam::packed::encode,
                                                   .threshold = bantam::packed::threshold,
                                                   .sane = bantam::packed::sane};
