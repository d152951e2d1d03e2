// Bits or codes by codes: exact integers, by multiply-adds or by planes of bits.
#include "compress/runtime/families.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/conv_planes.h"

namespace bantam::packed {
namespace {

bool by_planes(const Geometry& g) { return g.planes.x && planes_pay(g.conv, g.planes); }

bool sound(const Reader& m, const OpRecord& op, const Geometry& g) {
  return WeightForm(op.weight_form) != WeightForm::kCodePanels ||
         codes_panels_are_sound(g.conv, op.weight_codes().reach(), m.payload<uint8_t>(op.weights));
}

void lay_out(const Reader& m, const OpRecord& op, const Geometry& g, uint8_t* mem) {
  if (WeightForm(op.weight_form) == WeightForm::kCodePanels) return;  // used where they lie
  const PackedNumbers numbers = {m.payload<uint8_t>(op.weights), op.weight_bits, op.weight_mul, op.weight_add,
                                 op.weight_codes().reach()};
  if (by_planes(g)) return planes_pack_numbers(g.conv, g.planes, numbers, mem);
  codes_pack_numbers(g.conv, numbers, mem);
}

void sums(const OpRun& run, const Block& b, uint8_t* kernel, int32_t* sums) {
  CodeInput x;
  if (run.g.in.type == Type::kBits)
    x.bits = run.bits(run.op.in);
  else
    x.bytes = run.bytes(run.op.in), x.mul = run.g.in.mul, x.add = run.g.in.add;
  x.pad = run.op.pad_value;
  const ChannelRange part = {int64_t(b.first_c), int64_t(b.first_c + b.c)};
  if (by_planes(run.g))
    return planes_conv_i32(run.g.conv, run.g.planes, x, run.weights, int64_t(b.begin), int64_t(b.end), kernel, sums,
                           part);
  codes_conv_i32(run.g.conv, x, run.weights, run.op.weight_codes().reach(), int64_t(b.begin), int64_t(b.end), kernel,
                 sums, part);
}

void rows(const OpRun& run, const Block& b, const float*, uint8_t* kernel, float* rows) {
  int32_t* const at = reinterpret_cast<int32_t*>(rows);
  sums(run, b, kernel, at);
  sums_to_f32(at, rows, b.size());
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_code_conv = {.id = bantam::packed::FamilyId::kCodeConv,
                                                        .sound = bantam::packed::sound,
                                                        .lay_out = bantam::packed::lay_out,
                                                        .rows = bantam::packed::rows,
                                                        .sums = bantam::packed::sums};
