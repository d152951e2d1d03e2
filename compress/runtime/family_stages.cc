// What happens to rows of floats, one value, one channel or one pixel at a time.
#include "compress/runtime/families.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/reduce.h"

namespace bantam::packed {
namespace {

// Of the block's channels.
const float* channels(const OpRun& run, uint32_t payload, const Block& b) {
  return run.m.payload<float>(payload) + b.first_c;
}

void bias(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  bias_channels_f32(x, channels(run, s.a, b), out, b.pixels(), int64_t(b.c));
}
void affine(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  affine_channels_f32(x, channels(run, s.a, b), channels(run, s.b, b), out, b.pixels(), int64_t(b.c));
}
void relu(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) { relu_f32(x, out, b.size()); }
void prelu(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  prelu_channels_f32(x, channels(run, s.a, b), out, b.pixels(), int64_t(b.c));
}
void hardtanh(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) {
  clamp_f32(x, -1.0f, 1.0f, out, b.size());
}
void hard_swish(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) {
  hard_swish_f32(x, out, b.size());
}
void add(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  const float* y = run.f32(s.tensor) + b.begin * b.w * run.g.c + b.first_c;
  if (b.c == run.g.c) return add_f32(x, y, out, b.size());
  for (int64_t p = 0; p < b.pixels(); ++p, x += b.c, y += run.g.c, out += b.c) add_f32(x, y, out, int64_t(b.c));
}
void sigmoid(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) {
  sigmoid_f32(x, out, b.size());
}
void tanh(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) { tanh_f32(x, out, b.size()); }
void softmax(const OpRun&, const StageRecord&, const Block& b, const float* x, float* out) {
  softmax_rows_f32(x, out, b.pixels(), int64_t(b.c));
}
void mul(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  const TensorRecord t = run.m.tensor(s.tensor);
  const float* y = run.f32(s.tensor) + b.first_c;
  if (t.h == 1 && t.w == 1) return scale_channels_f32(x, y, out, b.pixels(), int64_t(b.c));
  y += b.begin * b.w * run.g.c;
  if (b.c == run.g.c) return mul_f32(x, y, out, b.size());
  for (int64_t p = 0; p < b.pixels(); ++p, x += b.c, y += run.g.c, out += b.c) mul_f32(x, y, out, int64_t(b.c));
}
void steps(const OpRun& run, const StageRecord& s, const Block& b, const float* x, float* out) {
  steps_f32(x, run.m.payload<float>(s.a), run.m.payload<float>(s.b), s.steps, out, b.size());
}

// As a source: channels of its tensor, then of those that its first stages name.
void concat(const OpRun& run, const Block& b, const float*, uint8_t*, float* rows) {
  const auto put = [&](uint32_t tensor, uint64_t c) {
    copy_parts(run.f32(tensor) + b.begin * b.w * c, c * 4, rows, b.c * 4, c * 4, b.pixels());
    rows += c;
  };
  put(run.op.in, run.g.in_c);
  for (uint32_t i = 0; i < run.g.appended; ++i) put(run.stages[i].tensor, run.stages[i].c);
}

}  // namespace
}  // namespace bantam::packed

#define BANTAM_STAGE(NAME, ID)                                              \
  constexpr bnt_family bnt_family_##NAME = {.id = bantam::packed::FamilyId::ID, \
                                            .stage = bantam::packed::NAME}
BANTAM_STAGE(bias, kBias);
BANTAM_STAGE(affine, kAffine);
BANTAM_STAGE(relu, kRelu);
BANTAM_STAGE(prelu, kPRelu);
BANTAM_STAGE(hardtanh, kHardtanh);
BANTAM_STAGE(hard_swish, kHardSwish);
BANTAM_STAGE(add, kAdd);
BANTAM_STAGE(sigmoid, kSigmoid);
BANTAM_STAGE(tanh, kTanh);
BANTAM_STAGE(softmax, kSoftmax);
BANTAM_STAGE(mul, kMul);
BANTAM_STAGE(steps, kSteps);
#undef BANTAM_STAGE

constexpr bnt_family bnt_family_concat = {.id = bantam::packed::FamilyId::kConcat, .rows = bantam::packed::concat};
