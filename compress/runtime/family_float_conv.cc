// f32 tensors by weights that are floats, signs, or codes of values: the canonical order.
#include "compress/runtime/families.h"
#include "core/base/half.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/gemm_f32.h"

namespace bantam::packed {
namespace {

// Weights that are kept as codes, or in 16 bits: as panels of floats.
void lay_out(const Reader& m, const OpRecord& op, const Geometry& g, uint8_t* mem) {
  const WeightForm form = WeightForm(op.weight_form);
  if (form != WeightForm::kCodes && !is_half(form)) return;
  const uint8_t* rows = m.payload<uint8_t>(op.weights);
  const int bits = op.weight_bits, mul = op.weight_mul, add = op.weight_add;
  const float* table = op.table ? m.payload<float>(op.table) : nullptr;
  const float* scales = op.scales ? m.payload<float>(op.scales) : nullptr;
  const int64_t c = g.conv.group_c(), depth = g.conv.taps() * c, cols = g.conv.group_k();
  const int64_t row = ceil_div(depth * bits, 8), group_floats = depth * int64_t(round_up(size_t(cols), 16));
  float* const panels = reinterpret_cast<float*>(mem);
  memset(panels, 0, size_t(g.model_bytes));
  for (int64_t k = 0; k < g.conv.k; ++k) {
    const int64_t n = k % cols, first = n / kGemmPanel * kGemmPanel, width = cols - first > 16 ? kGemmPanel : 16;
    float* to = panels + k / cols * group_floats + first * depth + (n - first);
    for (int64_t i = 0; is_half(form) && i < depth; ++i) {
      const uint16_t half = load_le16(rows + (k * depth + i) * 2);
      to[i * width] = form == WeightForm::kF16 ? widen_f16(half) : widen_bf16(half);
    }
    for (int64_t i = 0; !is_half(form) && i < depth; ++i) {
      const int32_t number = packed_number(rows + k * row, i, bits);
      const float value = table ? table[number] : float(mul * number + add);
      to[i * width] = scales ? value * scales[k * c + i % c] : value;
    }
  }
}

void rows(const OpRun& run, const Block& b, const float* bias, uint8_t* kernel, float* rows) {
  const ConvShape& s = run.g.conv;
  const ConvWeights w = run.g.product == Product::kFloats
                            ? conv_f32_packed(s, reinterpret_cast<const float*>(run.weights))
                            : conv_f32_sign_weights(s, run.weights);
  // A part of the channels is one of the only group's.
  const int64_t first = int64_t(b.first_c), end = s.groups == 1 ? first + int64_t(b.c) : s.group_k();
  for (int64_t group = 0; group < s.groups; ++group) {
    GemmRows r = conv_f32_gather(s, run.f32(run.op.in), rows - first, group);
    r.first_h += int64_t(b.begin) * s.stride_h;
    r.out_h = int64_t(b.end - b.begin);
    r.dst_pixel = int64_t(b.c), r.dst_row = r.out_w * r.dst_pixel;
    GemmB weights = w.first;
    if (weights.bits)
      weights.bits += group * w.step;
    else
      weights.values += group * w.step;
    gemm_f32(r, 0, r.rows(), weights, first, end, bias ? bias - first + group * weights.cols : nullptr,
             reinterpret_cast<float*>(kernel), int64_t(run.g.gemm_rows));
  }
}

// 1 + 2^-11 and 1 + 2^-12: the square of the second exceeds the first by 2^-24, which only a fused multiply-add sees.
bool sane() {
  const float a = 1.0f + 0x1p-12f, b = 1.0f + 0x1p-11f;
  alignas(64) float x[2] = {1.0f, a}, weights[2 * 16] = {}, out[1] = {}, scratch[14 * 16];
  weights[0] = -b, weights[16] = a;
  GemmRows r;
  r.src = x, r.pixel = r.channels = 2, r.dst = out, r.dst_pixel = r.dst_row = 1;
  static_assert(gemm_f32_scratch(2, 14) <= int64_t(sizeof scratch / 4));
  gemm_f32(r, 0, 1, GemmB::panels(weights, 1), 0, 1, nullptr, scratch, 14);
  return out[0] == 0x1p-24f;
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_float_conv = {.id = bantam::packed::FamilyId::kFloatConv,
                                                         .lay_out = bantam::packed::lay_out,
                                                         .rows = bantam::packed::rows,
                                                         .sane = bantam::packed::sane};
