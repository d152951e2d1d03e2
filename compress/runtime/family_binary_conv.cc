// Bits by bits, by xor and popcount: exact integers.
#include "compress/runtime/families.h"
#include "ops/kernels/gemm_xnor.h"

namespace bantam::packed {
namespace {

void lay_out(const Reader& m, const OpRecord& op, const Geometry& g, uint8_t* mem) {
  xnor_pack_weights(g.conv, op.pad_value, m.payload<uint64_t>(op.weights), mem);
}

ChannelRange part_of(const Block& b) { return {int64_t(b.first_c), int64_t(b.first_c + b.c)}; }

void rows(const OpRun& run, const Block& b, const float* bias, uint8_t* kernel, float* rows) {
  xnor_conv_f32(run.g.conv, run.op.pad_value, run.bits(run.op.in), run.weights, bias, int64_t(b.begin), int64_t(b.end),
                kernel, rows, part_of(b));
}

void sums(const OpRun& run, const Block& b, uint8_t* kernel, int32_t* sums) {
  xnor_conv_i32(run.g.conv, run.op.pad_value, run.bits(run.op.in), run.weights, int64_t(b.begin), int64_t(b.end),
                kernel, sums, part_of(b));
}

void sums_to_bits(const OpRun& run, const Block& b, uint8_t* kernel, uint64_t* bits) {
  const int32_t* lo = run.m.payload<int32_t>(run.op.thresholds);
  const uint64_t* flip = run.m.payload<uint64_t>(uint32_t(run.op.thresholds + threshold_masks(run.g.c, run.g.out)));
  const Thresholds t = {lo + b.first_c, lo + run.g.c + b.first_c, flip + b.first_c / kWordBits};
  xnor_conv_bits(run.g.conv, run.op.pad_value, run.bits(run.op.in), run.weights, t, int64_t(b.begin), int64_t(b.end),
                 kernel, bits, part_of(b));
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_binary_conv = {.id = bantam::packed::FamilyId::kBinaryConv,
                                                          .lay_out = bantam::packed::lay_out,
                                                          .rows = bantam::packed::rows,
                                                          .sums = bantam::packed::sums,
                                                          .sums_to_bits = bantam::packed::sums_to_bits};
