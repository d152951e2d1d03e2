#include "ops/quant/tanh_quant.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/quant/quantize.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/quant/quantized_values.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kF64};
QuantSpec of_bits(int bits) { return {.scheme = Scheme::kTanh, .bits = bits}; }

double largest_tanh(const Tensor& w) {
  double m = 0;
  for (double v : w.values()) m = std::max(m, std::fabs(std::tanh(v)));
  return m > 0 ? m : 1;
}

// 2 Q(tanh(w) / (2 max |tanh|) + 1/2) - 1 without the rounding of Q: the function whose derivative the surrogate is.
Tensor unrounded(const Tensor& w) {
  std::vector<double> v = w.values();
  const double m = largest_tanh(w);
  for (double& e : v) e = 2 * (std::tanh(e) / (2 * m) + 0.5) - 1;
  return Tensor::of(w.shape(), v, DType::kF64);
}

}  // namespace

// [Eq. 5.4]
TEST_CASE("tanh_weight: two bits by hand: tanh over its maximum in thirds from -1 to 1, 0 to the even step") {
  for (DType dtype : kTypes) {
    // tanh is 1/2, -1/4, 0, 1/8, -3/8, so Q's argument is 1, 1/4, 1/2, 5/8, 1/8: 3, 0.75, 1.5, 1.875, 0.375 thirds.
    const Tensor w =
        Tensor::of({1, 5}, {std::atanh(0.5), std::atanh(-0.25), 0, std::atanh(0.125), std::atanh(-0.375)}, dtype);
    const Quantized q = tanh_weight(w, of_bits(2), true);
    CHECK(q.codes.grid == CodeGrid{4, 2, -3});
    CHECK(all_codes(q.codes, 5) == std::vector<int>{3, -1, 1, 1, -3});
    CHECK(q.scale.values() == std::vector<double>{dtype == DType::kF32 ? double(1.0f / 3.0f) : 1.0 / 3.0});
    CHECK(q.value.at(0) == doctest::Approx(1).epsilon(1e-7));
    // One bit: signs, 0 among the negative ones: a half is rounded to the even 0.
    const Quantized one = tanh_weight(w, of_bits(1), true);
    CHECK(one.codes.is_bits());
    CHECK(one.value.values() == std::vector<double>{1, -1, -1, 1, -1});
  }
}

// [Eq. 5.4]
TEST_CASE("tanh_weight: codes and values of every number of bits are those of the equation; tanh and dorefa alike") {
  uint64_t seed = 1;
  for (const Shape& shape : weight_shapes())
    for (int bits = 1; bits <= 8; ++bits)
      for (DType dtype : kTypes)
        for (double spread : {0.05, 1.0, 30.0}) {
          CAPTURE(to_string(shape));
          CAPTURE(bits);
          CAPTURE(spread);
          const int n = (1 << bits) - 1;
          const Tensor w = random_tensor(shape, ++seed, dtype, spread);
          const Quantized q = tanh_weight(w, of_bits(bits), seed % 2 == 0);
          REQUIRE(q.codes.grid == CodeGrid{n + 1, 2, -n});
          REQUIRE(inconsistency(q, shape, Granularity::kLayer) == "");
          CHECK(q.scale.at(0) == (dtype == DType::kF32 ? double(1.0f / float(n)) : 1.0 / n));
          const double m = largest_tanh(w);
          for (int64_t i = 0; i < w.size(); ++i) {
            const int code = code_at(q.codes, i);
            REQUIRE(code % 2 != 0);
            // Q's argument errs by a few units of 2^-24 in f32, n times as much in steps.
            const double steps = n * (std::tanh(w.at(i)) / (2 * m) + 0.5);
            REQUIRE(std::fabs((code + n) / 2 - steps) <= 0.5 + n * (dtype == DType::kF32 ? 5e-7 : 1e-15));
            if (std::fabs(std::tanh(w.at(i))) == m && dtype == DType::kF64) REQUIRE(code == (w.at(i) > 0 ? n : -n));
          }
          if (bits > 1) {
            const Quantized dorefa = quantize_weight(w, {.scheme = Scheme::kDorefa, .bits = bits}, seed % 2 == 0);
            REQUIRE(same_tensor(dorefa.codes.tensor, q.codes.tensor));
            REQUIRE(same_tensor(materialize(dorefa).detach(), materialize(q).detach()));
          }
        }
}

TEST_CASE("tanh_weight: weights that are all 0 take the maximum 1: a half, rounded to the even step") {
  for (int bits = 1; bits <= 8; ++bits) {
    const int n = (1 << bits) - 1;
    const Quantized q = tanh_weight(Tensor::zeros({2, 3}), of_bits(bits), true);
    CHECK(all_codes(q.codes, 6) == std::vector<int>(6, bits == 1 ? -1 : 1));
    CHECK(q.value.at(0) == doctest::Approx((bits == 1 ? -1.0 : 1.0) / n));
  }
}

// [Eq. 5.3]
TEST_CASE("tanh_weight: gradients are those of tanh(w) / max |tanh(w)|, through both, for all numbers of bits") {
  for (int bits : {1, 2, 3, 8})
    for (const Shape& shape : {Shape{2, 2, 2, 3}, Shape{5, 4}}) {
      GradcheckOptions options;
      options.surrogate = [](const Tensors& in) { return unrounded(in[0]); };
      CHECK(gradcheck(
                "tanh_weight", [&](const Tensors& in) { return quantize_weight(in[0], of_bits(bits), true).value; },
                {random_f64(shape, 3)}, options) == "");
    }
}

TEST_CASE("tanh_weight: the maximum's gradient goes to the first of several weights of its magnitude") {
  for (DType dtype : kTypes) {
    // tanh is 1/2 twice: m = 1/2, 1 - t^2 = 3/4; sum of t g is -1/2 1 + 1/4 2 + 1/2 3 = 1.5.
    Parameter w("w", Tensor::of({1, 3}, {std::atanh(-0.5), std::atanh(0.25), std::atanh(0.5)}, dtype));
    backward({tanh_weight(w.tensor(), of_bits(2)).value}, {Tensor::of({1, 3}, {1, 2, 3}, dtype)});
    const double e = dtype == DType::kF32 ? 1e-6 : 1e-14;
    CHECK(w.grad.at(0) == doctest::Approx(0.75 / 0.5 * 1 + 0.75 / 0.25 * 1.5).epsilon(e));
    CHECK(w.grad.at(1) == doctest::Approx((1 - 0.0625) / 0.5 * 2).epsilon(e));
    CHECK(w.grad.at(2) == doctest::Approx(0.75 / 0.5 * 3).epsilon(e));
  }
  Parameter zeros("w", Tensor::zeros({1, 3}));
  backward({tanh_weight(zeros.tensor(), of_bits(2)).value}, {Tensor::of({1, 3}, {1, 2, 3})});
  CHECK(zeros.grad.values() == std::vector<double>{1, 2, 3});
}

TEST_CASE("tanh_weight: gradients in f32 follow those in f64") {
  const Tensor w = random_f32({16, 3, 3, 9}, 8), g = random_f32(w.shape(), 9);
  Parameter a("w", w), b("w", w.to(DType::kF64));
  backward({tanh_weight(a.tensor(), of_bits(4)).value}, {g});
  backward({tanh_weight(b.tensor(), of_bits(4)).value}, {g.to(DType::kF64)});
  double largest = 0;
  for (double v : b.grad.values()) largest = std::max(largest, std::fabs(v));
  // 1 - t^2 errs by 2 units of 2^-24; a few roundings more.
  for (int64_t i = 0; i < w.size(); ++i) REQUIRE(std::fabs(a.grad.at(i) - b.grad.at(i)) <= 1e-6 * largest);
}

TEST_CASE("tanh_weight: saves its input and the maximum; the same bytes for any number of threads") {
  Parameter w("w", random_f32({3, 3, 3, 3}, 5));
  const Quantized q = tanh_weight(w.tensor(), of_bits(3));
  REQUIRE(q.value.node()->saved.size() == 2);
  CHECK(q.value.node()->saved[0].tensor.buffer() == w.value.buffer());
  CHECK(q.value.node()->saved[1].tensor.size() == 1);
  CHECK_FALSE(q.value.has_data());
  CHECK(same_for_any_threads([&] {
    return forward_backward([&](const Tensors& in) { return tanh_weight(in[0], of_bits(3), true).value; },
                            {random_f32({160, 3, 3, 96}, 7)});
  }));
}

TEST_CASE("tanh_weight: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(tanh_weight(Tensor::zeros({4}), of_bits(2)), "quantize: weights are empty [4]", Error);
  CHECK_THROWS_WITH_AS(tanh_weight(Tensor::zeros({2, 2}, DType::kI32), of_bits(2)),
                       "quantize_weight: elements are i32, not f32 or f64", Error);
}
