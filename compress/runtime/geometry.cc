#include "compress/runtime/geometry.h"

#include "ops/kernels/conv_codes.h"
#include "ops/kernels/conv_planes.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels/gemm_f32.h"
#include "ops/kernels/gemm_xnor.h"

namespace bantam::packed {
namespace {

// Pixels that the f32 convolution packs at a time: more would re-read the weights less often, and take more scratch.
constexpr uint64_t kMaxGemmRows = 56;
// At least as many output rows as the binary convolution works on at a time. [ops/kernels/gemm_xnor.cc: 28]
constexpr uint64_t kMaxXnorRows = 64;

// Positions of a window over `size` values with `pad` on both sides; 0 if it does not fit.
uint64_t positions(uint64_t size, uint64_t pad, uint64_t kernel, uint64_t dilation, uint64_t stride) {
  const uint64_t extent = dilation * (kernel - 1) + 1;
  return size + 2 * pad < extent ? 0 : (size + 2 * pad - extent) / stride + 1;
}

// Codes as planes of bits; x is 0 where they do not fill whole bits.
Planes planes_of(const OpRecord& op, const Elements& in) {
  Planes p{.x = 1, .w = op.weight_bits, .mul = 2, .add = -1, .pad = op.pad_value};
  if (in.type == Type::kBits) return p;
  p.mul = in.mul, p.add = in.add;
  for (p.x = 1; p.x <= 8; ++p.x)
    if (in.levels == 1u << p.x) return p;
  p.x = 0;
  return p;
}

bool derive_conv(const OpRecord& op, Geometry* g, Fault* fault) {
  const auto bad = [fault](uint32_t at) { return fault->at = at, false; };
  if (op.weight_form >= kWeightForms) return bad(OpRecord::kAtWeightForm);
  const WeightForm form = WeightForm(op.weight_form);
  g->product = op.product(g->in.type);
  if (g->product == Product::kNone) return bad(OpRecord::kAtWeightForm);
  const bool coded = form == WeightForm::kCodes || form == WeightForm::kCodePanels, integer = is_integer(g->product);
  if (coded ? op.weight_bits == 0 || op.weight_bits > 8 : op.weight_bits != 0) return bad(OpRecord::kAtWeightBits);
  if (coded ? op.weight_mul == 0 || op.weight_mul > 2 : op.weight_mul != 0) return bad(OpRecord::kAtWeightMul);
  if (coded ? op.weight_top == 0 || op.weight_top >> op.weight_bits : op.weight_top != 0)
    return bad(OpRecord::kAtWeightTop);
  if (coded ? op.weight_add < -kMaxCode || op.weight_codes().reach() > kMaxCode : op.weight_add != 0)
    return bad(OpRecord::kAtWeightAdd);
  bool panel_known = op.panel == 0;
  if (form == WeightForm::kSignPanels) {
    panel_known = false;
    for (int width : kXnorPanels) panel_known = panel_known || int64_t(op.panel) == width;
  }
  if (!panel_known) return bad(OpRecord::kAtPanel);
  if (op.table && (!coded || integer)) return bad(OpRecord::kAtTable);
  if (op.scales && (!coded || integer)) return bad(OpRecord::kAtScales);
  if (op.k == 0 || op.k > kMaxDepth) return bad(OpRecord::kAtK);
  if (op.groups == 0 || g->in_c % op.groups != 0 || op.k % op.groups != 0) return bad(OpRecord::kAtGroups);
  if (g->product == Product::kDepthwise && (op.groups != op.k || g->in_c != op.k)) return bad(OpRecord::kAtGroups);
  if (op.kh == 0 || op.kw == 0 || op.kh > kMaxKernel || op.kw > kMaxKernel) return bad(OpRecord::kAtKernel);
  if (g->product == Product::kDepthwise && uint64_t(op.kh) * op.kw > uint64_t(kDepthwiseMaxTaps))
    return bad(OpRecord::kAtKernel);
  if (op.stride_h == 0 || op.stride_w == 0) return bad(OpRecord::kAtStride);
  if (op.dilation_h == 0 || op.dilation_w == 0) return bad(OpRecord::kAtDilation);
  // A window always touches the image: its padding is smaller than its extent.
  const uint64_t extent_h = uint64_t(op.dilation_h) * (op.kh - 1) + 1,
                 extent_w = uint64_t(op.dilation_w) * (op.kw - 1) + 1;
  if (op.pad_h >= extent_h || op.pad_w >= extent_w) return bad(OpRecord::kAtPad);
  g->h = positions(g->in_h, op.pad_h, op.kh, op.dilation_h, op.stride_h);
  g->w = positions(g->in_w, op.pad_w, op.kw, op.dilation_w, op.stride_w);
  g->c = op.k;
  if (g->h == 0 || g->w == 0 || g->h > kMaxSide || g->w > kMaxSide) return bad(OpRecord::kAtKernel);
  if (op.pad_value < -1 || op.pad_value > 1 || (op.pad_value != 0 && !integer))
    return bad(OpRecord::kAtPadValue);

  ConvShape& s = g->conv;
  s.h = int64_t(g->in_h), s.w = int64_t(g->in_w), s.c = int64_t(g->in_c), s.k = op.k, s.kh = op.kh, s.kw = op.kw;
  s.stride_h = op.stride_h, s.stride_w = op.stride_w, s.pad_h = op.pad_h, s.pad_w = op.pad_w;
  s.dilation_h = op.dilation_h, s.dilation_w = op.dilation_w, s.groups = op.groups;
  const uint64_t depth = uint64_t(op.kh) * op.kw * (g->in_c / op.groups);  // at most 2^40
  const uint64_t cols = op.k / op.groups, padded_cols = round_up(cols, 16);
  const uint64_t panel_bytes = op.groups * depth * padded_cols * 4;
  switch (form) {
    case WeightForm::kPanels: g->weight_bytes = panel_bytes; break;
    case WeightForm::kSignColumns: g->weight_bytes = op.groups * depth * padded_cols / 8; break;
    case WeightForm::kDepthwise: g->weight_bytes = depth * round_up(op.k, 16) * 4; break;
    case WeightForm::kSignRows: g->weight_bytes = uint64_t(op.k) * op.kh * op.kw * words_for(g->in_c) * 8; break;
    case WeightForm::kSignPanels:
      g->weight_bytes = round_up(op.k, 16) * op.kh * op.kw * words_for(g->in_c) * 8;
      break;
    case WeightForm::kCodePanels: break;  // below
    case WeightForm::kCodes: g->weight_bytes = op.k * ((depth * op.weight_bits + 7) / 8); break;
    case WeightForm::kF16:
    case WeightForm::kBf16: g->weight_bytes = op.k * depth * 2; break;
    case WeightForm::kNone: return bad(OpRecord::kAtWeightForm);
  }
  if (panel_bytes > kMaxArenaBytes) return bad(OpRecord::kAtK);
  if (g->weight_bytes > kMaxFileBytes) return bad(OpRecord::kAtK);
  if (depth * op.k > kMaxMacs / (g->h * g->w)) return bad(OpRecord::kAtK);
  g->macs = g->h * g->w * op.k * depth;

  if (is_half(form) || (form == WeightForm::kCodes && !integer)) g->model_bytes = panel_bytes;
  if (g->product == Product::kCodes) {
    if (depth * uint64_t(g->in.reach()) * uint64_t(op.weight_codes().reach()) >= uint64_t(1) << 31)
      return bad(OpRecord::kAtKernel);
    // Scratch holds the padded input rows of a few output rows, below 2^30 bytes for size_t of 32 bits too.
    const uint64_t rows = (28 / g->w * op.stride_h + extent_h + 1) * (g->in_w + 2 * uint64_t(op.pad_w)) * g->in_c;
    if (rows > kMaxArenaBytes / 2 || op.k * (depth + 2 * uint64_t(op.kh) * op.kw) > kMaxArenaBytes / 16)
      return bad(OpRecord::kAtKernel);
    g->kernel_bytes = codes_scratch_bytes(s);
    const uint64_t panels = codes_packed_bytes(s, op.weight_codes().reach());
    (form == WeightForm::kCodePanels ? g->weight_bytes : g->model_bytes) = panels;
    // Which of two kernels is taken depends on the machine; what either needs is there on all.
    const Planes p = planes_of(op, g->in);
    const uint64_t classes = (2 * uint64_t(op.pad_h) + 2) * (2 * uint64_t(op.pad_w) + 2) * round_up(op.k, 16);
    if (form == WeightForm::kCodes && p.x && planes_may_pay(s, p, op.weight_mul, op.weight_add) &&
        classes * 4 <= kMaxArenaBytes / 16) {
      g->planes = p;
      const uint64_t scratch = planes_scratch_bytes(s, p), packed = planes_packed_bytes(s, p);
      if (scratch > g->kernel_bytes) g->kernel_bytes = scratch;
      if (packed > g->model_bytes) g->model_bytes = packed;
    }
  }
  if (g->product == Product::kXnor) {
    if (op.groups != 1) return bad(OpRecord::kAtGroups);
    if (depth >= 1u << 24) return bad(OpRecord::kAtKernel);  // sums must be exact in f32, too
    // What the kernel will ask for stays below 2^30 bytes, for size_t of 32 bits too: scratch holds the padded input
    // rows of at most kMaxXnorRows output rows, packed weights a row of sums for each class of border pixels.
    const uint64_t rows = g->h < kMaxXnorRows ? g->h : kMaxXnorRows;
    const uint64_t words = (uint64_t(op.kh) * (g->in_w + 2 * uint64_t(op.pad_w)) * words_for(g->in_c) + g->w) * rows;
    const uint64_t classes = (2 * uint64_t(op.pad_h) + 2) * (2 * uint64_t(op.pad_w) + 2);
    if (words * 8 > kMaxArenaBytes || classes * round_up(op.k, 16) * 4 > kMaxArenaBytes)
      return bad(OpRecord::kAtKernel);
    g->kernel_bytes = xnor_scratch_bytes(s);
    const bool in_place = form == WeightForm::kSignPanels && int64_t(op.panel) == xnor_panel();
    g->model_bytes = in_place ? xnor_table_bytes(s, op.pad_value) : xnor_packed_bytes(s, op.pad_value);
  }
  return true;
}

// The channels of the tensors that kConcat puts behind one another.
bool derive_concat(const OpRecord& op, const StageRecord* stages, Geometry* g, Fault* fault) {
  while (g->appended < op.n_stages && StageKind(stages[g->appended].kind) == StageKind::kAppend) {
    const StageRecord& s = stages[g->appended];
    fault->stage = int(g->appended), fault->at = StageRecord::kAtC;
    if (s.c == 0 || s.c > kMaxDepth - g->c) return false;
    g->c += s.c;
    ++g->appended;
  }
  *fault = {-1, OpRecord::kAtStages};
  return g->appended > 0;
}

bool derive_source(const OpRecord& op, const StageRecord* stages, Geometry* g, Fault* fault) {
  const auto bad = [fault](uint32_t at) { return fault->at = at, false; };
  if (op.source >= kSources) return bad(OpRecord::kAtSource);
  if (op.is_conv()) return derive_conv(op, g, fault);
  if (op.pad_value) return bad(OpRecord::kAtPadValue);
  if (op.groups) return bad(OpRecord::kAtGroups);
  if (op.k) return bad(OpRecord::kAtK);
  const bool sized = Source(op.source) == Source::kAdaptiveAverage;
  if (sized ? !op.kh || !op.kw || op.kh > kMaxKernel || op.kw > kMaxKernel : op.kh || op.kw)
    return bad(OpRecord::kAtKernel);
  if (op.stride_h || op.stride_w) return bad(OpRecord::kAtStride);
  if (op.pad_h || op.pad_w) return bad(OpRecord::kAtPad);
  if (op.dilation_h || op.dilation_w) return bad(OpRecord::kAtDilation);
  if (op.weights) return bad(OpRecord::kAtWeights);
  if (op.weight_form) return bad(OpRecord::kAtWeightForm);
  if (op.weight_bits) return bad(OpRecord::kAtWeightBits);
  if (op.weight_mul) return bad(OpRecord::kAtWeightMul);
  if (op.weight_top) return bad(OpRecord::kAtWeightTop);
  if (op.weight_add) return bad(OpRecord::kAtWeightAdd);
  if (op.table) return bad(OpRecord::kAtTable);
  if (op.scales) return bad(OpRecord::kAtScales);
  if (op.panel) return bad(OpRecord::kAtPanel);
  g->h = g->in_h, g->w = g->in_w, g->c = g->in_c;
  switch (Source(op.source)) {
    case Source::kPixels:
    case Source::kLoad: return true;
    case Source::kGlobalAverage: g->h = g->w = 1; return true;
    case Source::kAdaptiveAverage:
      g->h = op.kh, g->w = op.kw;
      return true;
    case Source::kConcat:
      return derive_concat(op, stages, g, fault);
    case Source::kFeatures:
      g->c = g->in_h * g->in_w * g->in_c, g->h = g->w = 1;
      return g->c <= kMaxDepth || bad(OpRecord::kAtIn);
    case Source::kConv: break;  // above
  }
  return bad(OpRecord::kAtSource);
}

// Which operands a kind of stage has.
struct Operands {
  bool a = false, b = false, tensor = false, window = false, steps = false;
};
Operands operands_of(StageKind kind) {
  switch (kind) {
    case StageKind::kBias:
    case StageKind::kPRelu:
      return {.a = true};
    case StageKind::kAffine:
      return {.a = true, .b = true};
    case StageKind::kRelu:
    case StageKind::kHardtanh:
    case StageKind::kHardSwish:
    case StageKind::kSigmoid:
    case StageKind::kTanh:
    case StageKind::kSoftmax:
      return {};
    case StageKind::kAdd:
    case StageKind::kMul:
    case StageKind::kAppend:
      return {.tensor = true};
    case StageKind::kMaxPool:
    case StageKind::kAveragePool:
      return {.window = true};
    case StageKind::kSteps:
      return {.a = true, .b = true, .steps = true};
  }
  return {};  // no kind: refused before
}

bool derive_stages(const OpRecord& op, const StageRecord* stages, Geometry* g, Fault* fault) {
  const auto bad = [fault](int stage, uint32_t at) { return fault->stage = stage, fault->at = at, false; };
  g->out_h = g->h, g->out_w = g->w;
  for (int i = 0; i < int(op.n_stages); ++i) {
    const StageRecord& s = stages[i];
    if (s.kind >= kStageKinds) return bad(i, StageRecord::kAtKind);
    const StageKind kind = StageKind(s.kind);
    if (op.thresholds && kind != StageKind::kMaxPool) return bad(i, StageRecord::kAtKind);
    if ((kind == StageKind::kAppend) != (i < int(g->appended))) return bad(i, StageRecord::kAtKind);
    if (kind != StageKind::kAppend && s.c) return bad(i, StageRecord::kAtC);
    if (kind == StageKind::kSoftmax && op.part) return bad(i, StageRecord::kAtKind);  // it takes a pixel's channels
    for (uint32_t r : s.reserved2)
      if (r) return bad(i, StageRecord::kAtReserved2);
    const Operands has = operands_of(kind);
    if ((s.steps != 0) != has.steps) return bad(i, StageRecord::kAtSteps);
    if ((s.a != 0) != has.a) return bad(i, StageRecord::kAtA);
    if ((s.b != 0) != has.b) return bad(i, StageRecord::kAtB);
    if ((s.tensor != kNone) != has.tensor) return bad(i, StageRecord::kAtTensor);
    if (!has.window) {
      if (s.kh || s.kw || s.sh || s.sw || s.ph || s.pw) return bad(i, StageRecord::kAtWindow);
      continue;
    }
    if (g->pool >= 0) return bad(i, StageRecord::kAtKind);
    g->pool = i;
    if (s.kh == 0 || s.kw == 0 || s.kh > kMaxWindow || s.kw > kMaxWindow || s.sh == 0 || s.sw == 0 || s.ph >= s.kh ||
        s.pw >= s.kw)
      return bad(i, StageRecord::kAtWindow);
    g->out_h = positions(g->h, s.ph, s.kh, 1, s.sh);
    g->out_w = positions(g->w, s.pw, s.kw, 1, s.sw);
    if (g->out_h == 0 || g->out_w == 0 || g->out_h > kMaxSide || g->out_w > kMaxSide)
      return bad(i, StageRecord::kAtWindow);
  }
  return true;
}

}  // namespace

bool derive(const OpRecord& op, Dims in, const Elements& out, const StageRecord* stages, Geometry* g,
            Fault* fault) noexcept {
  *g = Geometry();
  *fault = Fault();
  g->in_h = in.h, g->in_w = in.w, g->in_c = in.c;
  g->in = in.elements, g->out = out;
  const auto bad = [fault](uint32_t at) { return fault->at = at, false; };
  // From 1 to the limits, so that no product of them wraps.
  if (in.h - 1 >= kMaxSide || in.w - 1 >= kMaxSide || in.c - 1 >= kMaxDepth) return bad(OpRecord::kAtIn);
  if (op.n_stages > kMaxStages) return bad(OpRecord::kAtStages);
  if (!derive_source(op, stages, g, fault)) return false;

  // Outputs: at least one; thresholds make codes and nothing else, from sums that no stage but a pool has touched.
  if (op.out_f32 == kNone && op.out_codes == kNone) return bad(OpRecord::kAtOutF32);
  if (op.thresholds && !is_integer(g->product)) return bad(OpRecord::kAtThresholds);
  if (op.thresholds && (op.out_f32 != kNone || op.out_codes == kNone)) return bad(OpRecord::kAtOutF32);
  if (!derive_stages(op, stages, g, fault)) return false;
  if (op.band == 0 || op.band > g->out_h) return bad(OpRecord::kAtBand);
  // A convolution of one group may be cut into parts of its channels, each of whole words of bits.
  g->part_c = op.part ? uint64_t(op.part) * kWordBits : g->c;
  if (op.part && (!op.is_conv() || op.groups != 1 || g->part_c >= g->c)) return bad(OpRecord::kAtPart);
  g->parts = (g->c + g->part_c - 1) / g->part_c;
  g->tasks = (g->out_h + op.band - 1) / op.band * g->parts;

  const bool pooled = g->pool >= 0;
  g->source_rows = op.band;
  if (pooled) {
    g->source_rows = uint64_t(op.band - 1) * stages[g->pool].sh + stages[g->pool].kh;
    if (g->source_rows > g->h) g->source_rows = g->h;
  }
  if (op.thresholds) {
    const bool bits = out.type == Type::kBits;
    if (pooled || g->parts > 1) g->codes_bytes = g->source_rows * g->w * (bits ? words_for(g->part_c) * 8 : g->part_c);
    if (!g->makes_bits_at_once()) g->rows_bytes = g->source_rows * g->w * g->part_c * 4;  // the sums
  } else {
    // A tensor of floats that is loaded and at once pooled or packed needs no copy of its rows.
    const Source source = Source(op.source);
    const bool in_place =
        (source == Source::kFeatures || (source == Source::kLoad && in.elements.type == Type::kF32)) &&
        (op.n_stages == 0 || g->pool == 0);
    const bool direct = op.out_f32 != kNone && g->parts == 1;
    if ((pooled || !direct) && !in_place) g->rows_bytes = g->source_rows * g->w * g->part_c * 4;
    if (pooled && !direct) g->pooled_bytes = op.band * g->out_w * g->part_c * 4;
  }
  if (g->product == Product::kFloats || g->product == Product::kSigns) {
    const uint64_t rows = round_up(g->source_rows * g->w, kGemmMinBlockRows);
    g->gemm_rows = rows < kMaxGemmRows ? rows : kMaxGemmRows;
    g->kernel_bytes = uint64_t(gemm_f32_scratch(g->conv.taps() * g->conv.group_c(), int64_t(g->gemm_rows),
                                                g->product == Product::kSigns)) *
                      4;
  }
  g->scratch_bytes =
      aligned(g->rows_bytes) + aligned(g->pooled_bytes) + aligned(g->codes_bytes) + aligned(g->kernel_bytes);
  if (g->scratch_bytes > kMaxArenaBytes) return bad(OpRecord::kAtBand);
  return true;
}

}  // namespace bantam::packed
