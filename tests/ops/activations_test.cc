#include "ops/activations.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ops/norm_act.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
const double kNan = std::numeric_limits<double>::quiet_NaN(), kInf = std::numeric_limits<double>::infinity();
TensorFn one(Tensor (*f)(const Tensor&)) {
  return [f](const Tensors& in) { return f(in[0]); };
}
const TensorFn kPrelu = [](const Tensors& in) { return prelu(in[0], in[1]); };

}  // namespace

// [T 1.1]
TEST_CASE("relu: keeps what is positive") {
  for (DType t : {DType::kF32, DType::kF64}) {
    CHECK(relu(Tensor::of({4}, {-2, -0.0, 0.5, kNan}, t)).values() == Values{0, 0, 0.5, 0});
    CHECK(relu(Tensor::of({2}, {kInf, -kInf}, t)).values() == Values{kInf, 0});
  }
}
TEST_CASE("relu: the gradient at 0 is 0") {
  Parameter x("x", Tensor::of({3}, {-1, 0, 1}));
  backward({relu(x.tensor())}, {Tensor::of({3}, {5, 5, 5})});
  CHECK(x.grad.values() == Values{0, 0, 5});
}
TEST_CASE("prelu: multiplies what is negative by its channel's slope") {
  for (DType t : {DType::kF32, DType::kF64}) {
    const Tensor x = Tensor::of({2, 2}, {-2, -2, 3, -4}, t);
    CHECK(prelu(x, Tensor::of({2}, {0.25, 0.5}, t)).values() == Values{-0.5, -1, 3, -2});
    CHECK(prelu(x, Tensor::of({1}, {0.25}, t)).values() == Values{-0.5, -0.5, 3, -1});
  }
}
TEST_CASE("prelu: slopes that fit no channels are refused by name and shape") {
  CHECK_THROWS_WITH_AS(prelu(random_f32({2, 3}, 1), random_f32({2}, 1)), "prelu: [2] slopes for input [2,3]", Error);
  CHECK_THROWS_WITH_AS(prelu(random_f32({2, 3}, 1), random_f64({3}, 1)), "prelu: f32 with f64 elements, [2,3] and [3]",
                       Error);
}
TEST_CASE("hardtanh: clips to [-1, 1], keeps NaN; its gradient is 0 at the bounds") {
  Parameter x("x", Tensor::of({6}, {-2, -1, -0.5, 0.5, 1, 2}));
  const Tensor y = hardtanh(x.tensor());
  CHECK(y.values() == Values{-1, -1, -0.5, 0.5, 1, 1});
  backward({y}, {Tensor::full({6}, 3)});
  CHECK(x.grad.values() == Values{0, 0, 3, 3, 0, 0});
  CHECK(std::isnan(hardtanh(Tensor::of({1}, {kNan})).item()));
}
TEST_CASE("hardtanh: saves a bit an element") {
  Parameter x("x", random_f32({1000}, 1));
  const Tensor y = hardtanh(x.tensor());
  REQUIRE(y.node()->saved.size() == 1);
  CHECK(y.node()->saved[0].tensor.bytes() == 125);
}
TEST_CASE("hard_swish: 0 up to -3, x from 3 on, x (x + 3) / 6 between; -inf gives 0, NaN stays") {
  const std::vector<double> x = {-kInf, -1e30, -3, -1.5, -0.0, 0, 1.5, 3, 1e30, kInf};
  for (DType t : {DType::kF32, DType::kF64}) {
    const Tensor in = Tensor::of({10}, x, t), y = hard_swish(in);
    CHECK(y.values() == Values{0, 0, 0, -0.375, 0, 0, 1.125, 3, in.at(8), kInf});
    for (int64_t i : {0, 1, 2}) CHECK_FALSE(std::signbit(y.at(i)));
    CHECK(std::signbit(y.at(4)));
    CHECK(std::isnan(hard_swish(Tensor::of({1}, {kNan}, t)).item()));
  }
}
TEST_CASE("hard_swish: its gradient is 0 at -3 and below, 1 at 3 and above, (2 x + 3) / 6 between") {
  for (DType t : {DType::kF32, DType::kF64}) {
    Parameter x("x", Tensor::of({8}, {-kInf, -4, -3, -1.5, 0, 1.5, 3, kInf}, t));
    backward({hard_swish(x.tensor())}, {Tensor::full({8}, 4, t)});
    CHECK(x.grad.values() == Values{0, 0, 0, 0, 2, 4, 4, 4});
  }
}
TEST_CASE("hard_swish: saves its input; behind a norm that is made again, nothing, and whoever reads it neither") {
  Parameter x("x", random_f32({100, 10}, 1)), gamma("g", random_f32({10}, 2)), beta("b", random_f32({10}, 3));
  const Tensor y = hard_swish(x.tensor());
  REQUIRE(y.node()->saved.size() == 1);
  CHECK(y.node()->saved[0].tensor.buffer() == x.tensor().buffer());
  const Tensor norm =
      norm_act(x.tensor(), {}, {.slope = {}, .gamma = gamma.tensor(), .beta = beta.tensor(), .residual = {}}, true);
  const Tensor z = hard_swish(norm);
  CHECK_FALSE(z.node()->saved[0].tensor.has_data());
  REQUIRE(recomputable(z));
  CHECK(z.node()->recompute(*z.node()).values() == z.values());
}
TEST_CASE("relu: saves no memory of its own") {
  Parameter x("x", random_f32({1000}, 1));
  const Tensor y = relu(x.tensor());
  REQUIRE(y.node()->saved.size() == 1);
  CHECK(y.node()->saved[0].tensor.buffer() == y.buffer());
}
TEST_CASE("sigmoid, tanh: at 0 and far out") {
  for (DType t : {DType::kF32, DType::kF64}) {
    CHECK(sigmoid(Tensor::of({3}, {0, 800, -800}, t)).values() == Values{0.5, 1, 0});
    CHECK(bantam::tanh(Tensor::of({3}, {0, 800, -800}, t)).values() == Values{0, 1, -1});
  }
}
TEST_CASE("relu: integers are refused") {
  CHECK_THROWS_WITH_AS(relu(Tensor::of({1}, {1}, DType::kI32)), "relu: elements are i32, not f32 or f64", Error);
}

TEST_CASE("relu, prelu, hardtanh, hard_swish, sigmoid, tanh: gradients") {
  const Tensor x = random_f64({3, 7}, 1);
  CHECK(gradcheck("relu", one(relu), {x}, {.kinks = {0}}) == "");
  CHECK(gradcheck("hardtanh", one(hardtanh), {x}, {.kinks = {-1, 1}}) == "");
  CHECK(gradcheck("hard_swish", one(hard_swish), {random_f64({3, 7}, 1, 3.0)}, {.kinks = {-3, 3}}) == "");
  CHECK(gradcheck("sigmoid", one(sigmoid), {x}) == "");
  CHECK(gradcheck("tanh", one(bantam::tanh), {x}) == "");
  CHECK(gradcheck("prelu", kPrelu, {x, random_f64({7}, 2)}, {.kinks = {0}}) == "");
  CHECK(gradcheck("prelu", kPrelu, {x, random_f64({1}, 2)}, {.kinks = {0}}) == "");
}

// Elementwise: a few roundings, and 2.5 ulp of the functions: 4e-7 of the largest. A slope's gradient sums up to 65,537
// products, each chain at most 66 long (columns-inl.h): 66 * 2^-24 = 4e-6 of the sum of magnitudes, which random signs
// make up to 100 times the sum.
TEST_CASE("relu, prelu, hardtanh, hard_swish, sigmoid, tanh: f32 equals f64 over odd sizes") {
  for (int64_t n : {1, 15, 16, 17, 101, 32769, 65537}) {
    CAPTURE(n);
    const Tensor x = random_f64({n}, uint64_t(n), 2.0);
    for (auto f : {relu, hardtanh, hard_swish, sigmoid, static_cast<Tensor (*)(const Tensor&)>(bantam::tanh)})
      CHECK(f32_error(one(f), {x}) <= 4e-7);
    CHECK(f32_error(kPrelu, {x, random_f64({1}, 3)}) <= 4e-4);
  }
  for (int64_t c : {1, 3, 10, 16, 65, 80}) {
    CAPTURE(c);
    CHECK(f32_error(kPrelu, {random_f64({3, 5, 7, c}, 4), random_f64({c}, 5)}) <= 4e-5);
  }
}
TEST_CASE("relu, prelu, hardtanh, hard_swish, sigmoid, tanh: the same bytes for any number of threads") {
  const Tensor x = random_f32({7, 31, 33, 16}, 1);
  for (auto f : {relu, hardtanh, hard_swish, sigmoid, static_cast<Tensor (*)(const Tensor&)>(bantam::tanh)})
    CHECK(same_for_any_threads([&] { return forward_backward(one(f), {x}); }));
  CHECK(same_for_any_threads([&] { return forward_backward(kPrelu, {x, random_f32({16}, 2)}); }));
  CHECK(same_for_any_threads([&] { return forward_backward(kPrelu, {x, random_f32({1}, 2)}); }));
}
