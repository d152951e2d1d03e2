// A small packed model that uses every source, stage and payload of the format, made by hand: 4x4 images, 3 scores.
#pragma once

#include "compress/pack/packed_file.h"
#include "compress/pack/planner.h"
#include "compress/runtime/geometry.h"

namespace bantam::packed {

inline constexpr uint32_t kSampleClasses = 3;

// Ops: 0 pixels; 1 conv + bias + pool -> f32 and bits; 2 xnor with thresholds and pool -> bits; 3 unpack; 4 xnor +
// affine + prelu + add -> f32; 5 conv of signs + relu; 6 load + hardtanh + hard_swish
// -> bits; 7 mean; 8 depthwise; 9 full-window
// conv -> scores.
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
  const auto stage = [&](StageKind kind, uint32_t a = 0, uint32_t b = 0, uint32_t t = kNone) {
    StageRecord s;
    s.kind = uint8_t(kind), s.a = a, s.b = b, s.tensor = t;
    if (kind == StageKind::kMaxPool) s.kh = s.kw = 2, s.sh = s.sw = 1;
    f.stages.push_back(s);
  };
  const auto floats = [&](size_t n, float v) { return f.payload(std::vector<float>(n, v)); };
  const auto words = [&](size_t n) { return f.payload(std::vector<uint64_t>(n, 5)); };
  const auto op = [&](const char* name, Source source, uint32_t in, uint32_t f32, uint32_t bits, uint32_t k = 0,
                      uint16_t kernel = 0, uint16_t pad = 0) -> OpRecord& {
    OpRecord o;
    o.name = f.string(name), o.source = uint8_t(source), o.in = in, o.out_f32 = f32, o.out_bits = bits, o.k = k,
    o.band = 1;
    if (k)
      o.groups = 1, o.kh = o.kw = kernel, o.stride_h = o.stride_w = o.dilation_h = o.dilation_w = 1,
      o.pad_h = o.pad_w = pad;
    o.first_stage = uint32_t(f.stages.size());
    f.ops.push_back(o);
    return f.ops.back();
  };
  const auto close = [&] { f.ops.back().n_stages = uint32_t(f.stages.size()) - f.ops.back().first_stage; };

  const uint32_t x = tensor("input", Type::kF32, 4, 4, 2, 0, 1);
  const uint32_t a = tensor("a", Type::kF32, 3, 3, 3, 1, 4), a_bits = tensor("a.sign", Type::kBits, 3, 3, 3, 1, 2);
  const uint32_t b_bits = tensor("b.sign", Type::kBits, 2, 2, 3, 2, 4), b = tensor("b", Type::kF32, 2, 2, 3, 3, 5);
  const uint32_t c = tensor("c", Type::kF32, 3, 3, 3, 4, 6), d = tensor("d", Type::kF32, 2, 2, 3, 5, 7);
  const uint32_t e = tensor("e", Type::kBits, 3, 3, 3, 6, 6), g = tensor("mean", Type::kF32, 1, 1, 3, 7, 8);
  const uint32_t y = tensor("fc", Type::kF32, 1, 1, kSampleClasses, 9, 10),
                 dw = tensor("dw", Type::kF32, 1, 1, 3, 8, 9);

  op("input", Source::kPixels, kNone, x, kNone);
  op("a", Source::kConv, x, a, a_bits, 3, 3, 1).weights = floats(18 * 16, 0.5f);
  stage(StageKind::kBias, floats(3, 0.125f)), stage(StageKind::kMaxPool), close();
  op("b.sign", Source::kXnor, a_bits, kNone, b_bits, 3, 3, 1).weights = words(27);
  f.ops.back().pad_value = -1;
  {  // lo[3], hi[3], flip, after
    std::vector<uint64_t> t(3 + 2);
    const int32_t lo_hi[6] = {0, -3, 5, INT32_MAX, 2, INT32_MAX};
    for (int i = 0; i < 3; ++i) t[size_t(i)] = uint32_t(lo_hi[2 * i]) | uint64_t(uint32_t(lo_hi[2 * i + 1])) << 32;
    t[3] = 4, t[4] = 4;
    f.ops.back().thresholds = f.payload(t);
  }
  stage(StageKind::kMaxPool), close();
  op("b", Source::kUnpack, b_bits, b, kNone), close();
  op("c", Source::kXnor, b_bits, c, kNone, 3, 2, 1).weights = words(12);
  stage(StageKind::kAffine, floats(3, 1.5f), floats(3, -1.0f)), stage(StageKind::kPRelu, floats(3, 0.25f));
  stage(StageKind::kAdd, 0, 0, a), close();
  op("d", Source::kConvSigns, b, d, kNone, 3, 1, 0).weights = words(1);
  stage(StageKind::kRelu), close();
  op("e", Source::kLoad, c, kNone, e), stage(StageKind::kHardtanh), stage(StageKind::kHardSwish), close();
  op("mean", Source::kGlobalAverage, d, g, kNone), close();
  op("dw", Source::kDepthwise, g, dw, kNone, 3, 3, 1).weights = floats(9 * 16, 0.75f), f.ops.back().groups = 3, close();
  op("fc", Source::kConv, dw, y, kNone, kSampleClasses, 1, 0).weights = floats(3 * 16, 2.0f), close();

  const ArenaPlan plan = plan_arena(lives, kAlign);
  for (size_t i = 0; i < f.tensors.size(); ++i) f.tensors[i].arena = uint32_t(plan.offsets[i]);
  f.header.arena_base = uint32_t(plan.bytes);
  for (const OpRecord& o : f.ops) {
    const TensorRecord in = o.in == kNone ? TensorRecord{.h = 4, .w = 4, .c = 2} : f.tensors[o.in];
    Geometry geometry;
    Fault fault;
    if (!derive(o, {in.h, in.w, in.c}, f.stages.data() + o.first_stage, &geometry, &fault)) continue;
    f.header.arena_per_lane = std::max(f.header.arena_per_lane, uint32_t(geometry.scratch_bytes));
  }
  f.header.output = y;
  for (const char* name : {"zero", "one", "two"}) f.classes.push_back(f.string(name));
  f.switches.push_back({.width_permille = 1000, .weight_bits = 1, .act_bits = 1, .reserved = 0});
  return f;
}

}  // namespace bantam::packed
