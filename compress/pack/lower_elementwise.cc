// Norms, activations, sums and quantizers: what works on each value alone. A new activation is a function, a row of
// elementwise_lowerings() and, if its sign may become a threshold, a row of scalar_forms().
#include "bantam_fault.h"
#include "compress/pack/lower.h"
#include "compress/pack/steps.h"
#include "compress/pack/thresholds.h"
#include "ops/kernels/elementwise_ref.h"

namespace bantam::packed {
namespace {

StageRecord stage(StageKind kind) {
  StageRecord r;
  r.kind = uint8_t(kind);
  return r;
}

// Values for each feature of an image that a flatten made flat would need one for each place.
void check_channels(const PackState& s, const StagePlace& at, int64_t have) {
  if (have != int64_t(at.channels))
    refuse(s, at.node, "values for each feature of a flattened image are not supported");
}

StageRecord batch_norm(PackState* s, const StagePlace& at) {
  const Parameters::NormAffine a = s->net.norm_affine(s->node(at.node));
  check_channels(*s, at, int64_t(a.scale.size()));
  finite(*s, at.node, "its scale", a.scale.data(), int64_t(at.channels));
  finite(*s, at.node, "its shift", a.shift.data(), int64_t(at.channels));
  StageRecord r = stage(StageKind::kAffine);
  r.a = s->file.payload(a.scale), r.b = s->file.payload(a.shift);
  return r;
}

StageRecord prelu(PackState* s, const StagePlace& at) {
  const PReluConfig& p = s->config<PReluConfig>(at.node);
  const float* slope = parameter(*s, at.node, p.parameter + ".weight", p.slopes);
  if (p.slopes > 1) check_channels(*s, at, p.slopes);
  std::vector<float> slopes(at.channels);
  for (uint32_t k = 0; k < at.channels; ++k) slopes[k] = slope[p.slopes > 1 ? k : 0];
  StageRecord r = stage(StageKind::kPRelu);
  r.a = s->file.payload(slopes);
  return r;
}

StageRecord relu(PackState*, const StagePlace&) { return stage(StageKind::kRelu); }

StageRecord hardtanh(PackState*, const StagePlace&) {
#ifdef BANTAM_FAULT_PACK_FORGETS_A_STAGE_KIND
  return stage(StageKind::kRelu);
#else
  return stage(StageKind::kHardtanh);
#endif
}

StageRecord hard_swish(PackState*, const StagePlace&) { return stage(StageKind::kHardSwish); }

StageRecord sigmoid(PackState*, const StagePlace&) { return stage(StageKind::kSigmoid); }
StageRecord tanh(PackState*, const StagePlace&) { return stage(StageKind::kTanh); }

StageRecord softmax(PackState* s, const StagePlace& at) {
  check_channels(*s, at, s->shapes[size_t(at.node)][-1]);
  return stage(StageKind::kSoftmax);
}

StageRecord with_other(PackState* s, const StagePlace& at, StageKind kind) {
  StageRecord r = stage(kind);
  r.tensor = f32_of(s, s->other_input(at.node, at.from));
  return r;
}
StageRecord add(PackState* s, const StagePlace& at) { return with_other(s, at, StageKind::kAdd); }
StageRecord mul(PackState* s, const StagePlace& at) { return with_other(s, at, StageKind::kMul); }

bool other_is_there(const PackState& s, const Chain&, int node, int from) {
  return s.values[size_t(s.other_input(node, from))].f32 != kNone;
}

// A gate of one pixel is no chain that an image could join.
bool image_or_equal(const PackState& s, const Chain& chain, int node, int from) {
  return other_is_there(s, chain, node, from) && s.shapes[size_t(from)] == s.shapes[size_t(node)];
}

bool is_real(const PackState& s, int node) { return s.config<QuantizeConfig>(node).quant.scheme == Scheme::kNone; }

// A codebook that is a table on powers of two: a value, no codes.
StageRecord steps(PackState* s, const StagePlace& at) {
  return steps_stage(&s->file, s->config<QuantizeConfig>(at.node).quant);
}
bool is_table(const PackState& s, const Chain&, int node, int) {
  return traits_of(s.config<QuantizeConfig>(node).quant.scheme).table;
}

// Codes of a value whose op did not make them along: because another of its readers stands between.
void start_codes(PackState* s, int node) {
  if (traits_of(s->config<QuantizeConfig>(node).quant.scheme).table) return start_with_load(s, node);
  const Value& v = s->values[size_t(s->input(node))];
  const bool coded = v.codes != kNone, real = v.f32 != kNone;
  const TensorRecord type = type_of(s->config<QuantizeConfig>(node).quant);
  if (!real && coded && Type(type.type) == Type::kBits && s->dims(v.codes).elements.type == Type::kBits) {
    s->values[size_t(node)].codes = v.codes;  // the sign of signs
    return;
  }
  Chain chain(node);
  chain.op.source = uint8_t(Source::kLoad);
  chain.op.in = real ? v.f32 : v.codes;
  chain.in = s->dims(chain.op.in);
  add_op(s, &chain, -1, {node});
}

Slope rises(const ScalarStage&) { return Slope::kRises; }
Slope slope_of_affine(const ScalarStage& s) {
  return s.a < 0.0f ? Slope::kFalls : s.a > 0.0f ? Slope::kRises : Slope::kConstant;
}
Slope slope_of_prelu(const ScalarStage& s) { return s.a < 0.0f ? Slope::kTurnsAtZero : Slope::kRises; }

}  // namespace

std::span<const Lowering> elementwise_lowerings() {
  static constexpr Lowering kRows[] = {
      {.kind = Kind::kBatchNorm, .start = start_with_load, .stage = batch_norm},
      {.kind = Kind::kRelu, .start = start_with_load, .stage = relu},
      {.kind = Kind::kPRelu, .start = start_with_load, .stage = prelu},
      {.kind = Kind::kHardtanh, .start = start_with_load, .stage = hardtanh},
      {.kind = Kind::kHardSwish, .start = start_with_load, .stage = hard_swish},
      {.kind = Kind::kSigmoid, .start = start_with_load, .stage = sigmoid},
      {.kind = Kind::kTanh, .start = start_with_load, .stage = tanh},
      {.kind = Kind::kSoftmax, .start = start_with_load, .stage = softmax},
      {.kind = Kind::kAdd, .start = start_with_load, .stage = add, .joins = other_is_there},
      {.kind = Kind::kMul, .start = start_with_load, .stage = mul, .joins = image_or_equal},
      {.kind = Kind::kQuantize, .vanishes = is_real, .start = start_codes, .stage = steps, .joins = is_table},
  };
  return kRows;
}

std::span<const ScalarForm> scalar_forms() {
  using S = const ScalarStage&;
  static constexpr ScalarForm kRows[] = {
      {StageKind::kBias, [](S s, float x) { return x + s.a; }, rises},
      {StageKind::kAffine, [](S s, float x) { return ref::affine(x, s.a, s.b); }, slope_of_affine},
      {StageKind::kRelu, [](S, float x) { return ref::relu(x); }, rises},
      {StageKind::kPRelu, [](S s, float x) { return ref::prelu(x, s.a); }, slope_of_prelu},
      {StageKind::kHardtanh, [](S, float x) { return ref::clamp(x, -1.0f, 1.0f); }, rises},
  };
  return kRows;
}

}  // namespace bantam::packed
