#include "ops/softmax.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {
const TensorFn kSoftmax = [](const Tensors& in) { return softmax(in[0]); };
const TensorFn kLogSoftmax = [](const Tensors& in) { return log_softmax(in[0]); };
}  // namespace

// [T 1.1]
TEST_CASE("softmax, log_softmax: of 0, ln 3 is 1/4, 3/4") {
  for (DType t : {DType::kF32, DType::kF64}) {
    const Tensor x = Tensor::of({1, 2}, {0, std::log(3.0)}, t);
    CHECK(softmax(x).at(0) == doctest::Approx(0.25).epsilon(1e-6));
    CHECK(softmax(x).at(1) == doctest::Approx(0.75).epsilon(1e-6));
    CHECK(log_softmax(x).at(1) == doctest::Approx(std::log(0.75)).epsilon(1e-6));
    CHECK(softmax(Tensor::of({2}, {10000, 10000}, t)).values() == std::vector<double>{0.5, 0.5});
  }
}
TEST_CASE("softmax: no classes are refused") {
  CHECK_THROWS_WITH_AS(softmax(Tensor::zeros({2, 0})), "softmax: no classes in [2,0]", Error);
  CHECK_THROWS_WITH_AS(log_softmax(Tensor::zeros({})), "log_softmax: no classes in []", Error);
}
TEST_CASE("softmax, log_softmax: gradients") {
  for (const Shape& s : {Shape{3, 5}, Shape{2, 2, 4}, Shape{4}, Shape{3, 1}}) {
    CHECK(gradcheck("softmax", kSoftmax, {random_f64(s, 1)}) == "");
    CHECK(gradcheck("log_softmax", kLogSoftmax, {random_f64(s, 1)}) == "");
  }
}
// A row's sum of up to 1000 terms errs by at most (1000 / 16 + 4) * 2^-24 = 4e-6 of the sum of magnitudes, 30 times the
// sum in the gradient.
TEST_CASE("softmax, log_softmax: f32 equals f64 over odd numbers of classes") {
  for (int64_t c : {2, 3, 10, 15, 16, 17, 101, 1000}) {
    CAPTURE(c);
    CHECK(f32_error(kSoftmax, {random_f64({7, c}, 1, 3.0)}) <= 1e-4);
    CHECK(f32_error(kLogSoftmax, {random_f64({7, c}, 1, 3.0)}) <= 1e-4);
  }
}
TEST_CASE("softmax: the same bytes for any number of threads") {
  CHECK(same_for_any_threads([&] { return forward_backward(kSoftmax, {random_f32({20001, 10}, 1)}); }));
  CHECK(same_for_any_threads([&] { return forward_backward(kLogSoftmax, {random_f32({20001, 10}, 1)}); }));
}
