#include "ops/quant/step_activation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ops/quant/quantize.h"
#include "ops/quant/range.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};
constexpr Scheme kPowers[] = {Scheme::kLog, Scheme::kLog2, Scheme::kPow2};
const double kNan = std::numeric_limits<double>::quiet_NaN();

QuantSpec of(Scheme scheme, int bits, double low = 0, double high = 0) {
  return {.scheme = scheme, .bits = bits, .low = low, .high = high};
}
std::vector<double> values_of(const QuantSpec& spec, const std::vector<double>& x, DType dtype) {
  return quantize_activation(Tensor::of({1, int64_t(x.size())}, x, dtype), spec, true).value.values();
}

// One-sided LogQuant written down by its equations, of one value; *steps: how far it is from its level, in steps.
double log_quant(double x, int bits, double low, double high, double* distance) {
  *distance = 0;
  if (!(x > 0)) return 0;
  const double levels = (1 << bits) - 1, least = -std::log2(high), largest = -std::log2(low);
  const double l = -std::log2(std::clamp(x, low, high));
  if (levels == 1 || largest == least) return std::exp2(-least);
  const double normal = (l - least) / (largest - least) * (levels - 1), rounded = std::nearbyint(normal);
  *distance = std::fabs(normal - rounded);
  return std::exp2(-(rounded / (levels - 1) * (largest - least) + least));
}

}  // namespace

// [Eq. 5.4]
TEST_CASE("tanh_activation: two bits by hand: thirds of tanh over its maximum; 0 goes up, NaN down") {
  for (DType dtype : kTypes) {
    // In a codebook of its own m = 1: tanh of 2/3 lies half way between codes 1 and 3, and so does -2/3.
    const std::vector<double> x = {0, std::atanh(0.66), std::atanh(0.67), -1e-3, std::atanh(-0.67), 9, -9, kNan};
    const Quantized q = quantize_activation(Tensor::of({1, 8}, x, dtype), of(Scheme::kTanh, 2), true);
    CHECK(q.codes.grid == CodeGrid{4, 2, -3});
    CHECK(all_codes(q.codes, 8) == std::vector<int>{1, 1, 3, -1, -3, 3, -3, -3});
    CHECK(q.value.at(2) == 1);
    // With the range 1/2, m = tanh(1/2): half way is at 2/3 of that.
    const double m = std::tanh(0.5);
    const Quantized r =
        quantize_activation(Tensor::of({1, 4}, {std::atanh(0.66 * m), std::atanh(0.67 * m), 0.5, -2}, dtype),
                            of(Scheme::kTanh, 2, -0.5, 0.5), true);
    CHECK(all_codes(r.codes, 4) == std::vector<int>{1, 3, 3, -3});
  }
}

// [Eq. 5.4]
TEST_CASE("tanh_activation: codes of every number of bits are those of the equation; of one bit they are signs") {
  uint64_t seed = 1;
  for (int bits = 1; bits <= 8; ++bits)
    for (double high : {0.0, 0.3, 2.5})
      for (DType dtype : kTypes) {
        const int n = (1 << bits) - 1;
        const Tensor x = random_tensor({3, 5, 67}, ++seed, dtype);
        const Quantized q = step_activation(x, of(Scheme::kTanh, bits, -high, high), false, seed % 2 == 0);
        REQUIRE(q.codes.grid == CodeGrid{n + 1, 2, -n});
        REQUIRE(inconsistency(q, x.shape(), Granularity::kLayer) == "");
        const double m = high > 0 ? std::tanh(high) : 1;
        for (int64_t i = 0; i < x.size(); ++i) {
          const int code = code_at(q.codes, i);
          const double steps = std::clamp(n * (std::tanh(x.at(i)) / (2 * m) + 0.5), 0.0, double(n));
          REQUIRE(std::fabs((code + n) / 2 - steps) <= 0.5 + n * 5e-7);  // thresholds are rounded to the type
          if (bits == 1) REQUIRE(code == (x.at(i) >= 0 ? 1 : -1));
        }
      }
}

// [Eq. 5.6] [Eq. 5.7] [Eq. 5.8] [Eq. 5.9] [Eq. 5.10]
TEST_CASE("power_activation: log is LogQuant of what is above 0, with its least and largest; 0 stays 0") {
  for (DType dtype : kTypes) {
    // From 1/8 to 2 in two steps: 2, 1/2, 1/8; half way lie 1 and 1/4.
    const std::vector<double> x = {2, 1.01, 0.99, 0.26, 0.24, 0.001, 0, -1, 3, kNan};
    CHECK(values_of(of(Scheme::kLog, 2, 0.125, 2), x, dtype) ==
          std::vector<double>{2, 2, 0.5, 0.5, 0.125, 0.125, 0, 0, 2, 0});
    CHECK(values_of(of(Scheme::kLog, 1, 0.125, 2), {2, 0.1, 0, -1}, dtype) == std::vector<double>{2, 2, 0, 0});
  }
  uint64_t seed = 1;
  for (int bits = 1; bits <= 8; ++bits)
    for (const auto& ends : std::vector<std::pair<double, double>>{{0, 0}, {0.06, 1.7}, {0.5, 0.5}, {0.3, 9}}) {
      const double high = ends.second > 0 ? ends.second : 1, low = ends.second > 0 ? ends.first : 0.03;
      for (DType dtype : kTypes) {
        const Tensor x = random_tensor({4, 70}, ++seed, dtype, 0.5 * high);
        const Tensor y = quantize_activation(x, of(Scheme::kLog, bits, ends.first, ends.second), true).value;
        for (int64_t i = 0; i < x.size(); ++i) {
          double distance;
          const double want = log_quant(x.at(i), bits, low, high, &distance);
          if (distance < 0.5 - 1e-4)  // apart from what lies between two levels, within f32's rounding
            REQUIRE(std::fabs(y.at(i) - want) <= want * (dtype == DType::kF32 ? 2e-7 : 1e-13));
        }
      }
    }
}

TEST_CASE("power_activation: log2 and pow2 by hand: powers of two, the nearest by logarithm and by value") {
  for (DType dtype : kTypes) {
    // 1, 1/2, 1/4 and 0. By logarithm 0.71 > 2^-0.5 goes up; by value 0.75 does, and 1/8 lies half way to 0.
    const std::vector<double> x = {1.5, 1, 0.74, 0.72, 0.7, 0.36, 0.34, 0.13, 0.12, 1e-6, 0, -1, kNan};
    CHECK(values_of(of(Scheme::kLog2, 2), x, dtype) ==
          std::vector<double>{1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0, 0, 0});
    CHECK(values_of(of(Scheme::kPow2, 2), x, dtype) ==
          std::vector<double>{1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0, 0, 0, 0, 0});
    CHECK(values_of(of(Scheme::kPow2, 2), {0.75, 0.375, 0.125}, dtype) == std::vector<double>{1, 0.5, 0.25});
    // Up to the power of two that is next to the range: 3 is nearer to 4 by logarithm, 2.8 to 2.
    for (Scheme s : {Scheme::kLog2, Scheme::kPow2}) {
      CHECK(values_of(of(s, 2, 0, 3), {9}, dtype) == std::vector<double>{4});
      CHECK(values_of(of(s, 2, 0, 2.8), {9}, dtype) == std::vector<double>{2});
    }
  }
}

TEST_CASE("step tables: thresholds ascend, each lies between its two values, and what is below 2^-126 is 0") {
  for (Scheme s : {Scheme::kTanh, Scheme::kLog, Scheme::kLog2, Scheme::kPow2})
    for (int bits = s == Scheme::kPow2 ? 2 : 1; bits <= 8; ++bits)
      for (double high : {0.0, 0.02, 1.0, 300.0}) {
        CAPTURE(std::string(name_of(s)));
        CAPTURE(bits);
        const StepTable t = step_table(of(s, bits, s == Scheme::kLog ? 0.1 * high : -high, high));
        REQUIRE(t.count == (1 << bits) - 1);
        for (int j = 0; j < t.count; ++j) {
          REQUIRE(t.values[j] <= t.values[j + 1]);
          if (j > 0) REQUIRE(t.thresholds[j - 1] <= t.thresholds[j]);
          if (s == Scheme::kTanh) continue;
          REQUIRE(t.thresholds[j] >= 0x1p-126);
          if (j > 0) REQUIRE(t.thresholds[j] >= t.values[j] * (1 - 1e-12));
          REQUIRE(t.thresholds[j] <= t.values[j + 1] * (1 + 1e-12));
        }
        if (s != Scheme::kTanh) CHECK(t.values[0] == 0);
      }
  CHECK_THROWS_WITH_AS(step_table(of(Scheme::kRelu, 2)), "quantize: relu has no table of steps", Error);
}

// [Eq. 5.3]
TEST_CASE("tanh_activation: gradients are those of tanh(x) / m, and through the maximum where it is the batch's own") {
  for (int bits : {1, 2, 5})
    for (double high : {0.0, 0.7, -1.0}) {  // -1: the batch's own
      const Tensor x0 = random_f64({3, 2, 7}, 3);
      const bool of_batch = high < 0;
      const auto spec_for = [&](const Tensor& x) {
        const double most = of_batch ? range_of(x, of(Scheme::kTanh, bits)).high : high;
        return of(Scheme::kTanh, bits, -most, most);
      };
      GradcheckOptions options;
      options.surrogate = [&](const Tensors& in) {
        std::vector<double> v = in[0].values();
        double most = 0;
        for (double e : v) most = std::max(most, std::fabs(e));
        const double m = of_batch ? std::tanh(most) : high > 0 ? std::tanh(high) : 1;
        for (double& e : v) e = std::tanh(e) / m;
        return Tensor::of(in[0].shape(), v, DType::kF64);
      };
      CHECK(gradcheck(
                "tanh_activation",
                [&](const Tensors& in) {
                  return quantize_activation(in[0], spec_for(in[0]), true, {.of_batch = of_batch}).value;
                },
                {x0}, options) == "");
    }
}

// [Eq. 5.3]
TEST_CASE("power_activation: gradients are those of the clip to [0, high], bounds included") {
  for (Scheme s : kPowers)
    for (double high : {0.0, 2.5}) {
      const double most = high > 0 ? high : 1;
      GradcheckOptions options{.kinks = {0, most}};
      options.surrogate = [most](const Tensors& in) {
        std::vector<double> v = in[0].values();
        for (double& e : v) e = std::clamp(e, 0.0, most);
        return Tensor::of(in[0].shape(), v, DType::kF64);
      };
      const QuantSpec spec = of(s, 3, s == Scheme::kLog ? 0.1 * high : 0, high);
      CHECK(gradcheck(
                "power_activation", [&](const Tensors& in) { return quantize_activation(in[0], spec, true).value; },
                {random_f64({4, 3, 5}, 2, most)}, options) == "");
      Parameter x("x", Tensor::of({1, 4}, {0, most, -0.1, most + 0.1}));
      backward({quantize_activation(x.tensor(), spec, true).value}, {Tensor::of({1, 4}, {1, 2, 3, 4})});
      CHECK(x.grad.values() == std::vector<double>{1, 2, 0, 0});
    }
}

TEST_CASE("step activations: f32 follows f64; the same bytes for any number of threads; what they save") {
  for (Scheme s : {Scheme::kTanh, Scheme::kLog, Scheme::kLog2, Scheme::kPow2}) {
    const QuantSpec spec = of(s, 4, s == Scheme::kLog ? 0.1 : -2, 2);
    const Tensor x = random_f32({9, 3, 130}, 8);
    const Tensor a = quantize_activation(x, spec, true).value,
                 b = quantize_activation(x.to(DType::kF64), spec, true).value;
    int64_t differing = 0;
    for (int64_t i = 0; i < x.size(); ++i) differing += std::fabs(a.at(i) - b.at(i)) > 1e-6;
    CHECK(differing == 0);  // no value lies within rounding of a threshold
    CHECK(same_for_any_threads([&] {
      return forward_backward(
          [&](const Tensors& in) { return quantize_activation(in[0], spec, true, {.of_batch = true}).value; },
          {random_f32({160, 16, 16, 13}, 7)});
    }));
    Parameter p("x", x);
    const Quantized q = quantize_activation(p.tensor(), spec, false);
    REQUIRE(q.value.node()->saved.size() == 1);
    CHECK(q.value.has_data() == (s != Scheme::kTanh));
    CHECK(q.codes.defined() == (s == Scheme::kTanh));
    if (s == Scheme::kTanh)
      CHECK(q.value.node()->saved[0].tensor.buffer() == x.buffer());
    else
      CHECK(int64_t(q.value.node()->saved[0].tensor.bytes()) == (x.size() + 7) / 8);
  }
  CHECK_THROWS_WITH_AS(step_activation(Tensor::zeros({0, 2}), of(Scheme::kLog, 2), false),
                       "quantize: input is empty [0,2]", Error);
}
