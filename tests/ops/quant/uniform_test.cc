#include "ops/quant/uniform.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN(), kInfinity = std::numeric_limits<double>::infinity();
constexpr Scheme kActivations[] = {Scheme::kRelu, Scheme::kDorefa, Scheme::kUniform, Scheme::kTernary, Scheme::kHwgq};
constexpr Surrogate kSurrogates[] = {Surrogate::kIdentity, Surrogate::kClip};
constexpr DType kTypes[] = {DType::kF32, DType::kF64};

std::vector<QuantSpec> activation_specs() {
  std::vector<QuantSpec> all;
  for (Scheme scheme : kActivations)
    for (Surrogate surrogate : kSurrogates)
      for (int bits = 1; bits <= 8; ++bits) {
        QuantSpec s{.scheme = scheme, .surrogate = surrogate, .bits = bits};
        if (refusal(s, Operand::kActivation).empty() && s == normal(s, Operand::kActivation)) all.push_back(s);
      }
  return all;
}
std::string text(const QuantSpec& s) {
  return std::string(name_of(s.scheme)) + " " + std::to_string(s.bits) + " bits, " + name_of(s.surrogate) + ", " +
         name_of(s.granularity) + ", " + name_of(s.scale);
}

// Where the codebook reaches, by the header's equations.
struct Reach {
  double lo, hi;
};
Reach reach_of(const QuantSpec& s) {
  if (s.scheme == Scheme::kRelu || s.scheme == Scheme::kDorefa) return {0, 1};
  if (s.scheme == Scheme::kHwgq) return {0, ((1 << s.bits) - 1) * hwgq_step(s.bits)};
  return {-1, 1};
}
// The function whose derivative the surrogate is.
double surrogate_at(const QuantSpec& s, double x) {
  const bool clips =
      is_clipped(s.surrogate) || s.scheme == Scheme::kRelu || s.scheme == Scheme::kDorefa || s.scheme == Scheme::kHwgq;
  const Reach r = reach_of(s);
  return clips ? std::min(std::max(x, r.lo), r.hi) : x;
}

// The code of x, by the header's equations, in the arithmetic of T: NaN has the lowest.
template <class T>
int code_of(const QuantSpec& s, T x) {
  const int n = (1 << s.bits) - 1, h = s.scheme == Scheme::kTernary ? 1 : (1 << (s.bits - 1)) - 1;
  switch (s.scheme) {
    case Scheme::kRelu:
    case Scheme::kDorefa:
      return std::isnan(x) ? 0 : int(std::nearbyint(T(n) * std::min(std::max(x, T(0)), T(1))));
    case Scheme::kHwgq:
      if (!(x > 0)) return 0;
      return int(std::min(std::max(std::nearbyint(x * (T(1) / T(hwgq_step(s.bits)))), T(1)), T(n)));
    default:
      return std::isnan(x) ? -h : int(std::min(std::max(std::nearbyint(T(h) * x), T(-h)), T(h)));
  }
}

// Values of both signs that spread over the codebook and beyond it, and what is no ordinary number.
Tensor inputs(const QuantSpec& s, const Shape& shape, uint64_t seed, DType dtype) {
  const Reach r = reach_of(s);
  std::vector<double> v = random_tensor(shape, seed, dtype, 0.6 * r.hi, 0.3 * r.hi).values();
  const double special[] = {0, -0.0, r.lo, r.hi, kNan, kInfinity, -kInfinity, 1e-40, -1e-40, 1e30, -1e30};
  for (size_t i = 0; i < std::size(special) && 5 * i < v.size(); ++i) v[5 * i] = special[i];
  return Tensor::of(shape, v, dtype);
}

}  // namespace

// [Eq. 5.2] [Eq. 5.5]
TEST_CASE("uniform: relu of two bits by hand: thirds of [0, 1], ties to the even code, the bounds inside the mask") {
  for (DType dtype : kTypes)
    for (Scheme scheme : {Scheme::kRelu, Scheme::kDorefa}) {
      //                          n x = -0.3  0  0.75  1.5  1.499  2.5      3    4.5  NaN
      const std::vector<double> x = {-0.1, 0, 0.25, 0.5, 0.4996, 2.5 / 3, 1.0, 1.5, kNan};
      Parameter p("x", Tensor::of({3, 3}, x, dtype));
      const Quantized q = uniform_activation(p.tensor(), {.scheme = scheme, .bits = 2}, true);
      CHECK(q.codes.grid == CodeGrid{4, 1, 0});
      std::vector<int> codes = all_codes(q.codes, 9);
      CHECK((codes[5] == 2 || codes[5] == 3));  // 2.5 / 3 is no binary fraction
      codes[5] = 2;
      CHECK(codes == std::vector<int>{0, 0, 1, 2, 1, 2, 3, 3, 0});
      CHECK(q.scale.at(0) == doctest::Approx(1.0 / 3).epsilon(1e-7));
      CHECK(q.value.at(3) == doctest::Approx(2.0 / 3).epsilon(1e-7));
      CHECK(q.value.at(7) == doctest::Approx(1).epsilon(1e-7));
      // [Eq. 5.3], read as the gradient of the clip: where 0 <= x <= 1.
      backward({q.value}, {Tensor::of({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, dtype)});
      CHECK(p.grad.values() == std::vector<double>{0, 2, 3, 4, 5, 6, 7, 0, 0});
    }
}

// [Eq. 5.3]
TEST_CASE("uniform: the surrogate is dx = dq where the codebook reaches, its bounds included, else 0") {
  for (DType dtype : kTypes)
    for (const QuantSpec& s : activation_specs()) {
      CAPTURE(text(s));
      const Reach r = reach_of(s);
      const double hi = dtype == DType::kF32 && s.scheme == Scheme::kHwgq
                            ? double(float((1 << s.bits) - 1) * float(hwgq_step(s.bits)))
                            : r.hi;
      const double e = dtype == DType::kF32 ? 1e-6 : 1e-14;
      const std::vector<double> x = {r.lo - 1e-5,  r.lo, 0.5 * hi,   hi,
                                     hi * (1 + e), kNan, -kInfinity, 0.25 * (r.lo + hi)};
      Parameter p("x", Tensor::of({8}, x, dtype));
      const Quantized q = uniform_activation(p.tensor(), s);
      backward({q.value}, {Tensor::of({8}, {1, 2, 3, 4, 5, 6, 7, 8}, dtype)});
      const bool everywhere = surrogate_at(s, -5) == -5;
      CHECK(p.grad.values() ==
            (everywhere ? std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8} : std::vector<double>{0, 2, 3, 4, 0, 0, 0, 8}));
    }
}

// [Eq. 5.5]
TEST_CASE("uniform: codes of every scheme and number of bits are those of the equations, and value = step * code") {
  uint64_t seed = 1;
  for (const QuantSpec& s : activation_specs()) {
    CAPTURE(text(s));
    const int n = (1 << s.bits) - 1, h = s.scheme == Scheme::kTernary ? 1 : (1 << (s.bits - 1)) - 1;
    const bool from_zero = reach_of(s).lo == 0;
    const double step = s.scheme == Scheme::kHwgq ? hwgq_step(s.bits) : 1.0 / (from_zero ? n : h);
    for (const Shape& shape : {Shape{1}, Shape{7, 67}, Shape{2, 3, 5, 33}})
      for (DType dtype : kTypes) {
        const Tensor x = inputs(s, shape, ++seed, dtype);
        const Quantized q = uniform_activation(x, s, shape.rank == 2);
        REQUIRE(q.codes.grid == (from_zero ? CodeGrid{n + 1, 1, 0} : CodeGrid{2 * h + 1, 1, -h}));
        REQUIRE(q.scale.shape() == Shape{1});
        CHECK(q.scale.at(0) == doctest::Approx(step).epsilon(1e-7));
        CHECK(q.value.has_data() == (shape.rank == 2));
        REQUIRE(inconsistency(q, shape, Granularity::kLayer) == "");
        const UniformRule rule = uniform_rule(s);
        for (int64_t i = 0; i < x.size(); ++i) {
          const int want = dtype == DType::kF32 ? code_of(s, float(x.at(i))) : code_of(s, x.at(i));
          REQUIRE(code_at(q.codes, i) == want);
          if (dtype == DType::kF32) REQUIRE(rule.byte(float(x.at(i))) + rule.lo == want);
        }
      }
  }
}

TEST_CASE("uniform: no code of the codebook lies nearer to x than the one taken") {
  for (QuantSpec s : activation_specs()) {
    CAPTURE(text(s));
    const Tensor x = random_f64({999}, 7, 1.2 * reach_of(s).hi);
    const Quantized q = uniform_activation(x, s);
    const double step = q.scale.at(0);
    const int lo = q.codes.grid.code(0), hi = q.codes.grid.code(q.codes.grid.levels - 1);
    for (int64_t i = 0; i < x.size(); ++i) {
      const int code = code_at(q.codes, i);
      // What is above 0 takes hwgq's first level, however near 0 it is.
      const int first = s.scheme == Scheme::kHwgq && x.at(i) > 0 ? 1 : lo;
      const double d = std::fabs(x.at(i) - step * code);
      if (code > first) REQUIRE(d <= std::fabs(x.at(i) - step * (code - 1)) * (1 + 1e-12));
      if (code < hi) REQUIRE(d <= std::fabs(x.at(i) - step * (code + 1)) * (1 + 1e-12));
    }
  }
}

TEST_CASE("uniform: symmetric codes are odd in x, and 0 is 0") {
  for (int bits = 2; bits <= 8; ++bits) {
    const QuantSpec s{.scheme = Scheme::kUniform, .bits = bits};
    const Tensor x = random_f32({501}, uint64_t(bits));
    std::vector<double> minus = x.values();
    for (double& v : minus) v = -v;
    const Quantized a = uniform_activation(x, s), b = uniform_activation(Tensor::of({501}, minus), s);
    for (int64_t i = 0; i < 501; ++i) REQUIRE(code_at(a.codes, i) == -code_at(b.codes, i));
    CHECK(code_at(uniform_activation(Tensor::of({1}, {-0.0}), s).codes, 0) == 0);
  }
}

TEST_CASE("uniform: gradients are those of the declared surrogates") {
  for (const QuantSpec& s : activation_specs()) {
    CAPTURE(text(s));
    const Reach r = reach_of(s);
    GradcheckOptions options{.kinks = {r.lo, r.hi}};
    options.surrogate = [&](const Tensors& in) {
      std::vector<double> v = in[0].values();
      for (double& e : v) e = surrogate_at(s, e);
      return Tensor::of(in[0].shape(), v, DType::kF64);
    };
    CHECK(gradcheck(
              "quantize", [&](const Tensors& in) { return quantize_activation(in[0], s, true).value; },
              {random_f64({3, 2, 7}, 3, r.hi)}, options) == "");
  }
}

TEST_CASE("uniform: a clipped surrogate saves one bit for an element, the identity nothing") {
  Parameter x("x", Tensor::zeros({4, 9, 9, 65}));
  for (const QuantSpec& s : activation_specs()) {
    CAPTURE(text(s));
    const Quantized q = uniform_activation(x.tensor(), s);
    const bool masked = surrogate_at(s, -5) != -5;
    REQUIRE(q.value.node()->saved.size() == (masked ? 1 : 0));
    if (masked) CHECK(q.value.node()->saved[0].tensor.bytes() == (4 * 9 * 9 * 65 + 7) / 8);
    CHECK(q.codes.tensor.bytes() == 4 * 9 * 9 * 65);
    NoGrad no_grad;
    CHECK(uniform_activation(x.tensor(), s).value.node() == nullptr);
  }
}

TEST_CASE("uniform: the same bytes for any number of threads, at sizes of several chunks") {
  for (Scheme scheme : kActivations) {
    const QuantSpec s{.scheme = scheme, .surrogate = Surrogate::kClip, .bits = 3};
    CHECK(same_for_any_threads([&] {
      return forward_backward([&](const Tensors& in) { return uniform_activation(in[0], s, true).value; },
                              {random_f32({7, 31, 33, 17}, 5)});
    }));
    CHECK(same_for_any_threads([&]() -> Tensors {
      const Quantized q = uniform_activation(random_f32({7, 31, 33, 17}, 6), s);
      return {q.codes.tensor, q.scale};
    }));
  }
  for (Granularity g : kGranularities) {
    const QuantSpec s{.scheme = Scheme::kUniform,
                      .surrogate = Surrogate::kClip,
                      .bits = 4,
                      .granularity = g,
                      .scale = ScaleRule::kMean};
    CHECK(same_for_any_threads([&] {
      return forward_backward([&](const Tensors& in) { return uniform_weight(in[0], s, true).value; },
                              {random_f32({160, 3, 3, 96}, 7)});
    }));
  }
}

namespace {

QuantSpec range(int bits, double low, double high) {
  return {.scheme = Scheme::kInt, .bits = bits, .low = low, .high = high};
}

}  // namespace

TEST_CASE("uniform: int by hand: the zero point, both ends, ties to even, the mask with its bounds") {
  for (DType dtype : kTypes) {
    // 15 steps of 0.25 from -1 to 2.75: zero point 4.
    const QuantSpec s = range(4, -1, 2.75);
    CHECK(int_step(s) == 0.25);
    CHECK(zero_point(s) == 4);
    Parameter p("x", Tensor::of({2, 5}, {-1, -1.25, 2.75, 3, 0, 0.125, 0.375, -0.375, kNan, 1}, dtype));
    const Quantized q = uniform_activation(p.tensor(), s, true);
    CHECK(q.codes.grid == CodeGrid{16, 1, -4});
    CHECK(all_codes(q.codes, 10) == std::vector<int>{-4, -4, 11, 11, 0, 0, 2, -2, -4, 4});
    CHECK(q.value.values() == std::vector<double>{-1, -1, 2.75, 2.75, 0, 0, 0.5, -0.5, -1, 1});
    backward({q.value}, {Tensor::of({2, 5}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, dtype)});
    CHECK(p.grad.values() == std::vector<double>{1, 0, 3, 0, 5, 6, 7, 8, 0, 10});
  }
}

TEST_CASE("uniform: int over any range has 0 as a code, misses no end by more than half a step, and is the equation") {
  uint64_t seed = 1;
  for (int bits = 2; bits <= 8; ++bits)
    for (const auto& ends :
         std::vector<std::pair<double, double>>{{-1, 1}, {-0.3, 2.7}, {-5, 0.01}, {-0.001, 3}, {0, 0.7}, {-0.7, 0}}) {
      const double low = ends.first, high = ends.second;
      const QuantSpec s = range(bits, low, high);
      CAPTURE(bits);
      CAPTURE(low);
      CAPTURE(high);
      const int n = (1 << bits) - 1, z = zero_point(s);
      const double step = (high - low) / n;
      REQUIRE(z >= 0);
      REQUIRE(z <= n);
      if (low == 0) CHECK(z == 0);
      if (high == 0) CHECK(z == n);
      CHECK(std::fabs(-z * step - low) <= step / 2 * (1 + 1e-9));
      CHECK(std::fabs((n - z) * step - high) <= step / 2 * (1 + 1e-9));
      CHECK(uniform_activation(Tensor::zeros({3}), s, true).value.values() == std::vector<double>(3, 0.0));
      for (DType dtype : kTypes) {
        const Tensor x = random_tensor({3, 7, 67}, ++seed, dtype, 0.6 * (high - low), 0.5 * (low + high));
        const Quantized q = uniform_activation(x, s);
        REQUIRE(inconsistency(q, x.shape(), Granularity::kLayer) == "");
        const UniformRule rule = uniform_rule(s);
        for (int64_t i = 0; i < x.size(); ++i) {
          const double exact = std::min(std::max(x.at(i) / step, double(-z)), double(n - z));
          REQUIRE(std::fabs(code_at(q.codes, i) - exact) <= 0.5 + (dtype == DType::kF32 ? 6e-5 : 1e-12));
          if (dtype == DType::kF32) REQUIRE(rule.byte(float(x.at(i))) + rule.lo == code_at(q.codes, i));
        }
      }
      // Gradients: those of the clip to the range.
      if (bits > 3) continue;
      GradcheckOptions options{.kinks = {low, high}};
      options.surrogate = [&](const Tensors& in) {
        std::vector<double> v = in[0].values();
        for (double& e : v) e = std::min(std::max(e, low), high);
        return Tensor::of(in[0].shape(), v, DType::kF64);
      };
      CHECK(gradcheck(
                "quantize", [&](const Tensors& in) { return quantize_activation(in[0], s, true).value; },
                {random_f64({3, 2, 7}, 3, high - low)}, options) == "");
    }
}

TEST_CASE("uniform: int without a range that was measured is an error that says so") {
  for (const auto& ends : std::vector<std::pair<double, double>>{{0, 0}, {0.5, 1}, {-1, -0.5}, {1, -1}})
    CHECK_THROWS_WITH_AS(uniform_activation(Tensor::zeros({2}), range(8, ends.first, ends.second)),
                         "quantize: the range of int activations has not been measured", Error);
}

TEST_CASE("uniform weights: int is uniform by max |w|, for each granularity and number of bits") {
  for (int bits = 2; bits <= 8; ++bits)
    for (Granularity g : kGranularities) {
      const Tensor w = random_f32({4, 3, 3, 5}, uint64_t(bits));
      const Quantized a = quantize_weight(w, {.scheme = Scheme::kInt, .bits = bits, .granularity = g}, true);
      const Quantized b = quantize_weight(
          w, {.scheme = Scheme::kUniform, .bits = bits, .granularity = g, .scale = ScaleRule::kMax}, true);
      CHECK(same_tensor(a.codes.tensor, b.codes.tensor));
      CHECK(same_tensor(a.scale, b.scale));
      CHECK(same_tensor(a.value.detach(), b.value.detach()));
    }
}

TEST_CASE("hwgq: its step makes the least mean squared error on half a normal distribution, for every number of bits") {
  // The integral of f(x) times the normal density from a to b, by Simpson's rule: steps of 0.0025 err by h^4 / 180 =
  // 2e-13 times the fourth derivative.
  const auto integral = [](auto f, double a, double b) {
    const int parts = 2 * std::max(8, int(std::ceil((b - a) / 0.005)));
    const double h = (b - a) / parts;
    double sum = 0;
    for (int i = 0; i <= parts; ++i) {
      const double x = a + i * h;
      sum += (i == 0 || i == parts ? 1 : i % 2 ? 4 : 2) * f(x) * std::exp(-x * x / 2);
    }
    return sum * h / 3 * std::sqrt(2 / std::acos(-1.0));
  };
  // f(x, code) over the cells of code 1 to n: what is above 0 has code 1, between two codes lies the middle.
  const auto over_cells = [&](int bits, double s, auto f) {
    const int n = (1 << bits) - 1;
    double sum = 0;
    for (int c = 1; c <= n; ++c)
      sum += integral([&](double x) { return f(x, c); }, c == 1 ? 0 : (c - 0.5) * s,
                      c == n ? std::max(12.0, (c + 1) * s) : (c + 0.5) * s);
    return sum;
  };
  for (int bits = 1; bits <= 8; ++bits) {
    CAPTURE(bits);
    const double s = hwgq_step(bits);
    const auto error = [&](double step) {
      return over_cells(bits, step, [&](double x, int c) { return (x - step * c) * (x - step * c); });
    };
    // d error / ds = 0: the borders between two codes are best already, so s = E[x c] / E[c^2].
    const double best = over_cells(bits, s, [](double x, int c) { return x * c; }) /
                        over_cells(bits, s, [](double, int c) { return double(c) * c; });
    CHECK(std::fabs(best - s) <= 2e-11 * s);
    const double least = error(s);
    for (double factor : {0.2, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.01, 1.05, 1.1, 1.3, 1.5, 2.0, 3.0})
      CHECK(error(factor * s) > least);
  }
  CHECK_THROWS_WITH_AS(hwgq_step(0), "quantize: hwgq has 1 to 8 bits, not 0", Error);
  CHECK_THROWS_WITH_AS(hwgq_step(9), "quantize: hwgq has 1 to 8 bits, not 9", Error);
}

namespace {

std::vector<QuantSpec> weight_specs() {
  std::vector<QuantSpec> all;
  for (Scheme scheme : {Scheme::kUniform, Scheme::kTernary})
    for (Granularity g : kGranularities)
      for (ScaleRule rule : {ScaleRule::kNone, ScaleRule::kMean, ScaleRule::kMax})
        for (Surrogate surrogate : kSurrogates)
          for (int bits = 2; bits <= (scheme == Scheme::kTernary ? 2 : 8); ++bits)
            all.push_back({scheme, surrogate, bits, g, rule});
  return all;
}
int half_of(const QuantSpec& s) { return s.scheme == Scheme::kTernary ? 1 : (1 << (s.bits - 1)) - 1; }

// The codebook's reach for those that share a scale.
double reach_of(const QuantSpec& s, const Tensor& w, const std::vector<int64_t>& group) {
  double sum = 0, most = 0;
  for (int64_t i : group) sum += std::fabs(w.at(i)), most = std::max(most, std::fabs(w.at(i)));
  if (s.scale == ScaleRule::kNone || most == 0) return 1;
  return s.scale == ScaleRule::kMax ? most : 2 * std::sqrt(double(half_of(s))) * sum / double(group.size());
}

}  // namespace

// [Eq. 3.8]
TEST_CASE("uniform weights: codes, steps and values are those of the equation, for every granularity, scale, bits") {
  uint64_t seed = 100;
  for (const Shape& shape : weight_shapes())
    for (const QuantSpec& s : weight_specs()) {
      CAPTURE(to_string(shape));
      CAPTURE(text(s));
      const int h = half_of(s);
      for (DType dtype : kTypes) {
        const Tensor w = random_tensor(shape, ++seed, dtype, 0.4);
        const Quantized q = uniform_weight(w, s, seed % 3 == 0);
        const Granularity g = s.scale == ScaleRule::kNone ? Granularity::kLayer : s.granularity;
        REQUIRE(q.codes.grid == CodeGrid{2 * h + 1, 1, -h});
        REQUIRE(q.scale.shape() == scale_shape_of(shape, g));
        REQUIRE(inconsistency(q, shape, g) == "");
        const auto groups = groups_of(shape, g);
        for (size_t group = 0; group < groups.size(); ++group) {
          double reach = reach_of(s, w, groups[group]);
          if (dtype == DType::kF32) reach = double(float(reach));
          // One rounding of the reach and one of the quotient.
          REQUIRE(q.scale.at(int64_t(group)) ==
                  doctest::Approx(reach / h).epsilon(dtype == DType::kF32 ? 2e-7 : 1e-15));
          for (int64_t i : groups[group]) {
            // Two roundings in f32 move v / s h by 2^-23 of itself, up to 127: a tie may fall to either side.
            const double exact = std::min(std::max(w.at(i) / reach * h, -double(h)), double(h));
            REQUIRE(std::fabs(code_at(q.codes, i) - exact) <= 0.5 + (dtype == DType::kF32 ? 4e-5 : 1e-12));
          }
        }
      }
    }
}

TEST_CASE("uniform weights: three bits by hand, ties to even, and the largest weight reaches the last code") {
  for (DType dtype : kTypes) {
    // max |w| = 6, h = 3: codes are w / 2.
    const Tensor w = Tensor::of({2, 4}, {6, 5, 3, 1, -1, -3, -5, 0.5}, dtype);
    const Quantized q = uniform_weight(w, {.scheme = Scheme::kUniform, .bits = 3, .scale = ScaleRule::kMax}, true);
    CHECK(all_codes(q.codes, 8) == std::vector<int>{3, 2, 2, 0, 0, -2, -2, 0});
    CHECK(q.scale.values() == std::vector<double>{2});
    CHECK(q.value.values() == std::vector<double>{6, 4, 4, 0, 0, -4, -4, 0});
    // Ternary by its mean: the step is 2 mean |w| by channel: 3.75 * 2 and 2.375 * 2.
    const Quantized t = uniform_weight(
        w, {.scheme = Scheme::kTernary, .granularity = Granularity::kChannel, .scale = ScaleRule::kMean}, true);
    CHECK(t.scale.values() == std::vector<double>{7.5, 4.75});
    CHECK(all_codes(t.codes, 8) == std::vector<int>{1, 1, 0, 0, 0, -1, -1, 0});
    // Without a scale it is 1.
    const Quantized one = uniform_weight(w, {.scheme = Scheme::kTernary}, true);
    CHECK(one.value.values() == std::vector<double>{1, 1, 1, 1, -1, -1, -1, 0});
  }
}

TEST_CASE("uniform weights: where all that share a scale are 0 it is 1, and codes are 0") {
  for (Granularity g : kGranularities)
    for (ScaleRule rule : {ScaleRule::kMean, ScaleRule::kMax}) {
      Tensor w = random_f32({2, 3, 3, 2}, 1);
      std::vector<double> v = w.values();
      for (size_t i = 0; i < 18; ++i) v[i] = 0;
      w = Tensor::of(w.shape(), v);
      const Quantized q =
          uniform_weight(w, {.scheme = Scheme::kUniform, .bits = 4, .granularity = g, .scale = rule}, true);
      for (int64_t i = 0; i < 18; ++i) REQUIRE(q.value.at(i) == 0);
      if (g != Granularity::kLayer) CHECK(q.scale.at(0) == double(1.0f / 7.0f));
      const Quantized none = uniform_weight(
          Tensor::zeros({2, 5}), {.scheme = Scheme::kUniform, .bits = 4, .granularity = g, .scale = rule}, true);
      CHECK(none.value.values() == std::vector<double>(10, 0.0));
      CHECK(none.scale.at(0) == double(1.0f / 7.0f));
    }
}

TEST_CASE(
    "uniform weights: a clipped surrogate drops what lies beyond the reach, its bounds included, all else passes") {
  for (DType dtype : kTypes) {
    const std::vector<double> w = {1, -1, 1.25, -1.25, 0, 3, -0.5, kNan}, g = {1, 2, 3, 4, 5, 6, 7, 8};
    const auto gradient = [&](const std::vector<double>& values, const QuantSpec& s) {
      Parameter p("w", Tensor::of({2, 4}, values, dtype));
      backward({uniform_weight(p.tensor(), s).value}, {Tensor::of({2, 4}, g, dtype)});
      return p.grad.values();
    };
    const QuantSpec plain{.scheme = Scheme::kUniform, .surrogate = Surrogate::kClip, .bits = 4};
    CHECK(gradient(w, plain) == std::vector<double>{1, 2, 0, 0, 5, 0, 7, 0});
    QuantSpec identity = plain;
    identity.surrogate = Surrogate::kIdentity;
    CHECK(gradient(w, identity) == g);
    // By max |w| nothing lies beyond.
    QuantSpec by_max = plain;
    by_max.scale = ScaleRule::kMax, by_max.granularity = Granularity::kChannel;
    CHECK(gradient({1, -1, 1.25, -1.25, 0, 3, -0.5, 0.125}, by_max) == g);
    // Ternary, the mean by channel: the reach is 2 and 4.
    const QuantSpec ternary{Scheme::kTernary, Surrogate::kClip, 2, Granularity::kChannel, ScaleRule::kMean};
    CHECK(gradient({2, -2, 0, 0, 0, 0, -3, 5}, ternary) == std::vector<double>{1, 2, 3, 4, 5, 6, 7, 0});
  }
}

TEST_CASE("uniform weights: gradients are those of the declared surrogates, the scale taken as a constant") {
  for (const QuantSpec& s : weight_specs()) {
    if (s.bits > 3) continue;
    CAPTURE(text(s));
    const Tensor w0 = random_f64({2, 2, 2, 3}, 9);
    const Granularity g = s.scale == ScaleRule::kNone ? Granularity::kLayer : s.granularity;
    std::vector<double> most(size_t(w0.size()), kInfinity);
    GradcheckOptions options;
    for (const auto& group : groups_of(w0.shape(), g)) {
      const double reach = reach_of(s, w0, group);
      for (int64_t i : group) {
        // The largest weight lies on its own bound, where it counts as inside.
        if (is_clipped(s.surrogate) && s.scale != ScaleRule::kMax) most[size_t(i)] = reach;
        REQUIRE(std::fabs(std::fabs(w0.at(i)) - most[size_t(i)]) > 1e-4);
      }
    }
    options.surrogate = [&](const Tensors& in) {
      std::vector<double> v = in[0].values();
      for (size_t i = 0; i < v.size(); ++i) v[i] = std::min(std::max(v[i], -most[i]), most[i]);
      return Tensor::of(in[0].shape(), v, DType::kF64);
    };
    CHECK(gradcheck(
              "quantize_weight", [&](const Tensors& in) { return quantize_weight(in[0], s, true).value; }, {w0},
              options) == "");
  }
}

TEST_CASE("uniform: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(uniform_activation(Tensor::zeros({0, 2}), {.scheme = Scheme::kRelu}),
                       "quantize: input is empty [0,2]", Error);
  CHECK_THROWS_WITH_AS(uniform_activation(Tensor::zeros({2, 2}, DType::kI32), {.scheme = Scheme::kRelu}),
                       "quantize: elements are i32, not f32 or f64", Error);
  CHECK_THROWS_WITH_AS(uniform_activation(Tensor::zeros({2}), {.scheme = Scheme::kTwn}),
                       "quantize: twn has no even steps", Error);
  CHECK_THROWS_WITH_AS(uniform_weight(Tensor::zeros({3}), {.scheme = Scheme::kUniform}),
                       "quantize: weights are empty [3]", Error);
  const auto refused = [](const QuantSpec& s, const char* what) {
    CHECK_THROWS_WITH_AS(quantize_weight(Tensor::zeros({2, 2}), s, true), what, Error);
  };
  refused({.scheme = Scheme::kRelu}, "quantize: relu is for activations alone");
  refused({.scheme = Scheme::kHwgq}, "quantize: hwgq is for activations alone");
  refused({.scheme = Scheme::kUniform, .bits = 1}, "quantize: uniform takes 2 to 8 bits, not 1");
  refused({.scheme = Scheme::kTanh, .bits = 9}, "quantize: tanh takes 1 to 8 bits, not 9");
  for (Scheme s : {Scheme::kBwn, Scheme::kXnor, Scheme::kTwn, Scheme::kKmeans})
    CHECK_THROWS_WITH_AS(quantize_activation(Tensor::zeros({2, 2}), {.scheme = s}, true),
                         (std::string("quantize: ") + name_of(s) + " is for weights alone").c_str(), Error);
}
