// Bits by bits, by xor and popcount: exact integers.
#include "compress/runtime/families.h"
#include "ops/kernels/gemm_xnor.h"

namespace bantam::packed {
namespace {

// Do the panels in the file have this target's order?
bool in_place(const OpRecord& op) {
  return WeightForm(op.weight_form) == WeightForm::kSignPanels && int64_t(op.panel) == xnor_panel();
}

void lay_out(const Reader& m, const OpRecord& op, const Geometry& g, uint8_t* mem) {
  const uint64_t* w = m.payload<uint64_t>(op.weights);
  if (in_place(op)) return xnor_pack_tables(g.conv, op.pad_value, w, mem);
  if (WeightForm(op.weight_form) == WeightForm::kSignRows) return xnor_pack_weights(g.conv, op.pad_value, w, mem);
  xnor_repack_panels(g.conv, w, int(op.panel), mem);
  xnor_pack_tables(g.conv, op.pad_value, mem, mem + xnor_panel_bytes(g.conv));
}

XnorWeights weights_of(const OpRun& run) {
  if (in_place(run.op)) return {run.m.payload<uint64_t>(run.op.weights), run.weights};
  return xnor_weights(run.g.conv, run.weights);
}

ChannelRange part_of(const Block& b) { return {int64_t(b.first_c), int64_t(b.first_c + b.c)}; }

void rows(const OpRun& run, const Block& b, const float* bias, uint8_t* kernel, float* rows) {
  xnor_conv_f32(run.g.conv, run.op.pad_value, run.bits(run.op.in), weights_of(run), bias, int64_t(b.begin),
                int64_t(b.end), kernel, rows, part_of(b));
}

void sums(const OpRun& run, const Block& b, uint8_t* kernel, int32_t* sums) {
  xnor_conv_i32(run.g.conv, run.op.pad_value, run.bits(run.op.in), weights_of(run), int64_t(b.begin), int64_t(b.end),
                kernel, sums, part_of(b));
}

void sums_to_bits(const OpRun& run, const Block& b, uint8_t* kernel, uint64_t* bits) {
  const int32_t* lo = run.m.payload<int32_t>(run.op.thresholds);
  const uint64_t* flip = run.m.payload<uint64_t>(uint32_t(run.op.thresholds + threshold_masks(run.g.c, run.g.out)));
  const Thresholds t = {lo + b.first_c, lo + run.g.c + b.first_c, flip + b.first_c / kWordBits};
  xnor_conv_bits(run.g.conv, run.op.pad_value, run.bits(run.op.in), weights_of(run), t, int64_t(b.begin),
                 int64_t(b.end), kernel, bits, part_of(b));
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_binary_conv = {.id = bantam::packed::FamilyId::kBinaryConv,
                                                          .lay_out = bantam::packed::lay_out,
                                                          .rows = bantam::packed::rows,
                                                          .sums = bantam::packed::sums,
                                                          .sums_to_bits = bantam::packed::sums_to_bits};
