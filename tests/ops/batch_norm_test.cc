#include "ops/batch_norm.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
const TensorFn kTrain = [](const Tensors& in) { return batch_norm(in[0], in[1], in[2], nullptr, nullptr); };

}  // namespace

// [T 2.3]
TEST_CASE("batch_norm: of 1, 3 with gain 2 and shift 10, by hand; running statistics move by momentum") {
  for (DType t : {DType::kF32, DType::kF64}) {
    Tensor mean = Tensor::zeros({1}, t), var = Tensor::full({1}, 1, t);
    // Mean 2, biased variance 1, unbiased 2.
    const Tensor y = batch_norm(Tensor::of({2, 1}, {1, 3}, t), Tensor::of({1}, {2}, t), Tensor::of({1}, {10}, t), &mean,
                                &var, 0.1, 0.0);
    CHECK(y.values() == Values{8, 12});
    CHECK(mean.item() == doctest::Approx(0.2).epsilon(1e-7));
    CHECK(var.item() == doctest::Approx(0.9 + 0.1 * 2).epsilon(1e-7));
  }
}
TEST_CASE("batch_norm_eval: is the fused expression of scale and shift rounded once, bit for bit") {
  const int64_t c = 37;
  const Tensor x = random_f32({5, c}, 1), gamma = random_f32({c}, 2), beta = random_f32({c}, 3),
               mean = random_f32({c}, 4);
  Values v = random_f32({c}, 5).values();
  for (double& e : v) e = e * e + 0.01;
  const Tensor var = Tensor::of({c}, v), y = batch_norm_eval(x, gamma, beta, mean, var, 1e-5);
  for (int64_t i = 0; i < x.size(); ++i) {
    const int64_t k = i % c;
    const double scale = gamma.at(k) / std::sqrt(var.at(k) + 1e-5);
    const float s = float(scale), t = float(beta.at(k) - mean.at(k) * scale);
    CHECK(std::bit_cast<uint32_t>(y.data<float>()[i]) == std::bit_cast<uint32_t>(std::fma(x.data<float>()[i], s, t)));
  }
}
TEST_CASE(
    "batch_norm: output has mean beta and deviation gamma, whatever the input's, 1e4 deviations off zero included") {
  for (double offset : {0.0, 100.0, 1e4}) {
    const int64_t c = 5, rows = 3000;
    const Tensor gamma = Tensor::full({c}, 3), beta = Tensor::full({c}, -1);
    const Tensor y = batch_norm(random_f32({rows, c}, 1, 1.0, offset), gamma, beta, nullptr, nullptr);
    for (int64_t k = 0; k < c; ++k) {
      double m = 0, s = 0;
      for (int64_t r = 0; r < rows; ++r) m += y.at(r * c + k) / double(rows);
      for (int64_t r = 0; r < rows; ++r) s += (y.at(r * c + k) - m) * (y.at(r * c + k) - m) / double(rows);
      // x itself is rounded by offset * 2^-24 and its mean known to a fraction of that: 1e-5 leaves room for eps and
      // both.
      CHECK(m == doctest::Approx(-1).epsilon(1e-5));
      CHECK(std::sqrt(s) == doctest::Approx(3).epsilon(2e-5));
    }
  }
}
TEST_CASE("batch_norm: sizes that do not fit, and a single value, are refused by name and shape") {
  const Tensor c3 = Tensor::zeros({3}), c2 = Tensor::zeros({2});
  CHECK_THROWS_WITH_AS(batch_norm(Tensor::zeros({4, 3}), c2, c3, nullptr, nullptr), "batch_norm: [2] for input [4,3]",
                       Error);
  CHECK_THROWS_WITH_AS(batch_norm(Tensor::zeros({1, 3}), c3, c3, nullptr, nullptr),
                       "batch_norm: only one value a channel to train on, input [1,3]", Error);
  CHECK_THROWS_WITH_AS(batch_norm(Tensor::zeros({0, 3}), c3, c3, nullptr, nullptr), "batch_norm: input is empty [0,3]",
                       Error);
  CHECK_THROWS_AS(batch_norm_eval(Tensor::zeros({4, 3}), c3, c3, c3, c2), Error);
}
TEST_CASE("batch_norm: saves its input and four numbers a channel; evaluation with fixed parameters one") {
  Parameter x("x", random_f32({10, 4}, 1)), gamma("gamma", Tensor::full({4}, 1));
  const Tensor beta = Tensor::zeros({4}), one = Tensor::full({4}, 1);
  size_t own = 0;
  const Tensor y = batch_norm(x.tensor(), gamma.tensor(), beta, nullptr, nullptr);
  for (const SavedTensor& s : y.node()->saved)
    if (s.tensor.has_data() && s.tensor.buffer() != x.value.buffer() && s.tensor.buffer() != gamma.value.buffer())
      own += s.tensor.bytes();
  CHECK(own == 4 * 4 * sizeof(float));
  const Tensor z = batch_norm_eval(x.tensor(), one, beta, beta, one);
  REQUIRE(z.node()->saved.size() == 1);
  CHECK(z.node()->saved[0].tensor.bytes() == 4 * sizeof(float));
}

TEST_CASE("batch_norm, batch_norm_eval: gradients") {
  for (const Shape& s : {Shape{6, 3}, Shape{2, 3, 2, 4}, Shape{2, 1}}) {
    const Shape c{s[-1]};
    const Tensors in = {random_f64(s, 1, 2.0, 0.5), random_f64(c, 2), random_f64(c, 3)};
    CHECK(gradcheck("batch_norm", kTrain, in) == "");
    const Tensor mean = random_f64(c, 4), var = Tensor::full(c, 0.7, DType::kF64);
    CHECK(gradcheck(
              "batch_norm_eval", [&](const Tensors& v) { return batch_norm_eval(v[0], v[1], v[2], mean, var); }, in) ==
          "");
  }
}
// Forward: sums are within 4e-6 of the sum of magnitudes, so mean and deviation are; the rest is a few roundings.
// Backward: the sums of dy have random signs, so 70 * 2^-24 sum |dy| is up to 100 times that of the sum.
TEST_CASE("batch_norm: f32 equals f64, channels few, odd and many, two rows and many") {
  for (int64_t c : {1, 3, 10, 16, 17, 64, 80, 101})
    for (int64_t rows : {2, 3, 64, 301, 2000}) {
      if (rows == 2) continue;  // the normalized values are +-1 exactly, and dx cancels to rounding: below
      CAPTURE(c);
      CAPTURE(rows);
      CHECK(f32_error(kTrain, {random_f64({rows, c}, 1, 2.0, 1.0), random_f64({c}, 2), random_f64({c}, 3)}) <= 4e-4);
      const Tensor mean = random_f64({c}, 4), var = Tensor::full({c}, 0.7, DType::kF64);
      const TensorFn eval = [&](const Tensors& in) {
        return batch_norm_eval(in[0], in[1], in[2], mean.to(in[0].dtype()), var.to(in[0].dtype()));
      };
      CHECK(f32_error(eval, {random_f64({rows, c}, 1), random_f64({c}, 2), random_f64({c}, 3)}) <= 4e-4);
    }
  const Tensor y =
      batch_norm(Tensor::of({2, 1}, {5, 1}), Tensor::of({1}, {1}), Tensor::of({1}, {0}), nullptr, nullptr, 0.1, 0.0);
  CHECK(y.values() == Values{1, -1});
}
TEST_CASE("batch_norm: the same bytes for any number of threads") {
  for (int64_t c : {10, 64, 80}) {
    Tensors statistics;
    CHECK(same_for_any_threads([&] {
      Tensor mean = Tensor::zeros({c}), var = Tensor::full({c}, 1);
      Tensors all = forward_backward([&](const Tensors& in) { return batch_norm(in[0], in[1], in[2], &mean, &var); },
                                     {random_f32({4, 33, 31, c}, 1), random_f32({c}, 2), random_f32({c}, 3)});
      all.push_back(mean);
      all.push_back(var);
      return all;
    }));
  }
}
