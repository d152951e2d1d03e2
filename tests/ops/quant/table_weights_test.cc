#include "ops/quant/table_weights.h"

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
constexpr Scheme kSchemes[] = {Scheme::kPow2, Scheme::kLog, Scheme::kLog2, Scheme::kKmeans};

int least_bits(Scheme scheme) { return traits_of(scheme).least_bits; }
std::string text(const QuantSpec& s) { return std::string(name_of(s.scheme)) + " " + std::to_string(s.bits); }
double rounded(double v, DType dtype) { return dtype == DType::kF32 ? double(float(v)) : v; }
double most_of(const Tensor& w) {
  double most = 0;
  for (double v : w.values()) most = std::max(most, std::fabs(v));
  return most;
}
double squared_error(const Tensor& a, const Tensor& b) {
  double sum = 0;
  for (int64_t i = 0; i < a.size(); ++i) sum += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
  return sum;
}

// LogQuant line for line, in f64: values, and how far each weight is from a tie, in steps.
struct Logged {
  std::vector<double> value, from_tie;
};
Logged log_quant(const std::vector<double>& w, int bits, bool rescaled) {
  const double floor = bits <= 2 ? 0.33 : bits == 3 ? 0.15 : 0.03;
  const int n = (1 << (bits - 1)) - 1;
  double most = 0;
  for (double v : w) most = std::max(most, std::fabs(v));
  if (most == 0) most = 1;
  std::vector<double> l;
  for (double v : w) l.push_back(std::fabs(std::log2(std::max(std::fabs(v / most), floor))));
  const double least = *std::min_element(l.begin(), l.end()), largest = *std::max_element(l.begin(), l.end());
  Logged out;
  for (size_t i = 0; i < w.size(); ++i) {
    double steps = 0, hat = n == 0 ? 0 : least;
    if (n > 0 && !rescaled) {
      steps = std::min(l[i], double(n));
      hat = std::nearbyint(steps);
    } else if (n > 0 && largest > least) {
      steps = n * (l[i] - least) / (largest - least);               // normalize, and Q times n
      hat = std::nearbyint(steps) / n * (largest - least) + least;  // rescale
    }
    out.value.push_back((w[i] < 0 ? -1 : 1) * std::exp2(-hat));
    out.from_tie.push_back(std::fabs(std::fabs(steps - std::floor(steps)) - 0.5));
  }
  return out;
}

}  // namespace

// [T 3.2.2]
TEST_CASE("table_weights: pow2 by hand: 0 and the powers of two up to that next to the largest, the nearest by value") {
  for (DType dtype : kTypes) {
    // log2 5.7 + 1/2 = 3.01: E = 3. Two bits: -8, 0, 8; three: 2, 4, 8 of either sign, and 0.
    const Tensor w = Tensor::of({2, 4}, {5.7, -3.1, 1.25, 0.9, -1, 1, 3, -5}, dtype);
    const Quantized two = table_weight(w, {.scheme = Scheme::kPow2, .bits = 2}, true);
    CHECK(two.table.values() == std::vector<double>{-8, 0, 8});
    CHECK(two.value.values() == std::vector<double>{8, 0, 0, 0, 0, 0, 0, -8});
    const Quantized three = table_weight(w, {.scheme = Scheme::kPow2, .bits = 3}, true);
    CHECK(three.table.values() == std::vector<double>{-8, -4, -2, 0, 2, 4, 8});
    // -1, 1 and 3 lie half way: the smaller.
    CHECK(three.value.values() == std::vector<double>{4, -4, 2, 0, -2, 0, 2, -4});
    CHECK_FALSE(three.scale.defined());
  }
}

TEST_CASE("table_weights: pow2 takes the nearest of its codebook, at every number of bits") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (DType dtype : kTypes)
      for (int bits = 2; bits <= 8; ++bits) {
        CAPTURE(to_string(shape));
        CAPTURE(bits);
        const Tensor w = random_tensor(shape, ++seed, dtype, 0.3);
        const Quantized q = table_weight(w, {.scheme = Scheme::kPow2, .bits = bits}, true);
        // floor(log2 m + 1/2) is the power of two that is nearest in the logarithm.
        const double top = std::exp2(std::floor(std::log2(most_of(w)) + 0.5));
        std::vector<double> book = {0};
        for (int i = 0; i < (1 << (bits - 1)) - 1; ++i)
          book.push_back(std::ldexp(top, -i)), book.push_back(-book.back());
        std::sort(book.begin(), book.end());
        REQUIRE(q.table.size() == int64_t(book.size()));
        for (int64_t i = 0; i < q.table.size(); ++i) REQUIRE(q.table.at(i) == rounded(book[size_t(i)], dtype));
        for (int64_t i = 0; i < w.size(); ++i) {
          double nearest = book[0];
          for (double v : book)
            if (std::fabs(v - w.at(i)) < std::fabs(nearest - w.at(i))) nearest = v;
          REQUIRE(q.value.at(i) == rounded(nearest, dtype));
        }
      }
}

// [Eq. 5.6] [Eq. 5.7] [Eq. 5.8] [Eq. 5.9] [Eq. 5.10]
TEST_CASE(
    "table_weights: log is LogQuant with a bit for the sign, log2 the same on whole steps, at any number of bits") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (DType dtype : kTypes)
      for (Scheme scheme : {Scheme::kLog, Scheme::kLog2})
        for (int bits = 1; bits <= 8; ++bits) {
          const QuantSpec s{.scheme = scheme, .bits = bits};
          CAPTURE(to_string(shape));
          CAPTURE(text(s));
          const Tensor w = random_tensor(shape, ++seed, dtype, 0.3);
          const Quantized q = table_weight(w, s, true);
          const Logged want = log_quant(w.values(), bits, scheme == Scheme::kLog);
          for (int64_t i = 0; i < w.size(); ++i)
            if (want.from_tie[size_t(i)] > 1e-9)
              REQUIRE(q.value.at(i) ==
                      doctest::Approx(want.value[size_t(i)]).epsilon(dtype == DType::kF32 ? 1e-7 : 1e-13));
        }
}

TEST_CASE("table_weights: log and log2 by hand") {
  for (DType dtype : kTypes) {
    // Over 4: 1, -1/2, 1/4, 0 and -0.0, a floor of 0.15: l = 0, 1, 2, 2.737.
    const Tensor w = Tensor::of({1, 5}, {4, -2, 1, 0, -0.0}, dtype);
    const Quantized whole = table_weight(w, {.scheme = Scheme::kLog2, .bits = 3}, true);
    CHECK(whole.value.values() == std::vector<double>{1, -0.5, 0.25, 0.125, 0.125});
    const Quantized even = table_weight(w, {.scheme = Scheme::kLog, .bits = 3}, true);
    const double step = -std::log2(0.15) / 3, values[] = {1, -std::exp2(-step), std::exp2(-2 * step), 0.15, 0.15};
    for (int64_t i = 0; i < 5; ++i) CHECK(even.value.at(i) == doctest::Approx(values[i]).epsilon(1e-7));
    for (Scheme scheme : {Scheme::kLog, Scheme::kLog2})
      CHECK(table_weight(w, {.scheme = scheme, .bits = 1}, true).value.values() == std::vector<double>{1, -1, 1, 1, 1});
  }
}

TEST_CASE("table_weights: no centroid of kmeans moves by more than two bins in another round of Lloyd's iteration") {
  for (DType dtype : kTypes)
    for (int bits = 1; bits <= 3; ++bits)
      for (uint64_t seed = 1; seed <= 4; ++seed) {
        CAPTURE(bits);
        CAPTURE(seed);
        const Tensor w = random_tensor({16, 3, 3, 64}, seed, dtype, 0.3);
        const Quantized q = table_weight(w, {.scheme = Scheme::kKmeans, .bits = bits}, true);
        const auto v = w.values();
        const double width = (*std::max_element(v.begin(), v.end()) - *std::min_element(v.begin(), v.end())) / 4096;
        std::vector<double> sum(size_t(1) << bits, 0), n(size_t(1) << bits, 0);
        for (int64_t i = 0; i < w.size(); ++i) {
          const uint8_t byte = q.codes.bytes()[i];
          sum[byte] += w.at(i), n[byte] += 1;
          for (int64_t j = 0; j < q.table.size(); ++j)
            REQUIRE(std::fabs(q.value.at(i) - w.at(i)) <= std::fabs(q.table.at(j) - w.at(i)) * (1 + 1e-6) + 1e-7);
        }
        for (size_t j = 0; j < n.size(); ++j) {
          REQUIRE(n[j] > 0);
          CHECK(std::fabs(sum[j] / n[j] - q.table.at(int64_t(j))) <= 2 * width);
        }
      }
}

TEST_CASE("table_weights: kmeans errs by no more than even steps do, and less the more bits it has") {
  for (DType dtype : kTypes)
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      const Tensor w = random_tensor({16, 3, 3, 64}, seed, dtype, 0.3);
      const auto v = w.values();
      const double least = *std::min_element(v.begin(), v.end()), largest = *std::max_element(v.begin(), v.end());
      double before = std::numeric_limits<double>::infinity();
      for (int bits = 1; bits <= 8; ++bits) {
        CAPTURE(bits);
        const int k = 1 << bits;
        double even = 0;
        for (double x : v) {
          const double cell = std::min(std::floor((x - least) / (largest - least) * k), double(k - 1));
          const double d = least + (largest - least) * (cell + 0.5) / k - x;
          even += d * d;
        }
        const double error = squared_error(table_weight(w, {.scheme = Scheme::kKmeans, .bits = bits}, true).value, w);
        CHECK(error <= even);
        CHECK(error < before);
        before = error;
      }
    }
}

TEST_CASE("table_weights: kmeans of as many values as centroids, far apart, is these values") {
  const Tensor w = Tensor::of({2, 4}, {-3, 1, 5, 9, 9, 5, 1, -3});
  CHECK(table_weight(w, {.scheme = Scheme::kKmeans, .bits = 2}, true).value.values() == w.values());
}

TEST_CASE("table_weights: value = table[byte], the table ascends or is of one sign after the other, bytes lie in it") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (DType dtype : kTypes)
      for (Scheme scheme : kSchemes)
        for (int bits = least_bits(scheme); bits <= 8; ++bits) {
          const QuantSpec s{.scheme = scheme, .bits = bits};
          CAPTURE(to_string(shape));
          CAPTURE(text(s));
          const Tensor w = random_tensor(shape, ++seed, dtype, 0.3);
          const Quantized q = quantize_weight(w, s, seed % 2 == 0);
          const Tensor value = materialize(q);
          REQUIRE(value.shape() == shape);
          REQUIRE(value.dtype() == dtype);
          REQUIRE(q.table.dtype() == dtype);
          REQUIRE(q.table.size() == (scheme == Scheme::kPow2 ? (1 << bits) - 1 : 1 << bits));
          REQUIRE(q.codes.grid == CodeGrid{int(q.table.size()), 1, 0});
          for (int64_t i = 0; i < w.size(); ++i) {
            REQUIRE(q.codes.bytes()[i] < q.table.size());
            REQUIRE(value.at(i) == q.table.at(q.codes.bytes()[i]));
          }
          for (int64_t i = 1; i < q.table.size(); ++i)
            if (scheme == Scheme::kPow2 || scheme == Scheme::kKmeans) REQUIRE(q.table.at(i) >= q.table.at(i - 1));
          REQUIRE(same_tensor(look_up(q.codes, q.table, shape, dtype), value.detach()));
        }
}

TEST_CASE("table_weights: weights that are all equal, or all 0, or not finite somewhere") {
  for (DType dtype : kTypes)
    for (Scheme scheme : kSchemes)
      for (int bits = least_bits(scheme); bits <= 8; ++bits) {
        const QuantSpec s{.scheme = scheme, .bits = bits};
        CAPTURE(text(s));
        const bool logarithmic = scheme == Scheme::kLog || scheme == Scheme::kLog2;
        for (double v : {0.25, -0.25})
          CHECK(table_weight(Tensor::full({2, 3}, v, dtype), s, true).value.values() ==
                std::vector<double>(6, logarithmic ? 4 * v : v));
        const Tensor zero = table_weight(Tensor::zeros({2, 3}, dtype), s, true).value;
        const double deepest = log_quant({0}, bits, scheme == Scheme::kLog).value[0];
        for (int64_t i = 0; i < 6; ++i) CHECK(zero.at(i) == doctest::Approx(logarithmic ? deepest : 0).epsilon(1e-7));
        const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
        for (const std::vector<double>& w : {std::vector<double>{nan, 1, -1, 2},
                                             {1, nan, -1, 2},
                                             {1, infinity, -1, 2},
                                             {-infinity, 1, nan, infinity}}) {
          const Quantized q = table_weight(Tensor::of({2, 2}, w, dtype), s, true);
          for (int64_t i = 0; i < 4; ++i) CHECK(q.codes.bytes()[i] < q.table.size());
        }
      }
}

TEST_CASE("table_weights: the gradient is the value's, of log and log2 over max |w|") {
  for (Scheme scheme : kSchemes)
    for (int bits : {2, 4}) {
      const QuantSpec s{.scheme = scheme, .bits = bits};
      CAPTURE(text(s));
      const Tensor w0 = random_f64({2, 2, 2, 3}, 4);
      const bool logarithmic = scheme == Scheme::kLog || scheme == Scheme::kLog2;
      const double most = logarithmic ? most_of(w0) : 1;
      GradcheckOptions options;
      options.surrogate = [&](const Tensors& in) {
        std::vector<double> v = in[0].values();
        for (double& e : v) e /= most;
        return Tensor::of(in[0].shape(), v, DType::kF64);
      };
      CHECK(gradcheck(
                "table_weight", [&](const Tensors& in) { return quantize_weight(in[0], s, true).value; }, {w0},
                options) == "");
    }
}

TEST_CASE("table_weights: the same bytes for any number of threads") {
  for (Scheme scheme : kSchemes)
    CHECK(same_for_any_threads([&]() -> Tensors {
      const Quantized q = table_weight(random_f32({160, 3, 3, 96}, 7), {.scheme = scheme, .bits = 4}, true);
      return {q.codes.tensor, q.table, q.value};
    }));
}

TEST_CASE("table_weights: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(table_weight(Tensor::zeros({4}), {.scheme = Scheme::kLog}), "quantize: weights are empty [4]",
                       Error);
  CHECK_THROWS_WITH_AS(table_weight(Tensor::zeros({2, 2}, DType::kI32), {.scheme = Scheme::kLog}),
                       "quantize_weight: elements are i32, not f32 or f64", Error);
  CHECK_THROWS_WITH_AS(quantize_weight(Tensor::zeros({2, 2}), {.scheme = Scheme::kPow2, .bits = 1}, true),
                       "quantize: pow2 takes 2 to 8 bits, not 1", Error);
  CHECK_THROWS_WITH_AS(quantize_activation(Tensor::zeros({2, 2}), {.scheme = Scheme::kKmeans}, true),
                       "quantize: kmeans is for weights alone", Error);
}
