#include "ops/quant/stochastic.h"

#include <doctest/doctest.h>

#include <algorithm>
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
constexpr Surrogate kBoth[] = {Surrogate::kIdentity, Surrogate::kClip};
Rng stream(uint64_t seed = 1) { return {seed, kRngQuantize, 5, 7}; }

}  // namespace

// [T 3.2.2]
TEST_CASE("stochastic_sign: by hand: outside of [-1, 1] it is the sign, inside the i-th number decides") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Rng rng = stream();
  for (DType dtype : kTypes) {
    Parameter x("x", Tensor::of({2, 4}, {1, -1, 1.5, -3, nan, inf, -inf, 0}, dtype));
    const Quantized q = stochastic_sign(x.tensor(), Surrogate::kClip, rng, true);
    CHECK(q.value.values() == std::vector<double>{1, -1, 1, -1, -1, 1, -1, rng.uniform(7) < 0.5f ? 1.0 : -1.0});
    CHECK_FALSE(q.scale.defined());
    backward({q.value}, {Tensor::of({2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}, dtype)});
    CHECK(x.grad.values() == std::vector<double>{1, 2, 0, 0, 0, 0, 0, 8});
  }
}

TEST_CASE("stochastic_sign: each sign is that of its number and of hard_sigmoid, for all sizes") {
  uint64_t seed = 1;
  for (const Shape& shape : {Shape{1}, Shape{7}, Shape{3, 64}, Shape{5, 2, 65}, Shape{2, 3, 3, 130}, Shape{600, 3}})
    for (DType dtype : kTypes) {
      const Rng rng = stream(++seed);
      const Tensor x = random_tensor(shape, seed, dtype);
      const Quantized q = stochastic_sign(x, Surrogate::kIdentity, rng);
      REQUIRE(inconsistency(q, shape, Granularity::kLayer) == "");
      for (int64_t i = 0; i < x.size(); ++i) {
        const double p = std::min(std::max((x.at(i) + 1) / 2, 0.0), 1.0), u = double(rng.uniform(uint64_t(i)));
        // In f32 p is rounded by at most 2^-24: half of what two numbers are apart.
        if (std::fabs(u - p) > 0x1p-24) REQUIRE(code_at(q.codes, i) == (u < p ? 1 : -1));
      }
    }
}

TEST_CASE("stochastic_sign: its mean is hardtanh(x), and other steps draw other signs") {
  constexpr int64_t kDraws = 100000;
  for (double at : {-0.9, -0.25, 0.0, 0.6}) {
    const Tensor x = Tensor::full({kDraws / 50, 50}, at);
    const auto mean = [&](const Rng& rng) {
      const Quantized q = stochastic_sign(x, Surrogate::kClip, rng, true);
      double sum = 0;
      for (double v : q.value.values()) sum += v;
      return sum / kDraws;
    };
    // Five standard deviations of a mean of so many signs, 2 sqrt(p (1 - p) / n).
    const double p = (at + 1) / 2, bound = 5 * 2 * std::sqrt(p * (1 - p) / kDraws);
    CHECK(std::fabs(mean(stream()) - at) < bound);
    CHECK(mean({1, kRngQuantize, 5, 8}) != mean({1, kRngQuantize, 5, 7}));
  }
}

TEST_CASE("stochastic_sign: gradients are those of x, or of hardtanh(x)") {
  for (Surrogate s : kBoth) {
    GradcheckOptions options{.kinks = {-1, 1}};
    options.surrogate = [s](const Tensors& in) {
      std::vector<double> v = in[0].values();
      if (s == Surrogate::kClip)
        for (double& e : v) e = std::min(std::max(e, -1.0), 1.0);
      return Tensor::of(in[0].shape(), v, DType::kF64);
    };
    const Rng rng = stream();
    CHECK(gradcheck(
              "stochastic_sign", [&](const Tensors& in) { return stochastic_sign(in[0], s, rng, true).value; },
              {random_f64({4, 3, 5}, 2)}, options) == "");
  }
}

TEST_CASE("stochastic_sign: the same bytes for any number of threads; saves a bit an element, or nothing") {
  const Rng rng = stream();
  for (Surrogate s : kBoth) {
    CHECK(same_for_any_threads([&] {
      return forward_backward([&](const Tensors& in) { return stochastic_sign(in[0], s, rng, true).value; },
                              {random_f32({130, 20, 20, 7}, 4)});
    }));
    Parameter x("x", random_f32({4, 65}, 3));
    const Quantized q = stochastic_sign(x.tensor(), s, rng);
    CHECK_FALSE(q.value.has_data());
    CHECK(q.value.node()->saved.size() == (s == Surrogate::kClip ? 1 : 0));
    if (s == Surrogate::kClip) CHECK(q.value.node()->saved[0].tensor.bytes() == (4 * 65 + 7) / 8);
  }
}

TEST_CASE("stochastic: the doors draw with a stream, and take the sign without one: the codes of `sign`") {
  const QuantSpec drawn{.scheme = Scheme::kStochastic}, plain{.scheme = Scheme::kSign};
  const Tensor x = random_f32({6, 3, 3, 70}, 9, 0.5);
  const Rng rng = stream();
  const Quantized evaluated = quantize_activation(x, drawn, true), sign = quantize_activation(x, plain, true);
  CHECK(same_tensor(evaluated.codes.tensor, sign.codes.tensor));
  CHECK(same_tensor(evaluated.value.detach(), sign.value.detach()));
  CHECK_FALSE(same_tensor(quantize_activation(x, drawn, true, {.rng = &rng}).codes.tensor, sign.codes.tensor));
  const Quantized w = quantize_weight(x, drawn, false);
  CHECK(same_tensor(w.codes.tensor, quantize_weight(x, plain, false).codes.tensor));
  CHECK_FALSE(w.scale.defined());
  CHECK_FALSE(same_tensor(quantize_weight(x, drawn, true, {.rng = &rng}).codes.tensor, w.codes.tensor));
  CHECK(arithmetic_of(drawn, drawn, {.taps = 9}) == Arithmetic::kBits);
  CHECK_THROWS_WITH_AS(stochastic_sign(Tensor::zeros({0, 2}), Surrogate::kClip, rng),
                       "stochastic_sign: input is empty [0,2]", Error);
}
