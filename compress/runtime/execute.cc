#include "compress/runtime/execute.h"

#include <cstring>

#include "ops/kernels/bitpack.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/gemm_f32.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/kernels/pool.h"

namespace bantam::packed {
namespace {

float as_float(uint32_t bits) {
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
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
  const uint8_t* weights;  // in mem, or in the file where nothing had to be laid out
  uint8_t* arena;

  float* f32(uint32_t tensor) const { return reinterpret_cast<float*>(arena + m.tensor(tensor).arena); }
  uint64_t* bits(uint32_t tensor) const { return reinterpret_cast<uint64_t*>(arena + m.tensor(tensor).arena); }
  uint8_t* bytes(uint32_t tensor) const { return arena + m.tensor(tensor).arena; }

  void task(uint32_t index, uint8_t* scratch) const;

 private:
  const float* source(uint64_t begin, uint64_t end, float* rows, uint8_t* kernel, uint32_t* stages_done) const;
  void pixels(uint64_t begin, uint64_t end, float* rows) const;
  GemmRows rows_of(uint64_t begin, uint64_t end, float* rows, int64_t group) const;
  void conv_f32_rows(uint64_t begin, uint64_t end, const float* bias, float* rows, uint8_t* kernel) const;
  void convolve(uint64_t begin, uint64_t end, const float* bias, float* rows, uint8_t* kernel) const;
  void load(uint64_t begin, uint64_t end, float* rows) const;
  void sums(uint64_t begin, uint64_t end, uint8_t* kernel, int32_t* rows) const;
  void stage(const StageRecord& s, const float* x, uint64_t row, uint64_t rows, uint64_t w, float* out) const;
  void threshold_rows(uint64_t out_begin, uint64_t out_end, uint64_t begin, uint64_t end, int32_t* rows, uint8_t* codes,
                      uint8_t* kernel) const;
  void pool_bits(uint64_t out_begin, uint64_t out_end, uint64_t begin, const uint64_t* rows,
                 const uint64_t* after) const;
  void pool_codes(uint64_t out_begin, uint64_t out_end, uint64_t begin, const uint8_t* rows,
                  const uint64_t* least) const;
  void encode(const float* x, uint64_t out_begin, uint64_t out_end) const;
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
  const ConvWeights w = g.product == Product::kFloats ? conv_f32_packed(s, reinterpret_cast<const float*>(weights))
                                                      : conv_f32_sign_weights(s, weights);
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

// Rows [begin, end) of a tensor of bits or codes as floats.
void OpRun::load(uint64_t begin, uint64_t end, float* rows) const {
  const int64_t pixels = int64_t((end - begin) * g.w), c = int64_t(g.c);
  if (g.in.type == Type::kBits) return unpack_signs(bits(op.in) + begin * g.w * words_for(g.c), pixels, c, rows);
  const float scale = as_float(m.tensor(op.in).scale);
  codes_to_f32(bytes(op.in) + begin * g.w * g.c, g.in.mul, g.in.add, rows, pixels * c);
  scale_f32(rows, scale, rows, pixels * c);
}

// Rows [begin, end) of an integer convolution.
void OpRun::sums(uint64_t begin, uint64_t end, uint8_t* kernel, int32_t* rows) const {
  if (g.product == Product::kXnor)
    return xnor_conv_i32(g.conv, op.pad_value, bits(op.in), weights, int64_t(begin), int64_t(end), kernel, rows);
  CodeInput x;
  if (g.in.type == Type::kBits)
    x.bits = bits(op.in);
  else
    x.bytes = bytes(op.in), x.mul = g.in.mul, x.add = g.in.add;
  x.pad = op.pad_value;
  codes_conv_i32(g.conv, x, weights, op.weight_codes().reach(), int64_t(begin), int64_t(end), kernel, rows);
}

void OpRun::convolve(uint64_t begin, uint64_t end, const float* bias, float* rows, uint8_t* kernel) const {
  switch (g.product) {
    case Product::kDepthwise: {
      GemmRows r = rows_of(begin, end, rows, 0);
      r.channels = g.conv.c;
      return depthwise_f32_rows(r, reinterpret_cast<const float*>(weights), bias, 0, r.rows());
    }
    case Product::kFloats:
    case Product::kSigns: return conv_f32_rows(begin, end, bias, rows, kernel);
    case Product::kXnor:
      return xnor_conv_f32(g.conv, op.pad_value, bits(op.in), weights, bias, int64_t(begin), int64_t(end), kernel,
                           rows);
    case Product::kCodes:
      sums(begin, end, kernel, reinterpret_cast<int32_t*>(rows));
      return sums_to_f32(reinterpret_cast<const int32_t*>(rows), rows, int64_t((end - begin) * g.w * g.c));
    case Product::kNone: return;  // no convolution
  }
}

// Rows [begin, end) as the source yields them: in `rows`, or where they lie already. A bias that the kernel adds itself
// counts as a stage done.
const float* OpRun::source(uint64_t begin, uint64_t end, float* rows, uint8_t* kernel, uint32_t* stages_done) const {
  const float* bias = nullptr;
  if (op.is_conv() && g.product != Product::kCodes && op.n_stages && StageKind(stages[0].kind) == StageKind::kBias) {
    bias = m.payload<float>(stages[0].a);
    *stages_done = 1;
  }
  switch (Source(op.source)) {
    case Source::kPixels: pixels(begin, end, rows); break;
    case Source::kLoad:
      if (g.in.type == Type::kF32) return f32(op.in) + begin * g.w * g.c;
      load(begin, end, rows);
      break;
    case Source::kConv: convolve(begin, end, bias, rows, kernel); break;
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

// Output rows [out_begin, out_end) of bits: the OR of their windows, turned round where `after` says so.
void OpRun::pool_bits(uint64_t out_begin, uint64_t out_end, uint64_t begin, const uint64_t* rows,
                      const uint64_t* after) const {
  const StageRecord& p = stages[g.pool];
  const uint64_t words = words_for(g.c);
  uint64_t* out = bits(op.out_codes) + out_begin * g.out_w * words;
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

// The same of codes: the largest of each window, or the least where `least` says so.
void OpRun::pool_codes(uint64_t out_begin, uint64_t out_end, uint64_t begin, const uint8_t* rows,
                       const uint64_t* least) const {
  const StageRecord& p = stages[g.pool];
  uint8_t* out = bytes(op.out_codes) + out_begin * g.out_w * g.c;
  for (uint64_t oy = out_begin; oy < out_end; ++oy) {
    const Span ys = window(oy, p.sh, p.ph, p.kh, g.h);
    for (uint64_t ox = 0; ox < g.out_w; ++ox, out += g.c) {
      const Span xs = window(ox, p.sw, p.pw, p.kw, g.w);
      for (uint64_t c = 0; c < g.c; ++c) {
        const bool low = least[c / kWordBits] >> (c % kWordBits) & 1;
        uint8_t best = rows[((ys.begin - begin) * g.w + xs.begin) * g.c + c];
        for (uint64_t y = ys.begin; y < ys.end; ++y)
          for (uint64_t x = xs.begin; x < xs.end; ++x) {
            const uint8_t v = rows[((y - begin) * g.w + x) * g.c + c];
            if (low ? v < best : v > best) best = v;
          }
        out[c] = best;
      }
    }
  }
}

// Codes of the sums' rows [begin, end) without floats; then, if the op pools, output rows [out_begin, out_end).
void OpRun::threshold_rows(uint64_t out_begin, uint64_t out_end, uint64_t begin, uint64_t end, int32_t* rows,
                           uint8_t* codes, uint8_t* kernel) const {
  const int32_t* numbers = m.payload<int32_t>(op.thresholds);
  const uint64_t* masks = m.payload<uint64_t>(uint32_t(op.thresholds + threshold_masks(g.c, g.out)));
  const uint64_t* second = masks + words_for(g.c);
  const int64_t pixels = int64_t((end - begin) * g.w), c = int64_t(g.c);
  const bool of_bits = g.out.type == Type::kBits, pooled = g.pool >= 0;
  if (!g.makes_bits_at_once()) sums(begin, end, kernel, rows);
  if (of_bits) {
    const Thresholds t = {numbers, numbers + c, masks};
    uint64_t* to = pooled ? reinterpret_cast<uint64_t*>(codes)
                          : bits(op.out_codes) + out_begin * g.out_w * words_for(g.c);
    if (g.makes_bits_at_once())
      xnor_conv_bits(g.conv, op.pad_value, bits(op.in), weights, t, int64_t(begin), int64_t(end), kernel, to);
    else
      threshold_bits(rows, pixels, c, t, to);
    if (pooled) pool_bits(out_begin, out_end, begin, to, second);
    return;
  }
  uint8_t* to = pooled ? codes : bytes(op.out_codes) + out_begin * g.out_w * g.c;
  threshold_codes(rows, pixels, c, {numbers, int64_t(g.out.levels) - 1, masks}, to);
  if (pooled) pool_codes(out_begin, out_end, begin, to, second);
}

// Floats as the op's bits or codes.
void OpRun::encode(const float* x, uint64_t out_begin, uint64_t out_end) const {
  const int64_t pixels = int64_t((out_end - out_begin) * g.out_w), n = pixels * int64_t(g.c);
  if (g.out.type == Type::kBits)
    return pack_signs(x, pixels, int64_t(g.c), bits(op.out_codes) + out_begin * g.out_w * words_for(g.c));
  const TensorRecord t = m.tensor(op.out_codes);
  uint8_t* to = bytes(op.out_codes) + out_begin * g.out_w * g.c;
  round_to_codes(x, as_float(t.factor), t.add, t.add + t.top, to, n);
  if (t.flags & TensorRecord::kFirstAboveZero)
    for (int64_t i = 0; i < n; ++i) to[i] = uint8_t(to[i] | (to[i] == 0 && x[i] > 0.0f));
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
  uint8_t* const codes_at = pooled_at + aligned(g.pooled_bytes);
  uint8_t* const kernel = codes_at + aligned(g.codes_bytes);
  if (op.thresholds)
    return threshold_rows(out_begin, out_end, begin, end, reinterpret_cast<int32_t*>(rows_at), codes_at, kernel);

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
  if (op.out_codes != kNone) encode(x, out_begin, out_end);
}

struct Lanes {
  const OpRun* run;
  uint8_t* scratch;
  uint32_t lanes, per_lane;
  uint32_t sum;  // of marks of the tasks that ran: differs, but by a chance of 2^-32, if one is missing or ran twice
};
// What a task adds to the sum.
uint32_t mark(uint32_t t) {
  t = (t + 1) * 0x9E3779B1u;
  t = (t ^ t >> 15) * 0x85EBCA77u;
  return t ^ t >> 13;
}
void lane_task(void* context, uint32_t t, uint32_t lane) {
  Lanes& l = *static_cast<Lanes*>(context);
  if (lane >= l.lanes || t >= l.run->g.tasks) return;
  l.run->task(t, l.scratch + size_t(lane) * l.per_lane);
  __atomic_fetch_add(&l.sum, mark(t), __ATOMIC_RELAXED);
}

void show(const Execution& e, uint32_t tensor) {
  if (!e.tap || tensor == kNone) return;
  const TensorRecord t = e.model->tensor(tensor);
  const bnt_view view = {e.model->string(t.name), bnt_dtype(t.type), {t.h, t.w, t.c}, e.arena + t.arena,
                         int32_t(t.mul), int32_t(t.add), as_float(t.scale)};
  e.tap(e.tap_user, &view);
}

}  // namespace

namespace {

// Weights that are kept as numbers: for integers, or as panels of floats.
void lay_out_codes(const Reader& model, const OpRecord& op, const Geometry& g, uint8_t* mem) {
  const uint8_t* rows = model.payload<uint8_t>(op.weights);
  const int bits = op.weight_bits, mul = op.weight_mul, add = op.weight_add;
  if (g.product == Product::kCodes)
    return codes_pack_numbers(g.conv, {rows, bits, mul, add, op.weight_codes().reach()}, mem);
  const float* table = op.table ? model.payload<float>(op.table) : nullptr;
  const float* scales = op.scales ? model.payload<float>(op.scales) : nullptr;
  const int64_t c = g.conv.group_c(), depth = g.conv.taps() * c, cols = g.conv.group_k();
  const int64_t row = ceil_div(depth * bits, 8), group_floats = depth * int64_t(round_up(size_t(cols), 16));
  float* const panels = reinterpret_cast<float*>(mem);
  memset(panels, 0, size_t(g.model_bytes));
  for (int64_t k = 0; k < g.conv.k; ++k) {
    const int64_t n = k % cols, first = n / kGemmPanel * kGemmPanel, width = cols - first > 16 ? kGemmPanel : 16;
    float* to = panels + k / cols * group_floats + first * depth + (n - first);
    for (int64_t i = 0; i < depth; ++i) {
      const int32_t number = packed_number(rows + k * row, i, bits);
      const float value = table ? table[number] : float(mul * number + add);
      to[i * width] = scales ? value * scales[k * c + i % c] : value;
    }
  }
}

}  // namespace

void lay_out_weights(const Reader& model, uint8_t* mem) noexcept {
  StageRecord stages[kMaxStages];
  for (uint32_t i = 0; i < model.header().n_ops; ++i) {
    const OpRecord op = model.op(i);
    const Geometry g = model.geometry(op, stages);
    if (g.product == Product::kXnor)
      xnor_pack_weights(g.conv, op.pad_value, model.payload<uint64_t>(op.weights), mem);
    else if (WeightForm(op.weight_form) == WeightForm::kCodes)
      lay_out_codes(model, op, g, mem);
    mem += aligned(g.model_bytes);
  }
}

bool execute(const Execution& e, const uint8_t* image, float* scores) noexcept {
  const Reader& m = *e.model;
  StageRecord stages[kMaxStages];
  const uint8_t* weights = e.mem;
  uint8_t* const scratch = e.arena + m.header().arena_base;
  for (uint32_t i = 0; i < m.header().n_ops; ++i) {
    const OpRecord op = m.op(i);
    const Geometry g = m.geometry(op, stages);
    const uint8_t* laid_out = g.model_bytes || !op.is_conv() ? weights : m.payload<uint8_t>(op.weights);
    const OpRun run = {m, op, g, stages, image, laid_out, e.arena};
    if (g.tasks > 1 && e.parallel->lanes > 1) {
      Lanes lanes = {&run, scratch, e.parallel->lanes, m.header().arena_per_lane, 0};
      e.parallel->run(e.parallel->user, uint32_t(g.tasks), lane_task, &lanes);
      for (uint32_t t = 0; t < g.tasks; ++t) lanes.sum -= mark(t);
      if (lanes.sum) return false;
    } else {
      for (uint32_t t = 0; t < g.tasks; ++t) run.task(t, scratch);
    }
    weights += aligned(g.model_bytes);
    show(e, op.out_f32);
    show(e, op.out_codes);
  }
  const TensorRecord out = m.tensor(m.header().output);
  memmove(scores, e.arena + out.arena, size_t(m.header().n_classes) * 4);  // the self test keeps them where they are
  return true;
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
