#include "compress/pack/thresholds.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/rng.h"
#include "core/tensor.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

constexpr StageKind kBias = StageKind::kBias, kAffine = StageKind::kAffine, kPRelu = StageKind::kPRelu;

int disagreements(const std::vector<ScalarStage>& stages, int32_t limit, const Threshold& t) {
  int n = 0;
  for (int32_t sum = -limit; sum <= limit; ++sum) n += t(sum) != (evaluate(stages, float(sum)) >= 0.0f);
  return n;
}

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

TEST_CASE("thresholds: a sum, a pool and hard_swish have none; every other stage is a monotone function of one value") {
  for (uint8_t k = 0; k < kStageKinds; ++k) {
    const StageKind kind = StageKind(k);
    CAPTURE(int(k));
    const bool scalar = kind != StageKind::kAdd && kind != StageKind::kMaxPool && kind != StageKind::kHardSwish;
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
