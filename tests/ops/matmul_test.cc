#include "ops/matmul.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/parallel.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

TEST_CASE("matmul: a 2x3 by 3x2 product, worked by hand, with gradients") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter a("a", Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}, dtype)),
        b("b", Tensor::of({3, 2}, {1, 2, 3, 4, 5, 6}, dtype));
    const Tensor c = matmul(a.tensor(), b.tensor());
    CHECK(c.values() == std::vector<double>{22, 28, 49, 64});
    backward({c}, {Tensor::of({2, 2}, {1, 0, 0, 1}, dtype)});
    CHECK(a.grad.values() == std::vector<double>{1, 3, 5, 2, 4, 6});
    CHECK(b.grad.values() == std::vector<double>{1, 4, 2, 5, 3, 6});
  }
}

TEST_CASE("matmul: gradients equal finite differences") {
  const auto f = [](const Tensors& in) { return matmul(in[0], in[1]); };
  CHECK(gradcheck("matmul", f, {random_f64({3, 5}, 1), random_f64({5, 4}, 2)}) == "");
  CHECK(gradcheck("matmul", f, {random_f64({1, 1}, 1), random_f64({1, 1}, 2)}) == "");
}

TEST_CASE("matmul: f32 equals f64 to rounding for sizes on both sides of a tile, on one to three threads alike") {
  const int before = threads();
  struct Case {
    int64_t m, k, n;
  };
  for (const Case& s :
       {Case{1, 1, 1}, Case{13, 16, 31}, Case{14, 17, 32}, Case{15, 257, 33}, Case{67, 64, 131}, Case{300, 70, 129}}) {
    std::vector<std::vector<double>> results[4];
    for (int i = 0; i < 4; ++i) {
      const DType dtype = i == 0 ? DType::kF64 : DType::kF32;
      set_threads(i == 0 ? 1 : i);
      Parameter a("a", random_tensor({s.m, s.k}, 1, dtype)), b("b", random_tensor({s.k, s.n}, 2, dtype));
      const Tensor c = matmul(a.tensor(), b.tensor());
      backward({c}, {random_tensor(c.shape(), 3, dtype)});
      results[i] = {c.values(), a.grad.values(), b.grad.values()};
    }
    CHECK(results[1] == results[2]);
    CHECK(results[1] == results[3]);
    const int64_t terms[3] = {s.k, s.n, s.m};
    for (int t = 0; t < 3; ++t) {
      double worst = 0;
      for (size_t i = 0; i < results[0][t].size(); ++i)
        worst = std::fmax(worst, std::fabs(results[0][t][i] - results[1][t][i]));
      CHECK(worst <= std::ldexp(12.0 * double(terms[t] + 4), -24));  // as in conv2d_test.cc
    }
  }
  set_threads(before);
}

TEST_CASE("matmul: what does not fit is refused") {
  CHECK_THROWS_WITH_AS(matmul(Tensor::zeros({2, 3}), Tensor::zeros({2, 3})), "matmul: [2,3] times [2,3] does not fit",
                       Error);
  CHECK_THROWS_WITH_AS(matmul(Tensor::zeros({2, 3}), Tensor::zeros({3, 2}, DType::kF64)), "matmul: f32 times f64",
                       Error);
}
