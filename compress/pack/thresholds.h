// Sign, or code, of a chain of f32 stages over an integer sum, as integer comparisons.
// [methods: XOR, popcount, compare]
//
// sign(stages(float(sum))) is a step function of the sum. Its steps are found by bisection over the integers with the
// very f32 expression of the evaluation forward, so that the comparison agrees with it for every sum, rounding
// included: a threshold computed in f64 would be off for a few channels in a million.
//
//   bias, relu, hardtanh, affine with scale > 0, prelu with slope >= 0   rise:   sum >= t
//   affine with scale < 0                                                fall:   not (sum >= t)
//   affine with scale = 0                                                constant
//   prelu with slope < 0                                                 turn:   an interval, or its complement
//
// Hard-swish has no form here: it falls and rises, and is exactly 0, whose sign is +1, from -3 down. Behind it the
// signs are taken of floats.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "compress/runtime/format.h"

namespace bantam::packed {

// A stage with its values for one channel.
struct ScalarStage {
  StageKind kind = StageKind::kBias;
  float a = 0.0f, b = 0.0f;
};

// How a stage's result depends on its input.
enum class Slope : uint8_t { kFalls, kConstant, kRises, kTurnsAtZero };

// A kind of stage as a function of one value, if it is one: the evaluation forward's very expression.
// [ops/kernels/elementwise_ref.h]
struct ScalarForm {
  StageKind kind;
  float (*apply)(const ScalarStage& s, float x);
  Slope (*slope)(const ScalarStage& s);
};
std::span<const ScalarForm> scalar_forms();         // [lower_elementwise.cc]
const ScalarForm* scalar_form(StageKind kind);      // null: the kind has none, and thresholds cannot stand in for it

// The evaluation forward's value for one channel. Throws Error if a stage has no scalar form.
float evaluate(const std::vector<ScalarStage>& stages, float x);

// bit(sum) = (lo <= sum && sum <= hi) ^ flip. A constant has lo > hi.
struct Threshold {
  int32_t lo = 1, hi = 0;
  bool flip = false;
  bool operator()(int32_t sum) const { return (lo <= sum && sum <= hi) != flip; }
};

// The threshold that equals [evaluate(stages, float(sum)) >= 0] for every sum in [-limit, limit], limit < 2^31 - 1.
// False if there is none (a stage without scalar form, two turns, or values that overflow to NaN on the way). With
// limit <= kExhaustiveLimit every sum is tried.
constexpr int32_t kExhaustiveLimit = 1 << 17;
bool find_threshold(const std::vector<ScalarStage>& stages, int32_t limit, Threshold* out);

// Codes in place of signs: byte = how many t <= sum, or <= -sum where `falls`; t ascending, as many as the codebook has
// numbers above 0.
struct CodeThreshold {
  std::vector<int32_t> t = {};
  bool falls = false;
  int operator()(int32_t sum) const;
};
// The thresholds that equal byte(evaluate(stages, float(sum))) for every sum in [-limit, limit], limit < 2^31 - 1.
// False if there are none: a stage without scalar form, one that turns, or values that overflow to NaN on the way.
// byte() must rise, from 0 to at most `top`. With limit <= kExhaustiveLimit every sum is tried.
bool find_code_threshold(const std::vector<ScalarStage>& stages, int32_t limit, int top,
                         const std::function<int(float)>& byte, CodeThreshold* out);

// How the sign of the stages' result depends on their input: rising (+1), falling (-1), either way for a constant (+1),
// or 0 where it turns or is not known. After a max pool, +1 makes the OR of the window's bits and -1 their AND.
int direction(const std::vector<ScalarStage>& stages);

}  // namespace bantam::packed
