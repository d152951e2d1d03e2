#include "ops/dropout.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {
const Rng kRng(3, kRngDropout, 7, 11);
const TensorFn kDrop = [](const Tensors& in) { return dropout(in[0], 0.3, kRng); };
}  // namespace

// [T 2.3]
TEST_CASE("dropout: an element is dropped exactly where its uniform number is below p, else divided by 1 - p") {
  const Tensor x = random_f64({101}, 1), y = dropout(x, 0.25, kRng);
  for (int64_t i = 0; i < 101; ++i) CHECK(y.at(i) == (kRng.uniform(uint64_t(i)) < 0.25f ? 0.0 : x.at(i) * (1 / 0.75)));
}
TEST_CASE("dropout: keeps 1 - p of many elements, and their sum") {
  const int64_t n = 100000;
  const Tensor y = dropout(Tensor::full({n}, 1), 0.3, kRng);
  double kept = 0, total = 0;
  for (double v : y.values()) {
    kept += v != 0;
    total += v;
  }
  // Four standard deviations of a binomial: 4 sqrt(0.21 / n) = 0.0058.
  CHECK(std::fabs(kept / double(n) - 0.7) < 0.0058);
  CHECK(std::fabs(total / double(n) - 1) < 0.0058 / 0.7);
}
TEST_CASE("dropout: the same stream drops the same, another step others; p = 0 is the identity") {
  const Tensor x = random_f32({1000}, 1);
  CHECK(dropout(x, 0.5, Rng(3, kRngDropout, 7, 11)).values() == dropout(x, 0.5, Rng(3, kRngDropout, 7, 11)).values());
  CHECK(dropout(x, 0.5, Rng(3, kRngDropout, 7, 12)).values() != dropout(x, 0.5, Rng(3, kRngDropout, 7, 11)).values());
  CHECK(dropout(x, 0, kRng).buffer() == x.buffer());
}
TEST_CASE("dropout: saves a bit an element; p outside [0, 1) is refused") {
  Parameter x("x", random_f32({1000}, 1));
  const Tensor y = dropout(x.tensor(), 0.5, kRng);
  REQUIRE(y.node()->saved.size() == 1);
  CHECK(y.node()->saved[0].tensor.bytes() == 125);
  CHECK_THROWS_AS(dropout(x.tensor(), 1, kRng), Error);
  CHECK_THROWS_AS(dropout(x.tensor(), -0.1, kRng), Error);
}
TEST_CASE("dropout: gradient") { CHECK(gradcheck("dropout", kDrop, {random_f64({5, 7}, 1)}) == ""); }
TEST_CASE("dropout: f32 equals f64 to two roundings, over odd sizes") {
  for (int64_t n : {1, 7, 8, 9, 16, 17, 101, 5000}) CHECK(f32_error(kDrop, {random_f64({n}, 1)}) <= 2e-7);
}
TEST_CASE("dropout: the same bytes for any number of threads") {
  CHECK(same_for_any_threads([&] { return forward_backward(kDrop, {random_f32({100003}, 1)}); }));
}
