// A small packed model that uses every source, weight form, product, stage and payload of the format, made by hand: 4x4
// images, 3 scores.
#pragma once

#include <algorithm>
#include <bit>

#include "compress/pack/packed_file.h"
#include "compress/pack/planner.h"
#include "compress/runtime/geometry.h"

namespace bantam::packed {

inline constexpr uint32_t kSampleClasses = 3;

// Of op 15: what its 16 numbers stand for, and what each of its 3 * 3 kernels is multiplied by.
inline std::vector<float> sample_table() {
  std::vector<float> table;
  for (int i = 0; i < 16; ++i) table.push_back(float(i * i) * 0.125f - 3.0f);
  return table;
}
inline std::vector<float> sample_scales() { return {1.25f, 0.5f, -2.0f, 3.0f, 0.75f, 1.0f, 0.1f, -0.3f, 7.0f}; }

// Ops: 0 pixels; 1 conv + bias + pool -> f32 and bits; 2 bits * bits with thresholds and pool -> bits; 3 load of bits;
// 4 bits * bits + affine + prelu + add; 5 floats * signs + relu; 6 load + hardtanh + hard_swish + steps -> bits; 7
// mean; 8 depthwise; 9 load -> codes; 10 codes * codes with thresholds and pool -> codes; 11 codes * codes with
// thresholds -> bits; 12 bits * codes in groups + affine -> f32 and codes; 13 codes * codes with thresholds -> codes;
// 14 load of codes + add; 15 floats * codes with a table and scales; 16 means of parts + sigmoid + mul; 17 load + tanh
// + pool of means; 18 concat + softmax; 19 features; 20 floats in two parts of their channels; 21 full-window conv ->
// scores; 22 load -> codes; 23 codes in panels; 24 load -> bits; 25 bits in panels of 2.
inline FileBuilder sample_builder() {
  FileBuilder f;
  f.header.h = 4, f.header.w = 4, f.header.c = 2;
  f.header.lut = f.payload(std::vector<float>(2 * 256, 0.25f));
  std::vector<Lifetime> lives;
  const auto tensor = [&](const char* name, Type type, uint32_t h, uint32_t w, uint32_t c, int first, int last) {
    TensorRecord t;
    t.name = f.string(name), t.type = uint8_t(type), t.h = h, t.w = w, t.c = c;
    f.tensors.push_back(t);
    lives.push_back({t.bytes(), first, last});
    return uint32_t(f.tensors.size() - 1);
  };
  // Codes add .. add + top, of step 1 / factor.
  const auto codes = [&](const char* name, uint32_t h, uint32_t w, uint32_t c, uint8_t top, int16_t add, float factor,
                         int first, int last) {
    const uint32_t i = tensor(name, Type::kCodes, h, w, c, first, last);
    TensorRecord& t = f.tensors[i];
    t.mul = 1, t.top = top, t.add = add;
    t.scale = std::bit_cast<uint32_t>(1 / factor), t.factor = std::bit_cast<uint32_t>(factor);
    return i;
  };
  const auto stage = [&](StageKind kind, uint32_t a = 0, uint32_t b = 0, uint32_t t = kNone) {
    StageRecord s;
    s.kind = uint8_t(kind), s.a = a, s.b = b, s.tensor = t;
    if (is_pool(kind)) s.kh = s.kw = 2, s.sh = s.sw = 1;
    f.stages.push_back(s);
  };
  const auto floats = [&](size_t n, float v) { return f.payload(std::vector<float>(n, v)); };
  const auto words = [&](size_t n) { return f.payload(std::vector<uint64_t>(n, 5)); };
  const auto op = [&](const char* name, Source source, uint32_t in, uint32_t out_f32, uint32_t out_codes) -> OpRecord& {
    OpRecord o;
    o.name = f.string(name), o.source = uint8_t(source), o.in = in, o.out_f32 = out_f32, o.out_codes = out_codes;
    o.band = 1, o.first_stage = uint32_t(f.stages.size());
    f.ops.push_back(o);
    return f.ops.back();
  };
  const auto conv = [&](const char* name, uint32_t in, uint32_t out_f32, uint32_t out_codes, WeightForm form,
                        uint32_t weights, uint16_t kernel, uint16_t pad, uint32_t k = 3) {
    OpRecord& o = op(name, Source::kConv, in, out_f32, out_codes);
    o.weight_form = uint8_t(form), o.weights = weights, o.k = k, o.groups = 1, o.kh = o.kw = kernel;
    o.stride_h = o.stride_w = o.dilation_h = o.dilation_w = 1, o.pad_h = o.pad_w = pad;
  };
  // Rows of numbers, the same in each.
  const auto numbers = [&](uint32_t rows, std::vector<uint8_t> row) {
    std::vector<uint8_t> all;
    for (uint32_t i = 0; i < rows; ++i) all.insert(all.end(), row.begin(), row.end());
    return f.payload(all);
  };
  const auto weight_codes = [&](uint8_t bits, uint8_t mul, int16_t add) {
    f.ops.back().weight_bits = bits, f.ops.back().weight_mul = mul, f.ops.back().weight_add = add;
    f.ops.back().weight_top = uint8_t((1 << bits) - 1);
  };
  // Numbers of 32 bits, then masks of 64.
  const auto thresholds = [&](std::vector<int32_t> t, const std::vector<int32_t>& masks) {
    if (t.size() % 2) t.push_back(0);
    for (int32_t mask : masks) t.push_back(mask), t.push_back(0);
    f.ops.back().thresholds = f.payload(t);
  };
  const auto close = [&] { f.ops.back().n_stages = uint32_t(f.stages.size()) - f.ops.back().first_stage; };

  const uint32_t x = tensor("input", Type::kF32, 4, 4, 2, 0, 1);
  const uint32_t a = tensor("a", Type::kF32, 3, 3, 3, 1, 4), a_bits = tensor("a.sign", Type::kBits, 3, 3, 3, 1, 2);
  const uint32_t b_bits = tensor("b.sign", Type::kBits, 2, 2, 3, 2, 4), b = tensor("b", Type::kF32, 2, 2, 3, 3, 5);
  const uint32_t c = tensor("c", Type::kF32, 3, 3, 3, 4, 16), d = tensor("d", Type::kF32, 2, 2, 3, 5, 7);
  const uint32_t e = tensor("e", Type::kBits, 3, 3, 3, 6, 6), g = tensor("mean", Type::kF32, 1, 1, 3, 7, 8);
  const uint32_t y = tensor("fc", Type::kF32, 1, 1, kSampleClasses, 21, 26),
                 dw = tensor("dw", Type::kF32, 1, 1, 3, 8, 14);
  const uint32_t p = codes("p", 3, 3, 3, 3, 0, 3.0f, 9, 10), q = codes("q", 3, 3, 5, 2, -1, 1.0f, 10, 11);
  const uint32_t r = tensor("r.sign", Type::kBits, 3, 3, 3, 11, 12), s = tensor("s", Type::kF32, 1, 1, 3, 12, 12);
  const uint32_t s_codes = codes("s.codes", 1, 1, 3, 14, -7, 7.0f, 12, 13),
                 t_codes = codes("t.codes", 1, 1, 3, 3, 0, 3.0f, 13, 14);
  const uint32_t u = tensor("u", Type::kF32, 1, 1, 3, 14, 15), v = tensor("v", Type::kF32, 1, 1, 3, 15, 16);
  const uint32_t means = tensor("means", Type::kF32, 2, 5, 3, 16, 17),
                 pooled = tensor("pooled", Type::kF32, 1, 4, 3, 17, 18);
  const uint32_t joined = tensor("joined", Type::kF32, 1, 4, 6, 18, 19),
                 features = tensor("features", Type::kF32, 1, 1, 24, 19, 20);
  const uint32_t wide = tensor("wide", Type::kF32, 1, 1, 70, 20, 26);
  const uint32_t wide_codes = codes("wide.codes", 1, 1, 70, 3, 0, 3.0f, 22, 23),
                 paneled = tensor("paneled", Type::kF32, 1, 1, 2, 23, 23);
  const uint32_t wide_bits = tensor("wide.sign", Type::kBits, 1, 1, 70, 24, 25),
                 sign_paneled = tensor("sign.paneled", Type::kF32, 1, 1, 3, 25, 25);
  const uint32_t halves = tensor("halves", Type::kF32, 1, 1, 3, 26, 27),
                 more_halves = tensor("more.halves", Type::kF32, 1, 1, 32, 27, 27);
  f.tensors[p].flags = TensorRecord::kFirstAboveZero;

  op("input", Source::kPixels, kNone, x, kNone);
  conv("a", x, a, a_bits, WeightForm::kPanels, floats(18 * 16, 0.5f), 3, 1);
  stage(StageKind::kBias, floats(3, 0.125f)), stage(StageKind::kMaxPool), close();
  conv("b.sign", a_bits, kNone, b_bits, WeightForm::kSignRows, words(27), 3, 1);
  f.ops.back().pad_value = -1;
  thresholds({0, -3, 5, INT32_MAX, 2, INT32_MAX}, {4, 4});  // lo, hi, flip, after
  stage(StageKind::kMaxPool), close();
  op("b", Source::kLoad, b_bits, b, kNone), close();
  conv("c", b_bits, c, kNone, WeightForm::kSignRows, words(12), 2, 1);
  stage(StageKind::kAffine, floats(3, 1.5f), floats(3, -1.0f)), stage(StageKind::kPRelu, floats(3, 0.25f));
  stage(StageKind::kAdd, 0, 0, a), close();
  conv("d", b, d, kNone, WeightForm::kSignColumns, words(1), 1, 0);
  stage(StageKind::kRelu), close();
  op("e", Source::kLoad, c, kNone, e), stage(StageKind::kHardtanh), stage(StageKind::kHardSwish);
  stage(StageKind::kSteps, f.payload(std::vector<float>{-1, 0, 0.25f}), f.payload(std::vector<float>{-3, -1, 1, 3}));
  f.stages.back().steps = 3, close();
  op("mean", Source::kGlobalAverage, d, g, kNone), close();
  conv("dw", g, dw, kNone, WeightForm::kDepthwise, floats(9 * 16, 0.75f), 3, 1), f.ops.back().groups = 3, close();
  op("p", Source::kLoad, c, kNone, p), close();
  conv("q", p, kNone, q, WeightForm::kCodes, numbers(5, {0x53, 0x1A, 0xE7, 0x90, 0x0C}), 2, 1, 5);
  weight_codes(3, 2, -7), f.ops.back().pad_value = -1;
  thresholds({-4, 0, -9, INT32_MIN, 3, 6, 0, 8, INT32_MAX, 5}, {6, 2});  // t[2][5], falls, takes_least
  stage(StageKind::kMaxPool), close();
  conv("r.sign", q, kNone, r, WeightForm::kCodes, numbers(3, {0x89, 0x01}), 1, 0);
  weight_codes(2, 1, -1);
  thresholds({0, -1, 1, INT32_MAX, 1, 0}, {1}), close();  // lo, hi, flip
  conv("s", r, s, s_codes, WeightForm::kCodes, numbers(3, {1, 255, 128, 7, 90, 33, 200, 64, 127}), 3, 0);
  weight_codes(8, 2, -255), f.ops.back().groups = 3;
  stage(StageKind::kAffine, floats(3, 0x1p-9f), floats(3, -0.25f)), close();
  conv("t.codes", s_codes, kNone, t_codes, WeightForm::kCodes, numbers(3, {5}), 1, 0);
  weight_codes(1, 2, -1);
  thresholds({-3, 0, 2, 1, 0, 4, 6, 1, 9}, {2}), close();  // t[3][3], falls
  op("u", Source::kLoad, t_codes, u, kNone), stage(StageKind::kAdd, 0, 0, dw), close();
  conv("v", u, v, kNone, WeightForm::kCodes, numbers(3, {0x31, 0x0C}), 1, 0);
  weight_codes(4, 1, 0);
  f.ops.back().table = f.payload(sample_table()), f.ops.back().scales = f.payload(sample_scales()), close();
  op("means", Source::kAdaptiveAverage, c, means, kNone).kh = 2, f.ops.back().kw = 5;
  stage(StageKind::kSigmoid), stage(StageKind::kMul, 0, 0, v), close();
  op("pooled", Source::kLoad, means, pooled, kNone), stage(StageKind::kTanh), stage(StageKind::kAveragePool), close();
  op("joined", Source::kConcat, pooled, joined, kNone), stage(StageKind::kAppend, 0, 0, pooled), f.stages.back().c = 3;
  stage(StageKind::kSoftmax), close();
  op("features", Source::kFeatures, joined, features, kNone), close();
  conv("wide", features, wide, kNone, WeightForm::kPanels, floats(24 * 80, 0.5f), 1, 0, 70), f.ops.back().part = 1;
  close();
  conv("fc", wide, y, kNone, WeightForm::kPanels, floats(70 * 16, 2.0f), 1, 0, kSampleClasses), close();
  op("wide.codes", Source::kLoad, wide, kNone, wide_codes), close();
  std::vector<uint8_t> panels(70 * 16);  // [35 pairs][16 channels][2], of which 2 channels exist
  for (size_t i = 0; i < 35; ++i) panels[i * 32] = panels[i * 32 + 3] = uint8_t(i % 2 ? 3 : -2);
  conv("paneled", wide_codes, paneled, kNone, WeightForm::kCodePanels, f.payload(panels), 1, 0, 2);
  weight_codes(3, 1, -3), f.ops.back().weight_top = 6, close();
  op("wide.sign", Source::kLoad, wide, kNone, wide_bits), close();
  std::vector<uint64_t> sign_panels(2 * 16);  // [8 panels][2 words][2 channels], of which 3 channels exist
  sign_panels[0] = 5, sign_panels[1] = ~uint64_t(0), sign_panels[2] = 1, sign_panels[3] = 63, sign_panels[4] = 9;
  conv("sign.paneled", wide_bits, sign_paneled, kNone, WeightForm::kSignPanels, f.payload(sign_panels), 1, 0);
  f.ops.back().panel = 2, close();
  conv("f16", wide, halves, kNone, WeightForm::kF16, f.payload(std::vector<uint16_t>(210, 0x3800)), 1, 0), close();
  conv("bf16", halves, more_halves, kNone, WeightForm::kBf16, f.payload(std::vector<uint16_t>(96, 0xBF00)), 1, 0, 32);
  close();

  const ArenaPlan plan = plan_arena(lives, kAlign);
  for (size_t i = 0; i < f.tensors.size(); ++i) f.tensors[i].arena = uint32_t(plan.offsets[i]);
  f.header.arena_base = uint32_t(plan.bytes);
  for (const OpRecord& o : f.ops) {
    Dims in{4, 4, 2};
    if (o.in != kNone) {
      const TensorRecord& t = f.tensors[o.in];
      in = {t.h, t.w, t.c, t.elements()};
    }
    const Elements out = o.out_codes == kNone ? Elements() : f.tensors[o.out_codes].elements();
    Geometry geometry;
    Fault fault;
    if (!derive(o, in, out, f.stages.data() + o.first_stage, &geometry, &fault)) continue;
    f.header.arena_per_lane = std::max(f.header.arena_per_lane, uint32_t(geometry.scratch_bytes));
  }
  f.header.output = y;
  for (const char* name : {"zero", "one", "two"}) f.classes.push_back(f.string(name));
  f.switches.push_back({.weight_bits = 1, .act_bits = 1});
  // "v" is a tensor's name, too: the same text stands in the strings once.
  f.metadata = {{f.string("board"), f.string("v")},
                {f.string("note"), f.string("25 \xC2\xB0"
                                            "C, \xE2\x9C\x93")},
                {f.string("note.2"), f.string("")}};
  return f;
}

}  // namespace bantam::packed
