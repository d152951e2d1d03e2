#include "compress/pack/thresholds.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "core/rng.h"
#include "core/tensor.h"
#include "ops/quant/uniform.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

constexpr StageKind kBias = StageKind::kBias, kAffine = StageKind::kAffine, kPRelu = StageKind::kPRelu;

int disagreements(const std::vector<ScalarStage>& stages, int32_t limit, const Threshold& t) {
  int n = 0;
  for (int32_t sum = -limit; sum <= limit; ++sum) n += t(sum) != (evaluate(stages, float(sum)) >= 0.0f);
  return n;
}

// Codebooks of activations whose codes thresholds make: those of few levels.
std::vector<QuantSpec> codebooks() {
  std::vector<QuantSpec> all = {{.scheme = Scheme::kTernary}};
  for (int bits = 1; bits <= 4; ++bits) {
    all.push_back({.scheme = Scheme::kRelu, .bits = bits});
    all.push_back({.scheme = Scheme::kDorefa, .bits = bits});
    all.push_back({.scheme = Scheme::kHwgq, .bits = bits});
    if (bits > 1) all.push_back({.scheme = Scheme::kUniform, .bits = bits});
  }
  return all;
}

// Draws chains of stages as nets have them.
struct Chains {
  const Rng rng;
  uint64_t draw = 0;
  uint32_t below(uint32_t n) { return rng.below(draw++, n); }
  float real(float scale) { return scale * (2 * rng.uniform(draw++) - 1); }

  // Rising, falling and constant ones; a scale that spreads the sums over the codes.
  std::vector<ScalarStage> next(int32_t limit) {
    std::vector<ScalarStage> s;
    const float spread = 4.0f / float(limit);
    if (below(2)) s.push_back({kAffine, spread * (below(3) ? 1.0f : -1.0f), below(4) ? real(0.5f) : -0.0f});
    if (below(2)) s.push_back({kBias, below(3) ? real(2) : std::round(real(2)), 0});
    if (below(3) == 0) s.push_back({StageKind::kRelu, 0, 0});
    if (below(2)) s.push_back({kPRelu, below(4) ? real(0.5f) + 0.5f : 0.0f, 0});
    const bool scaled = !s.empty() && s[0].kind == kAffine;
    const float gamma = below(8) == 0 ? 0.0f : (below(3) ? 1.0f : -1.0f) * (scaled ? 1.0f + real(0.9f) : spread);
    if (below(4)) s.push_back({kAffine, gamma, below(5) ? real(1) : -0.0f});
    if (below(3) == 0) s.push_back({StageKind::kHardtanh, 0, 0});
    return s;
  }
};

}  // namespace

TEST_CASE("thresholds: a norm with its mean at 3 turns into sum >= 3, by hand") {
  Threshold t;
  REQUIRE(find_threshold({{kAffine, 2.0f, -6.0f}}, 100, &t));
  CHECK(t.lo == 3);
  CHECK(t.hi == INT32_MAX);
  CHECK_FALSE(t.flip);
}

TEST_CASE("thresholds: gamma < 0 turns the comparison around") {
  Threshold t;
  REQUIRE(find_threshold({{kAffine, -2.0f, 6.0f}}, 100, &t));  // +1 where sum <= 3
  CHECK(t(3));
  CHECK_FALSE(t(4));
  CHECK(t.flip);
  CHECK(direction({{kAffine, -2.0f, 6.0f}}) == -1);
}

TEST_CASE("thresholds: gamma = 0 gives the sign of the shift; -0.0 counts as +1") {
  for (float shift : {1.0f, 0.0f, -0.0f, -1e-30f}) {
    Threshold t;
    REQUIRE(find_threshold({{kAffine, 0.0f, shift}}, 50, &t));
    CHECK(t(-50) == (shift >= 0));
    CHECK(t(50) == (shift >= 0));
    CHECK(t.lo > t.hi);
  }
}

TEST_CASE("thresholds: a prelu with negative slope gives an interval and its complement") {
  // v = |x|, times 0.5 on the left: 0.5 |x| for x < 0. v - 5 >= 0 outside (-10, 5).
  Threshold t;
  REQUIRE(find_threshold({{kPRelu, -0.5f, 0}, {kAffine, 1.0f, -5.0f}}, 64, &t));
  CHECK(t.lo == -9);
  CHECK(t.hi == 4);
  CHECK(t.flip);
  // 5 - v >= 0 inside [-10, 5].
  REQUIRE(find_threshold({{kPRelu, -0.5f, 0}, {kAffine, -1.0f, 5.0f}}, 64, &t));
  CHECK(t.lo == -10);
  CHECK(t.hi == 5);
  CHECK_FALSE(t.flip);
  CHECK(direction({{kPRelu, -0.5f, 0}}) == 0);
}

TEST_CASE("thresholds: a chain that turns twice is refused") {
  // ||x| - 10| - 5 is below 0 in two intervals.
  Threshold t;
  CHECK_FALSE(find_threshold({{kPRelu, -1.0f, 0}, {kBias, -10.0f, 0}, {kPRelu, -1.0f, 0}, {kBias, -5.0f, 0}}, 64, &t));
}

TEST_CASE("thresholds: bias, norm, relu, prelu and hardtanh have them; no other stage does") {
  for (uint8_t k = 0; k < kStageKinds; ++k) {
    const StageKind kind = StageKind(k);
    CAPTURE(int(k));
    const bool scalar =
        kind == kBias || kind == kAffine || kind == kPRelu || kind == StageKind::kRelu || kind == StageKind::kHardtanh;
    CHECK((scalar_form(kind) != nullptr) == scalar);
    Threshold t;
    CHECK(find_threshold({{kBias, 0.5f, 0}, {kind, 1.0f, 0}}, 64, &t) == scalar);
    CHECK(direction({{kind, 1.0f, 0}}) == (scalar ? 1 : 0));
    if (!scalar) CHECK_THROWS_AS((void)evaluate({{kind, 1.0f, 0}}, 2.0f), Error);
  }
}

TEST_CASE("thresholds: random chains agree with the f32 expression for every sum, means on integers included") {
  const Rng rng(7, kRngTest);
  uint64_t draw = 0;
  const auto real = [&](float scale) { return scale * (2 * rng.uniform(draw++) - 1); };
  int found = 0, intervals = 0;
  for (int round = 0; round < 4000; ++round) {
    const int32_t limit = 1 + int32_t(rng.below(draw++, 600));
    std::vector<ScalarStage> stages;
    if (rng.below(draw++, 2)) stages.push_back({kBias, real(3), 0});
    if (rng.below(draw++, 2)) stages.push_back({kPRelu, rng.below(draw++, 2) ? real(1) : 0.25f, 0});
    // A norm as training makes it: often the mean is an integer, sometimes gamma or beta is 0 or -0.0.
    const float gamma = rng.below(draw++, 10) == 0 ? 0.0f : real(2), beta = rng.below(draw++, 3) == 0 ? -0.0f : real(1);
    const double mean = rng.below(draw++, 2) ? std::round(real(float(limit))) : real(float(limit));
    const double scale = gamma / std::sqrt(double(rng.uniform(draw++)) * limit + 1e-5);
    stages.push_back({kAffine, float(scale), float(double(beta) - mean * scale)});
    if (rng.below(draw++, 3) == 0) stages.push_back({StageKind::kHardtanh, 0, 0});
    Threshold t;
    REQUIRE(find_threshold(stages, limit, &t));
    REQUIRE(disagreements(stages, limit, t) == 0);
    ++found;
    intervals += t.lo <= t.hi && t.hi != INT32_MAX;
  }
  CHECK(found == 4000);
  CHECK(intervals > 100);  // the generator does make prelus that turn
}

TEST_CASE("thresholds: bisection alone agrees too, beyond the limit up to which every sum is tried") {
  const Rng rng(8, kRngTest);
  const int32_t limit = (1 << 24) - 1;
  for (uint64_t i = 0; i < 200; ++i) {
    const float scale = rng.uniform(4 * i) - 0.5f, bias = rng.uniform(4 * i + 1) - 0.5f;
    const std::vector<ScalarStage> stages = {{kBias, bias, 0},
                                             {kAffine, scale, -scale * float(rng.below(4 * i + 2, 1u << 23))}};
    Threshold t;
    REQUIRE(find_threshold(stages, limit, &t));
    // Around the step, and at sums drawn at random.
    for (int32_t d = -50; d <= 50; ++d)
      if (t.lo + d >= -limit && t.lo + d <= limit) REQUIRE(t(t.lo + d) == (evaluate(stages, float(t.lo + d)) >= 0));
    for (uint64_t j = 0; j < 50; ++j) {
      const int32_t sum = int32_t(rng.below(1000 + 50 * i + j, uint32_t(limit)));
      REQUIRE(t(sum) == (evaluate(stages, float(sum)) >= 0));
      REQUIRE(t(-sum) == (evaluate(stages, float(-sum)) >= 0));
    }
  }
}

TEST_CASE("thresholds: the codes of a relu of 2 bits behind a scale of a tenth begin at sums 2, 5, 9, by hand") {
  // round(3 sum / 10), half to even: 1 from 1.67 on, 2 at 15 / 10 and from there on, 3 from 8.33 on.
  const UniformRule rule = uniform_rule({.scheme = Scheme::kRelu, .bits = 2});
  const auto byte = [&](float x) { return int(rule.byte(x)); };
  CodeThreshold t;
  REQUIRE(find_code_threshold({{kAffine, 0.1f, 0}}, 20, 3, byte, &t));
  CHECK(t.t == std::vector<int32_t>{2, 5, 9});
  CHECK_FALSE(t.falls);
  CHECK(t(4) == 1);
  REQUIRE(find_code_threshold({{kAffine, -0.1f, 0}}, 20, 3, byte, &t));
  CHECK(t.t == std::vector<int32_t>{2, 5, 9});
  CHECK(t.falls);
  CHECK(t(-9) == 3);
  // A constant is reached by every sum, or by none.
  REQUIRE(find_code_threshold({{kAffine, 0.0f, 0.7f}}, 20, 3, byte, &t));
  CHECK(t.t == std::vector<int32_t>{INT32_MIN, INT32_MIN, INT32_MAX});
}

TEST_CASE("thresholds: codes of random chains agree with the f32 expression for every sum, in every codebook") {
  Chains chains{Rng(9, kRngTest)};
  int falling = 0, constant = 0, levels = 0, rounds = 0;
  for (const QuantSpec& quant : codebooks()) {
    CAPTURE(std::string(name_of(quant.scheme)));
    CAPTURE(quant.bits);
    const UniformRule rule = uniform_rule(quant);
    const int top = rule.hi - rule.lo;
    const auto byte = [&](float x) { return int(rule.byte(x)); };
    for (int round = 0; round < 150; ++round, ++rounds) {
      const int32_t limit = 1 + int32_t(chains.below(2000));
      const std::vector<ScalarStage> stages = chains.next(limit);
      CodeThreshold t;
      REQUIRE(find_code_threshold(stages, limit, top, byte, &t));
      REQUIRE(int(t.t.size()) == top);
      REQUIRE(std::is_sorted(t.t.begin(), t.t.end()));
      int seen = 0, last = -1, wrong = 0;
      for (int32_t sum = -limit; sum <= limit; ++sum) {
        const int want = byte(evaluate(stages, float(sum)));
        wrong += t(sum) != want;
        seen += want != last, last = want;
      }
      REQUIRE(wrong == 0);
      falling += t.falls, constant += seen == 1, levels += seen;
    }
  }
  CHECK(falling > rounds / 8);
  CHECK(constant > rounds / 20);
  CHECK(levels > 2 * rounds);
}

TEST_CASE("thresholds: codes agree around their steps beyond the limit up to which every sum is tried, up to 2^31") {
  Chains chains{Rng(10, kRngTest)};
  for (const QuantSpec& quant : codebooks()) {
    const UniformRule rule = uniform_rule(quant);
    const int top = rule.hi - rule.lo;
    const auto byte = [&](float x) { return int(rule.byte(x)); };
    for (int32_t limit : {kExhaustiveLimit + 1, (1 << 24) + 12345, INT32_MAX - 1})
      for (int round = 0; round < 10; ++round) {
        const std::vector<ScalarStage> stages = chains.next(limit);
        CodeThreshold t;
        REQUIRE(find_code_threshold(stages, limit, top, byte, &t));
        const auto agrees = [&](int64_t sum) {
          return sum < -limit || sum > limit || t(int32_t(sum)) == byte(evaluate(stages, float(sum)));
        };
        for (int32_t step : t.t)
          for (int64_t d = -200; d <= 200; ++d) REQUIRE(agrees((t.falls ? -int64_t(step) : int64_t(step)) + d));
        for (int64_t d = 0; d < 3; ++d) REQUIRE((agrees(d - limit) && agrees(limit - d) && agrees(d)));
        for (int i = 0; i < 200; ++i) REQUIRE(agrees(int64_t(chains.below(uint32_t(limit))) * (i % 2 ? 1 : -1)));
      }
  }
}

TEST_CASE("thresholds: signs of sums up to 2^31, which f32 rounds, agree around their step, too") {
  Chains chains{Rng(11, kRngTest)};
  for (int round = 0; round < 200; ++round) {
    const int32_t limit = INT32_MAX - 1;
    const std::vector<ScalarStage> stages = chains.next(limit);
    Threshold t;
    REQUIRE(find_threshold(stages, limit, &t));
    const auto agrees = [&](int64_t sum) {
      return sum < -limit || sum > limit || t(int32_t(sum)) == (evaluate(stages, float(sum)) >= 0.0f);
    };
    for (int64_t d = -300; d <= 300; ++d) REQUIRE((agrees(t.lo + d) && agrees(t.hi + d) && agrees(d)));
    for (int i = 0; i < 200; ++i) REQUIRE(agrees(int64_t(chains.below(uint32_t(limit))) * (i % 2 ? 1 : -1)));
  }
}

TEST_CASE("thresholds: codes of a chain that turns, or has a stage of no single value, have none") {
  CodeThreshold t;
  const auto byte = [](float x) { return x >= 0 ? 1 : 0; };
  CHECK_FALSE(find_code_threshold({{kPRelu, -0.5f, 0}, {kBias, -5.0f, 0}}, 64, 1, byte, &t));
  for (StageKind kind :
       {StageKind::kAdd, StageKind::kMaxPool, StageKind::kHardSwish, StageKind::kSigmoid, StageKind::kSteps})
    CHECK_FALSE(find_code_threshold({{kBias, 0.5f, 0}, {kind, 0, 0}}, 64, 1, byte, &t));
  // What comes after a constant does not turn it.
  CHECK(find_code_threshold({{kAffine, 0.0f, 1.0f}, {kAffine, -1.0f, 0.0f}}, 64, 1, byte, &t));
}
