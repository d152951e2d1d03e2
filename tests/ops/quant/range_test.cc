#include "ops/quant/range.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/parallel.h"
#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};
constexpr Scheme kRanged[] = {Scheme::kRelu, Scheme::kDorefa, Scheme::kUniform, Scheme::kTernary, Scheme::kInt,
                              Scheme::kTanh, Scheme::kLog,    Scheme::kLog2,    Scheme::kPow2};
std::vector<double> ends(const Tensor& x, Scheme scheme) {
  const CodeRange r = range_of(x, {.scheme = scheme});
  return {r.low, r.high};
}

}  // namespace

TEST_CASE("range: by hand, of each codebook that has one; NaN counts as nothing") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : kTypes) {
    const Tensor x = Tensor::of({2, 4}, {-3, 0.5, nan, 2, 0, 0.25, -1, 1.5}, dtype);
    for (Scheme s : {Scheme::kRelu, Scheme::kDorefa, Scheme::kLog2, Scheme::kPow2})
      CHECK(ends(x, s) == std::vector<double>{0, 2});
    for (Scheme s : {Scheme::kUniform, Scheme::kTernary, Scheme::kTanh})
      CHECK(ends(x, s) == std::vector<double>{-3, 3});
    CHECK(ends(x, Scheme::kInt) == std::vector<double>{-3, 2});
    CHECK(ends(x, Scheme::kLog) == std::vector<double>{0.25, 2});
    // No deeper than 0.03 of the largest; and 0 is always among the values of int.
    const Tensor small = Tensor::of({3}, {1, 0.001, 0.5}, dtype);
    CHECK(ends(small, Scheme::kLog) == std::vector<double>{0.03, 1});
    CHECK(ends(small, Scheme::kInt) == std::vector<double>{0, 1});
  }
}

TEST_CASE("range: a batch without anything above 0, or of infinities, leaves steps that are finite") {
  const double inf = std::numeric_limits<double>::infinity();
  for (Scheme s : kRanged)
    for (const std::vector<double>& v : std::vector<std::vector<double>>{{0, 0}, {1e-35, 0}, {inf, -inf}, {-0.0, 0}}) {
      const QuantSpec spec{.scheme = s, .scale = ScaleRule::kMax};
      const Tensor x = Tensor::of({1, 2}, v);
      const Quantized q = quantize_activation(x, with_range(spec, range_of(x, spec)), true);
      for (double value : q.value.values()) CHECK(std::isfinite(value));
    }
  CHECK_FALSE(range_of(Tensor::zeros({4}), {.scheme = Scheme::kRelu}).measured());
  CHECK(ends(Tensor::zeros({4}), Scheme::kInt) == std::vector<double>{0, 1});
}

TEST_CASE("range: is that of all elements, for all sizes and any number of threads") {
  const int before = threads();
  for (int64_t n : {1, 7, 8, 9, 65, 1000, 32768, 32769, 100003}) {
    const Tensor x = random_f32({n}, uint64_t(n));
    double low = 0, high = 0;
    for (double v : x.values()) low = std::min(low, v), high = std::max(high, v);
    for (int t : {1, 4}) {
      set_threads(t);
      const CodeRange r = range_of(x, {.scheme = Scheme::kInt});
      CHECK(r.low == low);
      CHECK(r.high == high);
    }
  }
  set_threads(before);
}

TEST_CASE(
    "range: the running one starts as the first batch's, then takes a tenth of each; before it is the codebook's") {
  const QuantSpec relu{.scheme = Scheme::kRelu}, whole{.scheme = Scheme::kInt};
  for (DType dtype : kTypes) {
    Tensor running = Tensor::zeros({2}, dtype);
    CHECK_FALSE(running_range(running, relu).measured());
    CHECK(running_range(running, whole).low == -1);
    CHECK(running_range(running, whole).high == 1);
    move_range({-2, 4}, &running);
    CHECK(running.values() == std::vector<double>{-2, 4});
    move_range({-1, 14}, &running);
    const double e = dtype == DType::kF32 ? 1e-6 : 1e-15;
    CHECK(running_range(running, whole).low == doctest::Approx(-1.9).epsilon(e));
    CHECK(running_range(running, whole).high == doctest::Approx(5).epsilon(e));
  }
}

TEST_CASE("range: with one, relu and uniform are themselves of x over it, times it") {
  for (int bits : {2, 4, 8})
    for (double high : {0.25, 3.0, 11.5}) {  // x / high is exact where high is a power of two
      const Tensor x = random_f32({3, 70}, uint64_t(bits), high);
      for (Scheme s : {Scheme::kRelu, Scheme::kUniform}) {
        const QuantSpec own{.scheme = s, .surrogate = Surrogate::kClip, .bits = bits};
        QuantSpec wide = own;
        wide.low = s == Scheme::kRelu ? 0 : -high, wide.high = high;
        const Quantized q = quantize_activation(x, wide, true);
        REQUIRE(inconsistency(q, x.shape(), Granularity::kLayer) == "");
        const int most = s == Scheme::kRelu ? (1 << bits) - 1 : (1 << (bits - 1)) - 1;
        CHECK(q.scale.at(0) == double(float(high / most)));
        for (int64_t i = 0; i < x.size(); ++i) {
          const double steps = x.at(i) / high * most, code = code_at(q.codes, i);
          REQUIRE(std::fabs(code - std::min(std::max(steps, s == Scheme::kRelu ? 0.0 : -double(most)), double(most))) <=
                  0.5 + 1e-4);
        }
        GradcheckOptions options{.kinks = {wide.low, high}};
        options.surrogate = [&](const Tensors& in) {
          std::vector<double> v = in[0].values();
          for (double& e : v) e = std::min(std::max(e, wide.low), high);
          return Tensor::of(in[0].shape(), v, DType::kF64);
        };
        CHECK(gradcheck(
                  "quantize", [&](const Tensors& in) { return quantize_activation(in[0], wide, true).value; },
                  {random_f64({3, 7}, 3, high)}, options) == "");
      }
    }
}

TEST_CASE("range: rules of scales that an activation's codebook does not have are refused with the reason") {
  const auto refused = [](const QuantSpec& s) { return refusal(s, Operand::kActivation); };
  CHECK(refused({.scheme = Scheme::kUniform, .scale = ScaleRule::kMean}) ==
        "the scale of activations is none, max or learned, not mean");
  CHECK(refused({.scheme = Scheme::kTanh, .scale = ScaleRule::kLearned}) ==
        "tanh has no scale of activations that could be learned: it takes none or max");
  CHECK(refused({.scheme = Scheme::kInt, .scale = ScaleRule::kLearned}) ==
        "int has no scale of activations that could be learned: it takes none or max");
  CHECK(refused({.scheme = Scheme::kKmeans}) == "kmeans is for weights alone");
  for (Scheme s : kRanged) CHECK(refused({.scheme = s, .bits = 2, .scale = ScaleRule::kMax}) == "");
  CHECK(refused({.scheme = Scheme::kRelu, .scale = ScaleRule::kLearned}) == "");
}
