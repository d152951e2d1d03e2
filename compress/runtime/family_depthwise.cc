// f32 tensors by one filter a channel: the canonical order.
#include "compress/runtime/families.h"
#include "ops/kernels/depthwise.h"

namespace bantam::packed {
namespace {

void rows(const OpRun& run, const Block& b, const float* bias, uint8_t*, float* rows) {
  GemmRows r = conv_f32_gather(run.g.conv, run.f32(run.op.in), rows, 0);
  r.first_h += int64_t(b.begin) * run.g.conv.stride_h;
  r.out_h = int64_t(b.end - b.begin);
  r.channels = run.g.conv.c;
  depthwise_f32_rows(r, reinterpret_cast<const float*>(run.weights), bias, 0, r.rows());
}

}  // namespace
}  // namespace bantam::packed

constexpr bnt_family bnt_family_depthwise = {.id = bantam::packed::FamilyId::kDepthwise,
                                                        .rows = bantam::packed::rows};
