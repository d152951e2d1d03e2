#include "ops/quant/learned_scale.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};

QuantSpec learned(Scheme scheme, int bits, Surrogate surrogate = Surrogate::kClip,
                  Granularity granularity = Granularity::kLayer) {
  return {scheme, surrogate, bits, granularity, ScaleRule::kLearned};
}
std::vector<QuantSpec> activations() {
  std::vector<QuantSpec> all;
  for (Surrogate s : {Surrogate::kClip, Surrogate::kIdentity})
    for (Scheme scheme : {Scheme::kRelu, Scheme::kUniform, Scheme::kTernary, Scheme::kDorefa})
      for (int bits : {2, 4, 8}) all.push_back(normal(learned(scheme, bits, s), Operand::kActivation));
  return all;
}
std::vector<QuantSpec> weights() {
  std::vector<QuantSpec> all;
  for (Surrogate s : {Surrogate::kClip, Surrogate::kIdentity})
    for (Scheme scheme : {Scheme::kBwn, Scheme::kUniform, Scheme::kTernary})
      for (int bits : {2, 3, 8})
        for (Granularity g : kGranularities) all.push_back(normal(learned(scheme, bits, s, g), Operand::kWeight));
  return all;
}
CodeGrid grid(const QuantSpec& s, Operand o) { return grid_of(s, o); }
double lo_of(const QuantSpec& s, Operand o) { return grid(s, o).code(0); }
double hi_of(const QuantSpec& s, Operand o) { return grid(s, o).code(grid(s, o).levels - 1); }
bool passes_all(const QuantSpec& s) { return traits_of(s.scheme).clips && s.surrogate == Surrogate::kIdentity; }

// The function whose gradient LSQ declares, at x0 and s0: s clip(x / s, lo, hi) and what rounding added there, times s;
// s moves g times as far as its parameter. Where x passes everywhere it stands beside the clip of x0.
double lsq(double x, double s, double x0, double s0, double g, double lo, double hi, bool all) {
  const double clipped = std::min(std::max(x0 / s0, lo), hi);
  const double rounding = std::nearbyint(clipped) - clipped;
  const double at = s0 + g * (s - s0);
  const double of = std::min(std::max((all ? x0 : x) / at, lo), hi);
  return at * (of + rounding) + (all ? x - x0 : 0);
}

}  // namespace

TEST_CASE("learned scale: of two-bit activations by hand: codes, values, both gradients") {
  for (DType dtype : kTypes) {
    // Halves: x / s is 1, 1.2, 2.6, 4, -1, so codes 1, 1, 3, 3, 0; errors 0, -0.2, 0.4, and the ends 3, 0 outside.
    Parameter x("x", Tensor::of({1, 5}, {0.5, 0.6, 1.3, 2, -0.5}, dtype)), s("s", Tensor::of({1}, {0.5}, dtype));
    const Quantized q = learned_activation(x.tensor(), learned(Scheme::kRelu, 2), s.tensor(), true);
    CHECK(q.value.values() == std::vector<double>{0.5, 0.5, 1.5, 1.5, 0});
    CHECK(q.scale.values() == std::vector<double>{0.5});
    CHECK(all_codes(q.codes, 5) == std::vector<int>{1, 1, 3, 3, 0});
    backward({q.value}, {Tensor::of({1, 5}, {1, 2, 3, 4, 5}, dtype)});
    CHECK(x.grad.values() == std::vector<double>{1, 2, 3, 0, 0});
    // g = 1 / sqrt(5 3): -0.4 + 1.2 + 12.
    CHECK(s.grad.at(0) == doctest::Approx((-0.4 + 1.2 + 12) / std::sqrt(15.0)).epsilon(1e-6));
  }
}

// [T 6]
TEST_CASE("learned scale: of binary weights by hand: s sign(w), a sum of signed gradients for each channel") {
  for (DType dtype : kTypes) {
    Parameter w("w", Tensor::of({2, 3}, {0.5, -0.25, 2, -1, 0, -3}, dtype)), s("s", Tensor::of({2}, {0.5, -2}, dtype));
    const QuantSpec spec = learned(Scheme::kBwn, 2, Surrogate::kClip, Granularity::kChannel);
    const Quantized q = learned_weight(w.tensor(), spec, s.tensor(), true);
    CHECK(q.value.values() == std::vector<double>{0.5, -0.5, 0.5, 2, -2, 2});
    backward({q.value}, {Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}, dtype)});
    CHECK(w.grad.values() == std::vector<double>{0.5, 1, 0, -8, -10, 0});
    CHECK(s.grad.values() == std::vector<double>{1 - 2 + 3, -4 + 5 - 6});
  }
}

TEST_CASE("learned scale: gradients of activations are LSQ's, for every codebook") {
  for (const QuantSpec& spec : activations()) {
    CAPTURE(std::string(name_of(spec.scheme)));
    CAPTURE(spec.bits);
    const double lo = lo_of(spec, Operand::kActivation), hi = hi_of(spec, Operand::kActivation), s0 = 0.37;
    Tensor x0 = random_f64({3, 2, 5}, 4, 0.6 * s0 * hi);
    for (int64_t i = 0; i < x0.size(); ++i)  // off the ends, where the clip turns
      for (double end : {lo * s0, hi * s0})
        if (std::fabs(x0.at(i) - end) < 1e-3) x0.mutable_data<double>()[i] += 2e-3;
    const double g = 1 / std::sqrt(10 * hi);
    GradcheckOptions options;
    options.surrogate = [&](const Tensors& in) {
      std::vector<double> v = in[0].values();
      for (size_t i = 0; i < v.size(); ++i)
        v[i] = lsq(v[i], in[1].at(0), x0.at(int64_t(i)), s0, g, lo, hi, passes_all(spec));
      return Tensor::of(in[0].shape(), v, DType::kF64);
    };
    CHECK(gradcheck(
              "learned_activation",
              [&](const Tensors& in) { return learned_activation(in[0], spec, in[1], true).value; },
              {x0, Tensor::of({1}, {s0}, DType::kF64)}, options) == "");
  }
}

TEST_CASE("learned scale: gradients of weights are the declared ones, for every codebook and granularity") {
  for (const QuantSpec& spec : weights()) {
    CAPTURE(std::string(name_of(spec.scheme)));
    CAPTURE(spec.bits);
    CAPTURE(std::string(name_of(spec.granularity)));
    const Shape shape{2, 3, 2, 2};
    const auto groups = groups_of(shape, spec.granularity);
    const double hi = hi_of(spec, Operand::kWeight);
    Tensor w0 = random_f64(shape, 5), s0 = random_f64(scale_shape_of(shape, spec.granularity), 6, 0.05 / hi, 0.6 / hi);
    const bool signs = spec.scheme == Scheme::kBwn;
    for (size_t group = 0; group < groups.size(); ++group)
      for (int64_t i : groups[group])
        for (double end : {signs ? 1.0 : hi * s0.at(int64_t(group)), signs ? -1.0 : -hi * s0.at(int64_t(group))})
          if (std::fabs(w0.at(i) - end) < 1e-3) w0.mutable_data<double>()[i] += 2e-3;
    const double g = 1 / std::sqrt(double(groups[0].size()) * hi);
    GradcheckOptions options;
    options.surrogate = [&](const Tensors& in) {
      std::vector<double> v = in[0].values();
      for (size_t group = 0; group < groups.size(); ++group)
        for (int64_t i : groups[group]) {
          const double at = w0.at(i), s = in[1].at(int64_t(group)), first = s0.at(int64_t(group));
          double& e = v[size_t(i)];
          if (signs)
            e = first * (passes_all(spec) ? e : std::min(std::max(e, -1.0), 1.0)) + s * (at >= 0 ? 1 : -1);
          else
            e = lsq(e, s, at, first, g, -hi, hi, passes_all(spec));
        }
      return Tensor::of(shape, v, DType::kF64);
    };
    CHECK(gradcheck(
              "learned_weight", [&](const Tensors& in) { return learned_weight(in[0], spec, in[1], true).value; },
              {w0, s0}, options) == "");
  }
}

TEST_CASE("learned scale: codes and values of every codebook are those of the equation, in both types") {
  uint64_t seed = 1;
  for (const QuantSpec& spec : weights())
    for (const Shape& shape : weight_shapes())
      for (DType dtype : kTypes) {
        const double hi = hi_of(spec, Operand::kWeight);
        const Tensor w = random_tensor(shape, ++seed, dtype);
        const Tensor s = random_tensor(scale_shape_of(shape, spec.granularity), ++seed, dtype, 0.1 / hi, 1 / hi);
        const Quantized q = quantize_weight(w, spec, seed % 4 < 2, {.scale = s});
        REQUIRE(inconsistency(q, shape, spec.granularity) == "");
        CHECK(same_tensor(q.scale, s));
        const auto groups = groups_of(shape, spec.granularity);
        for (size_t group = 0; group < groups.size(); ++group)
          for (int64_t i : groups[group]) {
            const double v = w.at(i) / s.at(int64_t(group)), code = code_at(q.codes, i);
            if (spec.scheme == Scheme::kBwn)
              REQUIRE(code == (w.at(i) >= 0 ? 1 : -1));
            else
              REQUIRE(std::fabs(code - std::min(std::max(v, -hi), hi)) <= 0.5 + 1e-4);
          }
      }
  for (const QuantSpec& spec : activations())
    for (DType dtype : kTypes) {
      const double lo = lo_of(spec, Operand::kActivation), hi = hi_of(spec, Operand::kActivation);
      const Tensor x = random_tensor({5, 3, 67}, ++seed, dtype), s = Tensor::of({1}, {1 / hi}, dtype);
      const Quantized q = quantize_activation(x, spec, seed % 2 == 0, {.scale = s});
      REQUIRE(inconsistency(q, x.shape(), Granularity::kLayer) == "");
      for (int64_t i = 0; i < x.size(); ++i)
        REQUIRE(std::fabs(code_at(q.codes, i) - std::min(std::max(x.at(i) * hi, lo), hi)) <= 0.5 + 1e-4);
      // As a constant it is the same codebook.
      const Quantized fixed = quantize_activation(x, with_scale(spec, s.at(0)), true);
      CHECK(same_tensor(fixed.codes.tensor, q.codes.tensor));
      CHECK(same_tensor(fixed.scale, q.scale));
    }
}

TEST_CASE("learned scale: starts as mean |w| for signs, as LSQ's step for others; 0 is the codebook's own range") {
  const Tensor w = Tensor::of({2, 2}, {1, -3, 0, 0});
  CHECK(first_weight_scale(w, learned(Scheme::kBwn, 2, Surrogate::kClip, Granularity::kChannel)).values() ==
        std::vector<double>{2, 1});
  CHECK(first_weight_scale(w, learned(Scheme::kTernary, 2)).values() == std::vector<double>{2});
  CHECK(first_weight_scale(w, learned(Scheme::kUniform, 4)).at(0) == doctest::Approx(2 / std::sqrt(7.0)));
  CHECK(first_activation_scale(w, learned(Scheme::kRelu, 2)) == doctest::Approx(2 / std::sqrt(3.0)));
  CHECK(first_activation_scale(Tensor::zeros({4}), learned(Scheme::kRelu, 2)) == 1);
  const Tensor x = random_f32({3, 9}, 3);
  CHECK(
      same_tensor(quantize_activation(x, learned(Scheme::kRelu, 4), true, {.scale = Tensor::zeros({1})}).value.detach(),
                  quantize_activation(x, {.scheme = Scheme::kRelu, .bits = 4}, true).value.detach()));
}

TEST_CASE("learned scale: of steps one that is 0, below, or NaN counts as the least, and gives finite values") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (double s : {0.0, -0.5, 1e-12, nan}) {
    const Tensor w = random_f32({2, 8}, 3);
    const Quantized q = learned_weight(w, learned(Scheme::kUniform, 3), Tensor::of({1}, {s}), true);
    CHECK(q.scale.values() == std::vector<double>{0x1p-26});
    for (double v : q.value.values()) CHECK(std::fabs(v) == 3 * 0x1p-26);
    if (s == 0) continue;
    const Quantized a = learned_activation(w, learned(Scheme::kRelu, 2), Tensor::of({1}, {s}), true);
    for (double v : a.value.values()) CHECK(std::isfinite(v));
  }
}

TEST_CASE("learned scale: the same bytes for any number of threads; sizes that do not fit are errors") {
  for (Granularity g : kGranularities)
    CHECK(same_for_any_threads([&] {
      const Shape shape{160, 3, 3, 96};
      return forward_backward(
          [&](const Tensors& in) {
            return learned_weight(in[0], learned(Scheme::kUniform, 4, Surrogate::kClip, g), in[1], true).value;
          },
          {random_f32(shape, 7), random_f32(scale_shape_of(shape, g), 8, 0.01, 0.2)});
    }));
  CHECK(same_for_any_threads([&] {
    return forward_backward(
        [&](const Tensors& in) { return learned_activation(in[0], learned(Scheme::kRelu, 4), in[1], true).value; },
        {random_f32({40, 20, 20, 13}, 7), Tensor::full({1}, 0.2)});
  }));
  const Tensor two = Tensor::full({2}, 1);
  CHECK_THROWS_WITH_AS(learned_weight(Tensor::zeros({3, 4}), learned(Scheme::kBwn, 2), two),
                       "quantize: scales are [2], must be [1]", Error);
  CHECK_THROWS_WITH_AS(learned_activation(Tensor::zeros({3, 4}), learned(Scheme::kRelu, 2), two),
                       "quantize: activations have one scale, not [2]", Error);
}
