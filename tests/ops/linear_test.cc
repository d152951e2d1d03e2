#include "ops/linear.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "core/parallel.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

// [T 1.1]
TEST_CASE("linear: two samples through two outputs, worked by hand, with gradients") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter x("x", Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}, dtype)),
        w("w", Tensor::of({2, 3}, {1, 0, -1, 2, 3, 4}, dtype));
    Parameter b("b", Tensor::of({2}, {10, 20}, dtype));
    const Tensor y = linear(x.tensor(), w.tensor(), b.tensor());
    CHECK(y.values() == std::vector<double>{8, 40, 8, 67});
    backward({y}, {Tensor::of({2, 2}, {1, 0, 0, 1}, dtype)});
    CHECK(x.grad.values() == std::vector<double>{1, 0, -1, 2, 3, 4});
    CHECK(w.grad.values() == std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(b.grad.values() == std::vector<double>{1, 1});
  }
}

TEST_CASE("linear: gradients equal finite differences, with and without bias") {
  const auto with = [](const Tensors& in) { return linear(in[0], in[1], in[2]); };
  const auto without = [](const Tensors& in) { return linear(in[0], in[1]); };
  CHECK(gradcheck("linear", with, {random_f64({5, 7}, 1), random_f64({3, 7}, 2), random_f64({3}, 3)}) == "");
  CHECK(gradcheck("linear", without, {random_f64({1, 17}, 1), random_f64({19, 17}, 2)}) == "");
}

TEST_CASE("linear: f32 equals f64 to rounding, and one, two and three threads give the same bytes") {
  const int before = threads();
  struct Case {
    int64_t n, in, out;
  };
  for (const Case& c : {Case{1, 3136, 10}, Case{128, 3136, 10}, Case{7, 65, 130}, Case{128, 512, 512}}) {
    std::vector<std::vector<double>> results[4];  // f64, then f32 on 1, 2, 3 threads
    for (int i = 0; i < 4; ++i) {
      const DType dtype = i == 0 ? DType::kF64 : DType::kF32;
      set_threads(i == 0 ? 1 : i);
      Parameter x("x", random_tensor({c.n, c.in}, 1, dtype)), w("w", random_tensor({c.out, c.in}, 2, dtype));
      Parameter b("b", random_tensor({c.out}, 3, dtype));
      const Tensor y = linear(x.tensor(), w.tensor(), b.tensor());
      backward({y}, {random_tensor(y.shape(), 4, dtype)});
      results[i] = {y.values(), x.grad.values(), w.grad.values(), b.grad.values()};
    }
    CHECK(results[1] == results[2]);
    CHECK(results[1] == results[3]);
    const int64_t terms[4] = {c.in, c.out, c.n, c.n};
    for (int t = 0; t < 4; ++t) {
      double worst = 0;
      for (size_t i = 0; i < results[0][t].size(); ++i)
        worst = std::fmax(worst, std::fabs(results[0][t][i] - results[1][t][i]));
      CHECK(worst <= std::ldexp(12.0 * double(terms[t] + 4), -24));  // as in conv2d_test.cc
    }
  }
  set_threads(before);
}

TEST_CASE("linear: what does not fit is refused with the shapes in the message") {
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 3}), Tensor::zeros({4, 5})),
                       "linear: weight has 5 inputs, input has 3 [2,3]", Error);
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 3, 1}), Tensor::zeros({4, 3})),
                       "linear: input must be [N,in], is [2,3,1]", Error);
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({2, 3}), Tensor::zeros({4, 3}), Tensor::zeros({3})),
                       "linear: bias must be [4], is [3]", Error);
  CHECK_THROWS_WITH_AS(linear(Tensor::zeros({0, 3}), Tensor::zeros({4, 3})),
                       "linear: nothing to multiply in [0,3] and [4,3]", Error);
}
