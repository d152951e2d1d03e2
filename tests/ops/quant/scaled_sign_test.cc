#include "ops/quant/scaled_sign.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};
constexpr ScaleRule kRules[] = {ScaleRule::kNone, ScaleRule::kMean, ScaleRule::kMax};

QuantSpec bwn(ScaleRule rule, Granularity g = Granularity::kLayer, Surrogate surrogate = Surrogate::kIdentity) {
  return {.scheme = Scheme::kBwn, .surrogate = surrogate, .granularity = g, .scale = rule};
}
QuantSpec xnor(Granularity g = Granularity::kLayer) { return {.scheme = Scheme::kXnor, .granularity = g}; }

double sign_of(double v) { return v >= 0 ? 1 : -1; }

double scale_of(ScaleRule rule, const Tensor& w, const std::vector<int64_t>& group) {
  double sum = 0, most = 0;
  for (int64_t i : group) sum += std::fabs(w.at(i)), most = std::max(most, std::fabs(w.at(i)));
  return rule == ScaleRule::kMax ? most : sum / double(group.size());
}

}  // namespace

// [T 3.2.2]
TEST_CASE("scaled_sign: by hand: values -s and s, s by layer or channel, the mean, the largest, or 1") {
  for (DType dtype : kTypes) {
    const Tensor w = Tensor::of({2, 2}, {1, -2, -0.0, -5}, dtype);
    const auto values = [&](const QuantSpec& s) { return scaled_sign(w, s, true).value.values(); };
    CHECK(values(bwn(ScaleRule::kMean)) == std::vector<double>{2, -2, 2, -2});
    CHECK(values(bwn(ScaleRule::kMax)) == std::vector<double>{5, -5, 5, -5});
    CHECK(values(bwn(ScaleRule::kNone)) == std::vector<double>{1, -1, 1, -1});
    CHECK(values(bwn(ScaleRule::kMean, Granularity::kChannel)) == std::vector<double>{1.5, -1.5, 2.5, -2.5});
    CHECK(values(xnor(Granularity::kChannel)) == std::vector<double>{1.5, -1.5, 2.5, -2.5});
    CHECK(values(xnor()) == std::vector<double>{2, -2, 2, -2});
    CHECK(!scaled_sign(w, bwn(ScaleRule::kNone), true).scale.defined());
  }
}

TEST_CASE("scaled_sign: bits, scales and values are those of the equation, for every granularity and rule") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (Scheme scheme : {Scheme::kBwn, Scheme::kXnor})
      for (Granularity g : kGranularities)
        for (ScaleRule rule : kRules)
          for (DType dtype : kTypes) {
            CAPTURE(to_string(shape));
            CAPTURE(std::string(name_of(g)));
            CAPTURE(std::string(name_of(rule)));
            const Tensor w = random_tensor(shape, ++seed, dtype);
            const Quantized q = scaled_sign(w, {.scheme = scheme, .granularity = g, .scale = rule}, seed % 2 == 0);
            const ScaleRule used = scheme == Scheme::kXnor ? ScaleRule::kMean : rule;  // xnor's is always the mean
            REQUIRE(q.codes.grid == kSignGrid);
            for (int64_t i = 0; i < w.size(); ++i) REQUIRE(code_at(q.codes, i) == sign_of(w.at(i)));
            REQUIRE(q.scale.defined() == (used != ScaleRule::kNone));
            REQUIRE(inconsistency(q, shape, used == ScaleRule::kNone ? Granularity::kLayer : g) == "");
            if (used == ScaleRule::kNone) continue;
            REQUIRE(q.scale.shape() == scale_shape_of(shape, g));
            const auto groups = groups_of(shape, g);
            for (size_t group = 0; group < groups.size(); ++group)  // summed in f64, rounded once
              REQUIRE(q.scale.at(int64_t(group)) ==
                      doctest::Approx(scale_of(used, w, groups[group])).epsilon(dtype == DType::kF32 ? 6e-8 : 1e-14));
          }
}

// [Eq. 3.8]
TEST_CASE("scaled_sign: of all vectors s v, v of +-1, the mean of |w| times the signs lies nearest to w") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor w = random_f64({1, 4}, seed);
    const Quantized q = scaled_sign(w, bwn(ScaleRule::kMean), true);
    const auto distance = [&](double s, int signs) {
      double sum = 0;
      for (int i = 0; i < 4; ++i) {
        const double d = w.at(i) - (signs >> i & 1 ? s : -s);
        sum += d * d;
      }
      return sum;
    };
    double own = 0;
    for (int i = 0; i < 4; ++i) own += (w.at(i) - q.value.at(i)) * (w.at(i) - q.value.at(i));
    for (int signs = 0; signs < 16; ++signs)
      for (double s = -3; s <= 3; s += 0.01) CHECK(own <= distance(s, signs) + 1e-12);
  }
}

TEST_CASE("scaled_sign: plain signs as codes have the scale 1, and dorefa of one bit is bwn by layer and mean") {
  const Tensor w = random_f32({3, 3, 3, 5}, 5);
  const Quantized signs = quantize_weight(w, {.scheme = Scheme::kSign}, false);
  CHECK(!signs.scale.defined());
  CHECK(same_tensor(materialize(signs), quantize_weight(w, {.scheme = Scheme::kSign}, true).value));
  const Quantized dorefa = quantize_weight(w, {.scheme = Scheme::kDorefa, .bits = 1}, true);
  const Quantized want = scaled_sign(w, bwn(ScaleRule::kMean), true);
  CHECK(dorefa.codes.is_bits());
  CHECK(same_tensor(dorefa.value, want.value));
  CHECK(same_tensor(dorefa.scale, want.scale));
  CHECK(grid_of({.scheme = Scheme::kDorefa, .bits = 1}, Operand::kWeight) == kSignGrid);
}

TEST_CASE("scaled_sign: weights that are all 0 become +1, and NaN has the sign -1") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (Scheme scheme : {Scheme::kBwn, Scheme::kXnor})
    for (Granularity g : kGranularities) {
      const Quantized q = scaled_sign(Tensor::zeros({2, 3, 3, 2}),
                                      {.scheme = scheme, .granularity = g, .scale = ScaleRule::kMean}, true);
      CHECK(q.value.values() == std::vector<double>(36, 1.0));
    }
  const Quantized q = scaled_sign(Tensor::of({1, 3}, {nan, 2, -0.0}), bwn(ScaleRule::kNone), true);
  CHECK(q.value.values() == std::vector<double>{-1, 1, 1});
}

TEST_CASE("scaled_sign: bwn hands the gradient on as it is, with clip where |w| <= 1, bounds included") {
  for (DType dtype : kTypes) {
    const std::vector<double> w = {1, -1, 1.5, -0.25, -7, 0}, g = {1, 2, 3, 4, 5, 6};
    const auto gradient = [&](const QuantSpec& s, size_t saved) {
      Parameter p("w", Tensor::of({2, 3}, w, dtype));
      const Quantized q = scaled_sign(p.tensor(), s);
      CHECK(q.value.node()->saved.size() == saved);
      backward({q.value}, {Tensor::of({2, 3}, g, dtype)});
      return p.grad.values();
    };
    for (ScaleRule rule : kRules) {
      CHECK(gradient(bwn(rule), 0) == g);
      CHECK(gradient(bwn(rule, Granularity::kChannel, Surrogate::kClip), 1) == std::vector<double>{1, 2, 0, 4, 0, 6});
    }
  }
}

TEST_CASE("scaled_sign: xnor's gradient by hand: the clipped one times the scale, and the scale's share") {
  for (DType dtype : kTypes) {
    // alpha = 1.25; sum of g sign(w) = 1 - 2 + 3 + 4 = 6, its share 6 / 4 = 1.5.
    Parameter w("w", Tensor::of({1, 4}, {0.5, -1, 3, 0.5}, dtype));
    const Quantized q = scaled_sign(w.tensor(), xnor(), true);
    CHECK(q.value.values() == std::vector<double>{1.25, -1.25, 1.25, 1.25});
    backward({q.value}, {Tensor::of({1, 4}, {1, 2, 3, 4}, dtype)});
    CHECK(w.grad.values() == std::vector<double>{1.25 * 1 + 1.5, 1.25 * 2 - 1.5, 0 + 1.5, 1.25 * 4 + 1.5});
  }
}

TEST_CASE("scaled_sign: gradients are those of the declared surrogates") {
  for (Granularity g : kGranularities)
    for (const Shape& shape : {Shape{2, 2, 2, 3}, Shape{3, 4}})
      for (const QuantSpec& s : {bwn(ScaleRule::kMean, g), bwn(ScaleRule::kMax, g, Surrogate::kClip), xnor(g)}) {
        CAPTURE(std::string(name_of(s.scheme)));
        CAPTURE(std::string(name_of(g)));
        std::vector<double> start = random_f64(shape, 3).values();
        for (double& e : start)  // off the kinks
          for (double kink : {-1.0, 0.0, 1.0})
            if (std::fabs(e - kink) < 0.05) e = kink + 0.05;
        const Tensor w0 = Tensor::of(shape, start, DType::kF64);
        GradcheckOptions options;
        options.surrogate = [&](const Tensors& in) {
          std::vector<double> v = in[0].values();
          const auto clipped = [](double e) { return std::min(std::max(e, -1.0), 1.0); };
          if (s.scheme == Scheme::kBwn) {
            if (is_clipped(s.surrogate))
              for (double& e : v) e = clipped(e);
            return Tensor::of(shape, v, DType::kF64);
          }
          // alpha sign(w): the signs held while alpha moves, and alpha held while the surrogate of the signs does.
          for (const auto& group : groups_of(shape, g)) {
            const double alpha = scale_of(ScaleRule::kMean, in[0], group),
                         alpha0 = scale_of(ScaleRule::kMean, w0, group);
            for (int64_t i : group) v[size_t(i)] = alpha * sign_of(w0.at(i)) + alpha0 * clipped(in[0].at(i));
          }
          return Tensor::of(shape, v, DType::kF64);
        };
        CHECK(gradcheck(
                  "scaled_sign", [&](const Tensors& in) { return quantize_weight(in[0], s, true).value; }, {w0},
                  options) == "");
      }
}

TEST_CASE("scaled_sign: the same bytes for any number of threads; f32 follows f64") {
  for (Granularity g : kGranularities)
    for (const QuantSpec& s : {bwn(ScaleRule::kMean, g, Surrogate::kClip), xnor(g)}) {
      const TensorFn f = [&](const Tensors& in) { return scaled_sign(in[0], s, true).value; };
      CHECK(same_for_any_threads([&] { return forward_backward(f, {random_f32({160, 3, 3, 96}, 7)}); }));
      // Both add up in f64 what f32 rounds a few times.
      CHECK(f32_error(f, {random_f64({16, 3, 3, 9}, 8)}) < 1e-6);
    }
}

TEST_CASE("scaled_sign: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(scaled_sign(Tensor::zeros({4}), xnor()), "quantize: weights are empty [4]", Error);
  CHECK_THROWS_WITH_AS(scaled_sign(Tensor::zeros({0, 2}), xnor()), "quantize: weights are empty [0,2]", Error);
  CHECK_THROWS_WITH_AS(scaled_sign(Tensor::zeros({2, 2}, DType::kI32), xnor()),
                       "quantize: elements are i32, not f32 or f64", Error);
}
