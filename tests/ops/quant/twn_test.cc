#include "ops/quant/twn.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};
QuantSpec twn(Granularity g = Granularity::kLayer) { return {.scheme = Scheme::kTwn, .granularity = g}; }

}  // namespace

// [T 3.2.2]
TEST_CASE("twn: by hand: 0 up to 0.7 mean |w|, beyond it the mean of those beyond, with their signs") {
  for (DType dtype : kTypes) {
    // By layer: mean 2.5, delta 1.75. By channel: 1.5 and 1.05; 3.5 and 2.45.
    const Tensor w = Tensor::of({2, 2}, {1, -2, 3, -4}, dtype);
    const Quantized q = ternary_weight(w, twn(), true);
    CHECK(q.codes.grid == CodeGrid{3, 1, -1});
    CHECK(all_codes(q.codes, 4) == std::vector<int>{0, -1, 1, -1});
    CHECK(q.scale.values() == std::vector<double>{3});
    CHECK(q.value.values() == std::vector<double>{0, -3, 3, -3});
    const Quantized by_channel = ternary_weight(w, twn(Granularity::kChannel), true);
    CHECK(by_channel.value.values() == std::vector<double>{0, -2, 3.5, -3.5});
    // A linear layer's kernels are single numbers, and go by channel.
    CHECK(same_tensor(ternary_weight(w, twn(Granularity::kKernel), true).value, by_channel.value));
  }
}

TEST_CASE("twn: a weight of just the threshold's magnitude is 0") {
  int seen = 0;
  for (int i = 1; i <= 60; ++i) {
    const float d = float(i) / 37.0f, rest = float(double(d) * (2 / 0.7 - 1));  // 0.7 (d + rest) / 2 = d
    if (float(0.7 * (double(d) + double(rest)) / 2) != d) continue;
    ++seen;
    const Quantized q = ternary_weight(Tensor::of({1, 2}, {-double(d), double(rest)}), twn(), true);
    CHECK(q.value.values() == std::vector<double>{0, double(rest)});
    const float above = std::nextafter(d, 9.0f);  // moves the threshold by a third of what it moves itself
    CHECK(ternary_weight(Tensor::of({1, 2}, {-double(above) - 1e-6 * above, double(rest)}), twn(), true).value.at(0) <
          0);
  }
  CHECK(seen > 10);
}

TEST_CASE("twn: codes, scales and values are those of the equations, for every granularity") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (Granularity g : kGranularities)
      for (DType dtype : kTypes) {
        CAPTURE(to_string(shape));
        CAPTURE(std::string(name_of(g)));
        const Tensor w = random_tensor(shape, ++seed, dtype);
        const Quantized q = ternary_weight(w, twn(g), seed % 2 == 0);
        REQUIRE(q.scale.shape() == scale_shape_of(shape, g));
        REQUIRE(inconsistency(q, shape, g) == "");
        const auto groups = groups_of(shape, g);
        for (size_t group = 0; group < groups.size(); ++group) {
          double mean = 0, sum = 0;
          int64_t n = 0;
          for (int64_t i : groups[group]) mean += std::fabs(w.at(i)) / double(groups[group].size());
          for (int64_t i : groups[group]) {
            const double v = std::fabs(w.at(i)), delta = 0.7 * mean;
            if (std::fabs(v - delta) > 1e-6 * delta)
              REQUIRE(code_at(q.codes, i) == (v <= delta ? 0 : w.at(i) > 0 ? 1 : -1));
            if (v > delta) sum += v, ++n;
          }
          REQUIRE(n > 0);  // the largest lies above the mean
          REQUIRE(q.scale.at(int64_t(group)) ==
                  doctest::Approx(sum / double(n)).epsilon(dtype == DType::kF32 ? 6e-8 : 1e-14));
        }
      }
}

TEST_CASE("twn: of all scales the one taken lies nearest to the weights, given the codes") {
  const Tensor w = random_f64({4, 3, 3, 5}, 3);
  const Quantized q = ternary_weight(w, twn(), true);
  const auto error = [&](double s) {
    double sum = 0;
    for (int64_t i = 0; i < w.size(); ++i) sum += std::pow(w.at(i) - s * code_at(q.codes, i), 2);
    return sum;
  };
  for (double factor : {0.5, 0.9, 0.99, 0.999, 1.001, 1.01, 1.1, 2.0})
    CHECK(error(q.scale.at(0)) < error(factor * q.scale.at(0)));
}

TEST_CASE("twn: where all that share a scale are 0 it is 1, and values are 0") {
  for (Granularity g : kGranularities) {
    std::vector<double> v = random_f32({2, 3, 3, 2}, 1).values();
    for (size_t i = 0; i < 18; ++i) v[i] = 0;
    const Quantized q = ternary_weight(Tensor::of({2, 3, 3, 2}, v), twn(g), true);
    for (int64_t i = 0; i < 18; ++i) REQUIRE(q.value.at(i) == 0);
    if (g != Granularity::kLayer) CHECK(q.scale.at(0) == 1);
    CHECK(ternary_weight(Tensor::zeros({2, 3}), twn(g), true).scale.at(0) == 1);
  }
}

TEST_CASE("twn: its gradient is that of the declared surrogate, the identity, and nothing is saved") {
  for (Granularity g : kGranularities) {
    GradcheckOptions options;
    options.surrogate = [](const Tensors& in) { return in[0]; };
    CHECK(gradcheck(
              "ternary_weight", [&](const Tensors& in) { return quantize_weight(in[0], twn(g), true).value; },
              {random_f64({2, 2, 2, 3}, 4)}, options) == "");
    Parameter w("w", random_f32({2, 3, 3, 3}, 5));
    CHECK(ternary_weight(w.tensor(), twn(g)).value.node()->saved.empty());
  }
}

TEST_CASE("twn: the same bytes for any number of threads") {
  for (Granularity g : kGranularities)
    CHECK(same_for_any_threads([&]() -> Tensors {
      const Quantized q = ternary_weight(random_f32({160, 3, 3, 96}, 7), twn(g), true);
      return {q.codes.tensor, q.scale, q.value};
    }));
}

TEST_CASE("twn: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(ternary_weight(Tensor::zeros({4}), twn()), "quantize: weights are empty [4]", Error);
  CHECK_THROWS_WITH_AS(ternary_weight(Tensor::zeros({2, 2}, DType::kI32), twn()),
                       "quantize: elements are i32, not f32 or f64", Error);
}
