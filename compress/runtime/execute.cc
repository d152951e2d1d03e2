#include "compress/runtime/execute.h"

#include <cstring>

#include "ops/kernels/bitpack.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/gemm_f32.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/kernels/pool.h"

namespace bantam::packed {
namespace {

// Positions [begin, end) under output position `o` of a window that slides, inside [0, size).
struct Span {
  uint64_t begin, end;
};
Span window(uint64_t o, uint64_t stride, uint64_t pad, uint64_t kernel, uint64_t size) {
  const uint64_t end = o * stride + kernel - pad;
  return {o * stride < pad ? 0 : o * stride - pad, end < size ? end : size};
}

// One op on one image. All sizes and places were proved by Reader::check.
struct OpRun {
  const Reader& m;
  const OpRecord op;
  const Geometry& g;
  const StageRecord* stages;
  const uint8_t* image;
  const uint8_t* weights;  // of kXnor: in mem
  uint8_t* arena;

  float* f32(uint32_t tensor) const { return reinterpret_cast<float*>(arena + m.tensor(tensor).arena); }
  uint64_t* bits(uint32_t tensor) const { return reinterpret_cast<uint64_t*>(arena + m.tensor(tensor).arena); }

  void task(uint32_t index, uint8_t* scratch) const;

 private:
  const float* source(uint64_t begin, uint64_t end, float* rows, uint8_t* kernel, uint32_t* stages_done) const;
  void pixels(uint64_t begin, uint64_t end, float* rows) const;
  GemmRows rows_of(uint64_t begin, uint64_t end, float* rows, int64_t group) const;
  void conv_f32_rows(uint64_t begin, uint64_t end, const float* bias, float* rows, uint8_t* kernel) const;
  void stage(const StageRecord& s, const float* x, uint64_t row, uint64_t rows, uint64_t w, float* out) const;
  void threshold_rows(uint64_t out_begin, uint64_t out_end, uint64_t begin, uint64_t end, uint64_t* rows,
                      uint8_t* kernel) const;
  void max_pool(const float* x, uint64_t begin, uint64_t out_begin, uint64_t out_end, float* out) const;
};

void OpRun::pixels(uint64_t begin, uint64_t end, float* rows) const {
  const float* lut = m.payload<float>(m.header().lut);
  const uint8_t* p = image + begin * g.w * g.c;
  for (uint64_t i = 0; i < (end - begin) * g.w; ++i)
    for (uint64_t c = 0; c < g.c; ++c) *rows++ = lut[c * 256 + *p++];
}

// Output rows [begin, end) of a convolution's group: the gather starts further down, the output at `rows`.
GemmRows OpRun::rows_of(uint64_t begin, uint64_t end, float* rows, int64_t group) const {
  GemmRows r = conv_f32_gather(g.conv, f32(op.in), rows, group);
  r.first_h += int64_t(begin) * g.conv.stride_h;
  r.out_h = int64_t(end - begin);
  return r;
}

// Output rows [begin, end) of the canonical convolution.
void OpRun::conv_f32_rows(uint64_t begin, uint64_t end, const float* bias, float* rows, uint8_t* kernel) const {
  const ConvShape& s = g.conv;
  const ConvWeights w = Source(op.source) == Source::kConv ? conv_f32_packed(s, m.payload<float>(op.weights))
                                                           : conv_f32_sign_weights(s, m.payload<uint8_t>(op.weights));
  for (int64_t group = 0; group < s.groups; ++group) {
    const GemmRows r = rows_of(begin, end, rows, group);
    GemmB b = w.first;
    if (b.bits)
      b.bits += group * w.step;
    else
      b.values += group * w.step;
    gemm_f32(r, 0, r.rows(), b, 0, b.cols, bias ? bias + group * b.cols : nullptr, reinterpret_cast<float*>(kernel),
             int64_t(g.gemm_rows));
  }
}

// Rows [begin, end) as the source yields them: in `rows`, or where they lie already. A bias that the kernel adds itself
// counts as a stage done.
const float* OpRun::source(uint64_t begin, uint64_t end, float* rows, uint8_t* kernel, uint32_t* stages_done) const {
  const float* bias = nullptr;
  if (op.is_conv() && op.n_stages && StageKind(stages[0].kind) == StageKind::kBias) {
    bias = m.payload<float>(stages[0].a);
    *stages_done = 1;
  }
  switch (Source(op.source)) {
    case Source::kPixels: pixels(begin, end, rows); break;
    case Source::kLoad: return f32(op.in) + begin * g.w * g.c;
    case Source::kUnpack:
      unpack_signs(bits(op.in) + begin * g.w * words_for(g.c), int64_t((end - begin) * g.w), int64_t(g.c), rows);
      break;
    case Source::kDepthwise: {
      GemmRows r = rows_of(begin, end, rows, 0);
      r.channels = g.conv.c;
      depthwise_f32_rows(r, m.payload<float>(op.weights), bias, 0, r.rows());
      break;
    }
    case Source::kConv:
    case Source::kConvSigns: conv_f32_rows(begin, end, bias, rows, kernel); break;
    case Source::kXnor:
      xnor_conv_f32(g.conv, op.pad_value, bits(op.in), weights, bias, int64_t(begin), int64_t(end), kernel, rows);
      break;
    case Source::kGlobalAverage:
      global_avg_pool_f32(f32(op.in), int64_t(g.in_h * g.in_w), int64_t(g.c), rows, 0, 1);
      break;
  }
  return rows;
}

// out = stage(x) for `rows` rows of w pixels, the first being row `row` of the tensor; out may be x.
void OpRun::stage(const StageRecord& s, const float* x, uint64_t row, uint64_t rows, uint64_t w, float* out) const {
  const int64_t pixels = int64_t(rows * w), c = int64_t(g.c), n = pixels * c;
  switch (StageKind(s.kind)) {
    case StageKind::kBias: return bias_channels_f32(x, m.payload<float>(s.a), out, pixels, c);
    case StageKind::kAffine:
      return affine_channels_f32(x, m.payload<float>(s.a), m.payload<float>(s.b), out, pixels, c);
    case StageKind::kRelu: return relu_f32(x, out, n);
    case StageKind::kPRelu: return prelu_channels_f32(x, m.payload<float>(s.a), out, pixels, c);
    case StageKind::kHardtanh: return clamp_f32(x, -1.0f, 1.0f, out, n);
    case StageKind::kHardSwish: return hard_swish_f32(x, out, n);
    case StageKind::kAdd: return add_f32(x, f32(s.tensor) + row * w * g.c, out, n);
    case StageKind::kMaxPool: return;  // task() does it: it changes the rows
  }
}

// Output rows [out_begin, out_end) of the pool; x holds the source's rows from `begin` on.
void OpRun::max_pool(const float* x, uint64_t begin, uint64_t out_begin, uint64_t out_end, float* out) const {
  const StageRecord& p = stages[g.pool];
  ConvShape s;  // of one output row: exactly the source rows under its windows that lie inside the image
  s.w = int64_t(g.w), s.c = s.k = int64_t(g.c), s.kw = p.kw, s.stride_w = p.sw, s.pad_w = p.pw;
  for (uint64_t oy = out_begin; oy < out_end; ++oy, out += g.out_w * g.c) {
    const Span rows = window(oy, p.sh, p.ph, p.kh, g.h);
    s.h = s.kh = int64_t(rows.end - rows.begin);
    max_pool_f32(s, x + (rows.begin - begin) * g.w * g.c, out, nullptr, 0, int64_t(g.out_w));
  }
}

// Signs of the sums' rows [begin, end) without floats; then, if the op pools, output rows [out_begin, out_end) as the
// OR of their windows.
void OpRun::threshold_rows(uint64_t out_begin, uint64_t out_end, uint64_t begin, uint64_t end, uint64_t* rows,
                           uint8_t* kernel) const {
  const int32_t* lo = m.payload<int32_t>(op.thresholds);
  const uint64_t* flip = m.payload<uint64_t>(uint32_t(op.thresholds + threshold_masks(g.c)));
  const uint64_t words = words_for(g.c);
  uint64_t* out = bits(op.out_bits) + out_begin * g.out_w * words;
  xnor_conv_bits(g.conv, op.pad_value, bits(op.in), weights, {lo, lo + g.c, flip}, int64_t(begin), int64_t(end), kernel,
                 g.pool < 0 ? out : rows);
  if (g.pool < 0) return;
  const StageRecord& p = stages[g.pool];
  const uint64_t* after = flip + words;
  for (uint64_t oy = out_begin; oy < out_end; ++oy) {
    const Span ys = window(oy, p.sh, p.ph, p.kh, g.h);
    for (uint64_t ox = 0; ox < g.out_w; ++ox, out += words) {
      const Span xs = window(ox, p.sw, p.pw, p.kw, g.w);
      for (uint64_t i = 0; i < words; ++i) {
        uint64_t any = 0;
        for (uint64_t y = ys.begin; y < ys.end; ++y)
          for (uint64_t x = xs.begin; x < xs.end; ++x) any |= rows[((y - begin) * g.w + x) * words + i];
        out[i] = any ^ after[i];
      }
    }
  }
}

void OpRun::task(uint32_t index, uint8_t* scratch) const {
  // Output rows of this task, and the source's rows that they need.
  const uint64_t out_begin = uint64_t(index) * op.band;
  const uint64_t out_end = out_begin + op.band < g.out_h ? out_begin + op.band : g.out_h;
  uint64_t begin = out_begin, end = out_end;
  if (g.pool >= 0) {
    const StageRecord& p = stages[g.pool];
    begin = window(out_begin, p.sh, p.ph, p.kh, g.h).begin;
    end = window(out_end - 1, p.sh, p.ph, p.kh, g.h).end;
  }
  uint8_t* const rows_at = scratch;
  uint8_t* const pooled_at = rows_at + aligned(g.rows_bytes);
  uint8_t* const bits_at = pooled_at + aligned(g.pooled_bytes);
  uint8_t* const kernel = bits_at + aligned(g.bits_bytes);
  if (op.thresholds)
    return threshold_rows(out_begin, out_end, begin, end, reinterpret_cast<uint64_t*>(bits_at), kernel);

  float* const final_rows = op.out_f32 != kNone ? f32(op.out_f32) + out_begin * g.out_w * g.c : nullptr;
  float* rows = g.pool < 0 && final_rows ? final_rows : reinterpret_cast<float*>(rows_at);
  uint32_t done = 0;
  const float* x = source(begin, end, rows, kernel, &done);
  uint64_t w = g.w;
  for (uint32_t i = done; i < op.n_stages; ++i) {
    if (int(i) == g.pool) {
      rows = final_rows ? final_rows : reinterpret_cast<float*>(pooled_at);
      max_pool(x, begin, out_begin, out_end, rows);
      begin = out_begin, end = out_end, w = g.out_w;
    } else {
      stage(stages[i], x, begin, end - begin, w, rows);
    }
    x = rows;
  }
  const int64_t pixels = int64_t((out_end - out_begin) * g.out_w);
  if (final_rows && x != final_rows) memcpy(final_rows, x, size_t(pixels) * g.c * 4);
  if (op.out_bits != kNone)
    pack_signs(x, pixels, int64_t(g.c), bits(op.out_bits) + out_begin * g.out_w * words_for(g.c));
}

struct Lanes {
  const OpRun* run;
  uint8_t* scratch;
  uint32_t lanes, per_lane;
};
void lane_task(void* context, uint32_t t, uint32_t lane) {
  const Lanes& l = *static_cast<const Lanes*>(context);
  if (lane < l.lanes && t < l.run->g.tasks) l.run->task(t, l.scratch + size_t(lane) * l.per_lane);
}

void show(const Execution& e, uint32_t tensor) {
  if (!e.tap || tensor == kNone) return;
  const TensorRecord t = e.model->tensor(tensor);
  const bnt_view view = {e.model->string(t.name), bnt_dtype(t.type), {t.h, t.w, t.c}, e.arena + t.arena};
  e.tap(e.tap_user, &view);
}

}  // namespace

void lay_out_weights(const Reader& model, uint8_t* mem) noexcept {
  StageRecord stages[kMaxStages];
  for (uint32_t i = 0; i < model.header().n_ops; ++i) {
    const OpRecord op = model.op(i);
    const Geometry g = model.geometry(op, stages);
    if (Source(op.source) == Source::kXnor)
      xnor_pack_weights(g.conv, op.pad_value, model.payload<uint64_t>(op.weights), mem);
    mem += aligned(g.model_bytes);
  }
}

void execute(const Execution& e, const uint8_t* image, float* scores) noexcept {
  const Reader& m = *e.model;
  StageRecord stages[kMaxStages];
  const uint8_t* weights = e.mem;
  uint8_t* const scratch = e.arena + m.header().arena_base;
  for (uint32_t i = 0; i < m.header().n_ops; ++i) {
    const OpRecord op = m.op(i);
    const Geometry g = m.geometry(op, stages);
    const OpRun run = {m, op, g, stages, image, weights, e.arena};
    if (g.tasks > 1 && e.parallel->lanes > 1) {
      Lanes lanes = {&run, scratch, e.parallel->lanes, m.header().arena_per_lane};
      e.parallel->run(e.parallel->user, uint32_t(g.tasks), lane_task, &lanes);
    } else {
      for (uint32_t t = 0; t < g.tasks; ++t) run.task(t, scratch);
    }
    weights += aligned(g.model_bytes);
    show(e, op.out_f32);
    show(e, op.out_bits);
  }
  const TensorRecord out = m.tensor(m.header().output);
  memmove(scores, e.arena + out.arena, size_t(m.header().n_classes) * 4);  // the self test keeps them where they are
}

bool kernels_are_sane() noexcept {
  // 1 + 2^-11 and 1 + 2^-12: the square of the second exceeds the first by 2^-24, which only a fused multiply-add sees.
  const float a = 1.0f + 0x1p-12f, b = 1.0f + 0x1p-11f;
  alignas(64) float x[2] = {1.0f, a}, weights[2 * 16] = {}, out[1] = {}, scratch[14 * 16];
  weights[0] = -b, weights[16] = a;
  GemmRows r;
  r.src = x, r.pixel = r.channels = 2, r.dst = out, r.dst_pixel = r.dst_row = 1;
  static_assert(gemm_f32_scratch(2, 14) <= int64_t(sizeof scratch / 4));
  gemm_f32(r, 0, 1, GemmB::panels(weights, 1), 0, 1, nullptr, scratch, 14);
  if (out[0] != 0x1p-24f) return false;

  // Signs of 66 values: all +1 (-0.0 too) but channels 1 and 65; then both kinds of thresholds on sums.
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

}  // namespace bantam::packed
