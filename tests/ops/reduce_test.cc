#include "ops/reduce.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
TensorFn summed(std::vector<int> axes, bool keep = false) {
  return [=](const Tensors& in) { return sum(in[0], axes, keep); };
}
TensorFn averaged(std::vector<int> axes) {
  return [=](const Tensors& in) { return mean(in[0], axes); };
}
const std::vector<std::vector<int>> kAxes = {{}, {0}, {1}, {2}, {-1}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}};

}  // namespace

TEST_CASE("sum, mean, max: of [[1, 2, 3], [4, 5, 6]]") {
  for (DType t : {DType::kF32, DType::kF64}) {
    const Tensor x = Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}, t);
    CHECK(sum(x).item() == 21);
    CHECK(sum(x).shape() == Shape{});
    CHECK(sum(x, {0}).values() == Values{5, 7, 9});
    CHECK(sum(x, {-1}).values() == Values{6, 15});
    CHECK(sum(x, {1}, true).shape() == Shape{2, 1});
    CHECK(mean(x).item() == 3.5);
    CHECK(mean(x, {1}).values() == Values{2, 5});
    CHECK(bantam::max(x, 0).values() == Values{4, 5, 6});
    CHECK(bantam::max(x, 1, true).shape() == Shape{2, 1});
    CHECK(bantam::max(x, 1).values() == Values{3, 6});
  }
}
TEST_CASE("max: the first of equals gets the gradient; NaN is the largest") {
  Parameter x("x", Tensor::of({2, 3}, {1, 7, 7, 5, 5, 0}));
  backward({bantam::max(x.tensor(), 1)}, {Tensor::of({2}, {2, 3})});
  CHECK(x.grad.values() == Values{0, 2, 0, 3, 0, 0});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(bantam::max(Tensor::of({3}, {1, nan, 2}), 0).item()));
}
TEST_CASE("sum: an axis of 1 gives a tensor of its own, no elements give 0") {
  const Tensor x = Tensor::of({2, 1}, {1, 2});
  const Tensor y = sum(x, {1});
  CHECK(y.values() == Values{1, 2});
  CHECK(y.buffer() != x.buffer());
  CHECK(sum(Tensor::zeros({0, 2}), {0}).values() == Values{0, 0});
}
TEST_CASE("sum, mean, max: axes that are none, or named twice, are refused") {
  CHECK_THROWS_WITH_AS(sum(Tensor::zeros({2, 3}), {2}), "sum: no axis 2 in [2,3]", Error);
  CHECK_THROWS_WITH_AS(sum(Tensor::zeros({2, 3}), {0, -2}), "sum: axis -2 twice, input [2,3]", Error);
  CHECK_THROWS_WITH_AS(mean(Tensor::zeros({0, 3}), {0}), "mean: nothing to average in [0,3]", Error);
  CHECK_THROWS_WITH_AS(bantam::max(Tensor::zeros({0, 3}), 0), "max: nothing to choose from in [0,3]", Error);
}
TEST_CASE("sum, mean, max: gradients over every choice of axes") {
  const Tensor x = random_f64({2, 3, 4}, 1);
  for (const auto& axes : kAxes) {
    CHECK(gradcheck("sum", summed(axes), {x}) == "");
    CHECK(gradcheck("sum", summed(axes, true), {x}) == "");
    CHECK(gradcheck("sum", averaged(axes), {x}) == "");
  }
  for (int axis : {0, 1, 2})
    CHECK(gradcheck("max", [=](const Tensors& in) { return bantam::max(in[0], axis); }, {x}) == "");
}
// 68 * 2^-24 of the sum of magnitudes (reduce.h), which is at most a few hundred times the largest sum here: 1e-4. All
// terms of one sign: 5e-6.
TEST_CASE("sum: f32 equals f64 over long, odd and many-axed shapes") {
  for (const Shape& s :
       {Shape{100003}, Shape{70000, 3}, Shape{3, 70000}, Shape{5, 3001, 7}, Shape{2, 9, 9, 17}, Shape{1030, 1, 65}})
    for (std::vector<int> axes : {std::vector<int>{}, {0}, {-1}}) {
      CAPTURE(to_string(s));
      CHECK(f32_error(summed(axes), {random_f64(s, 1)}) <= 1e-4);
      CHECK(f32_error(summed(axes), {random_f64(s, 1, 0.5, 10.0)}) <= 5e-6);
    }
}
TEST_CASE("sum, max: the same bytes for any number of threads") {
  for (std::vector<int> axes : {std::vector<int>{}, {0}, {-1}, {0, 2}, {1}})
    CHECK(same_for_any_threads([&] { return forward_backward(summed(axes), {random_f32({30, 301, 33}, 1)}); }));
  CHECK(same_for_any_threads([&] {
    return forward_backward([](const Tensors& in) { return bantam::max(in[0], 1); }, {random_f32({30, 301, 33}, 1)});
  }));
}
