#include "ops/loss.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ops/arith.h"
#include "ops/softmax.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
Tensor labels_of(const std::vector<double>& v) { return Tensor::of({int64_t(v.size())}, v, DType::kI32); }
TensorFn entropy(Tensor labels, CrossEntropyOptions o = {}) {
  return [=](const Tensors& in) { return cross_entropy(in[0], labels, o); };
}
Tensor random_labels(int64_t n, int64_t k) {
  const Rng rng(5, kRngTest);
  Values v;
  for (int64_t i = 0; i < n; ++i) v.push_back(double(rng.below(uint64_t(i), uint32_t(k))));
  return labels_of(v);
}

}  // namespace

TEST_CASE("cross_entropy: of logits 0, ln 3 and label 0 is ln 4") {
  for (DType t : {DType::kF32, DType::kF64})
    CHECK(cross_entropy(Tensor::of({1, 2}, {0, std::log(3.0)}, t), labels_of({0})).item() ==
          doctest::Approx(std::log(4.0)).epsilon(1e-6));
}
TEST_CASE("cross_entropy: the gradient is (p - q) / N, by hand") {
  Parameter x("x", Tensor::of({2, 2}, {0, 0, 0, 0}));
  backward(cross_entropy(x.tensor(), labels_of({0, 1})));
  CHECK(x.grad.values() == Values{-0.25, 0.25, 0.25, -0.25});
}
// [Eq. 2.1]
TEST_CASE("cross_entropy: the mean over the empirical distribution, where an example that stands twice weighs twice") {
  const double l = std::log(3.0);
  const Tensor x = Tensor::of({3, 2}, {0, l, 0, l, 0, l}, DType::kF64);
  CHECK(cross_entropy(x, labels_of({0, 1, 0})).item() ==
        doctest::Approx(2.0 / 3 * std::log(4.0) + 1.0 / 3 * std::log(4.0 / 3)).epsilon(1e-14));
}
// [Eq. 2.3]
TEST_CASE("cross_entropy, mse: the loss of m examples is the sum of their losses divided by m") {
  // Probabilities of the labels: 1/2, 1/4, 3/4.
  const std::vector<Tensor> rows = {Tensor::of({1, 2}, {0, 0}, DType::kF64),
                                    Tensor::of({1, 2}, {0, std::log(3.0)}, DType::kF64),
                                    Tensor::of({1, 2}, {std::log(3.0), 0}, DType::kF64)};
  double sum = 0;
  for (const Tensor& row : rows) sum += cross_entropy(row, labels_of({0})).item();
  const Tensor all = Tensor::of({3, 2}, {0, 0, 0, std::log(3.0), std::log(3.0), 0}, DType::kF64);
  const double loss = cross_entropy(all, labels_of({0, 0, 0})).item();
  CHECK(loss == doctest::Approx(sum / 3).epsilon(1e-14));
  CHECK(loss == doctest::Approx((std::log(2.0) + std::log(4.0) + std::log(4.0 / 3)) / 3).epsilon(1e-14));
  CHECK(mse(Tensor::of({4}, {1, 2, 5, 0}), Tensor::of({4}, {1, 4, 1, 2})).item() == (0 + 4 + 16 + 4) / 4.0);
}
// [Eq. 2.4]
TEST_CASE("cross_entropy: is least where the labels are likeliest, at the frequencies 3/4 and 1/4 of 0, 0, 0, 1") {
  const Tensor labels = labels_of({0, 0, 0, 1});
  int least = 0, likeliest = 0;
  double loss_of_least = 1e9, likelihood_of_likeliest = 0;
  for (int k = 1; k < 8; ++k) {  // the model says 0 with probability k / 8, whatever the example
    Parameter theta("theta", Tensor::of({1, 2}, {std::log(double(k)), std::log(8.0 - k)}, DType::kF64));
    const Tensor loss = cross_entropy(broadcast_to(theta.tensor(), {4, 2}), labels);
    const double likelihood = k * k * k * (8 - k) / 4096.0;
    CHECK(-4 * loss.item() == doctest::Approx(std::log(likelihood)).epsilon(1e-13));
    if (loss.item() < loss_of_least) least = k, loss_of_least = loss.item();
    if (likelihood > likelihood_of_likeliest) likeliest = k, likelihood_of_likeliest = likelihood;
    backward(loss);
    CHECK(theta.grad.at(0) == doctest::Approx(k / 8.0 - 0.75).epsilon(1e-13));  // 0 at the frequency alone
  }
  CHECK(least == 6);
  CHECK(likeliest == 6);
}
// [Eq. 2.5]
TEST_CASE("cross_entropy: is minus the mean of the labels' log-probabilities under the softmax") {
  const double l = std::log(3.0);
  const Tensor x = Tensor::of({3, 2}, {0, l, 0, l, 0, 0}, DType::kF64), log_p = log_softmax(x);
  const double loss = cross_entropy(x, labels_of({0, 1, 1})).item();
  CHECK(loss == doctest::Approx(-(log_p.at(0) + log_p.at(3) + log_p.at(5)) / 3).epsilon(1e-14));
  CHECK(loss == doctest::Approx(-std::log(0.25 * 0.75 * 0.5) / 3).epsilon(1e-14));
}
TEST_CASE("cross_entropy: label smoothing of 0.2 mixes in the uniform distribution") {
  // p = (1/4, 3/4), q = (0.9, 0.1).
  const double want = -(0.9 * std::log(0.25) + 0.1 * std::log(0.75));
  CHECK(cross_entropy(Tensor::of({1, 2}, {0, std::log(3.0)}, DType::kF64), labels_of({0}), {.label_smoothing = 0.2})
            .item() == doctest::Approx(want).epsilon(1e-12));
}
TEST_CASE("cross_entropy: ignored rows count neither in the sum nor in the mean, and get no gradient") {
  const CrossEntropyOptions o{.ignore = 255};
  Parameter x("x", Tensor::of({3, 2}, {1, 2, 3, 5, 0, 0}));
  const Tensor loss = cross_entropy(x.tensor(), labels_of({0, 255, 1}), o);
  CHECK(loss.item() ==
        doctest::Approx(cross_entropy(Tensor::of({2, 2}, {1, 2, 0, 0}), labels_of({0, 1})).item()).epsilon(1e-7));
  backward(loss);
  CHECK(x.grad.at(2) == 0);
  CHECK(x.grad.at(3) == 0);
  CHECK(x.grad.at(5) == -0.25);
  Parameter z("z", Tensor::of({1, 2}, {1, 2}));
  const Tensor none = cross_entropy(z.tensor(), labels_of({255}), o);
  CHECK(none.item() == 0);
  backward(none);
  CHECK(z.grad.values() == Values{0, 0});
}
TEST_CASE("cross_entropy: a label out of range is refused, with its row; so are shapes and types") {
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({2, 3}), labels_of({0, 3})),
                       "cross_entropy: label 3 in row 1, logits [2,3]", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({2, 3}), labels_of({-1, 0})),
                       "cross_entropy: label -1 in row 0, logits [2,3]", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({2, 3}), labels_of({0})),
                       "cross_entropy: logits [2,3] with labels [1]", Error);
  CHECK_THROWS_WITH_AS(cross_entropy(Tensor::zeros({2, 3}), Tensor::zeros({2})),
                       "cross_entropy: labels are f32, not i32", Error);
  CHECK_THROWS_AS(cross_entropy(Tensor::zeros({2, 3}), labels_of({0, 0}), {.label_smoothing = 1}), Error);
}
TEST_CASE("mse: of (1, 2) and (3, 2) is 2") {
  Parameter p("p", Tensor::of({2}, {1, 2}));
  const Tensor loss = mse(p.tensor(), Tensor::of({2}, {3, 2}));
  CHECK(loss.item() == 2);
  backward(loss);
  CHECK(p.grad.values() == Values{-2, 0});
  CHECK_THROWS_WITH_AS(mse(Tensor::zeros({2}), Tensor::zeros({3})), "mse: prediction [2] with target [3]", Error);
}
TEST_CASE("cross_entropy, mse: gradients") {
  const Tensor logits = random_f64({4, 5}, 1, 2.0), labels = labels_of({4, 0, 2, 2});
  CHECK(gradcheck("cross_entropy", entropy(labels), {logits}) == "");
  CHECK(gradcheck("cross_entropy", entropy(labels, {.label_smoothing = 0.1}), {logits}) == "");
  CHECK(gradcheck("cross_entropy", entropy(labels, {.label_smoothing = 0.3, .ignore = 0}), {logits}) == "");
  CHECK(gradcheck("mse", [](const Tensors& in) { return mse(in[0], in[1]); },
                  {random_f64({2, 3}, 1), random_f64({2, 3}, 2)}) == "");
}
// The row's sums: as in softmax_test.cc; p - 1 cancels where p is near 1, so the gradient is compared with its largest
// element.
TEST_CASE("cross_entropy, mse: f32 equals f64") {
  for (int64_t k : {2, 10, 17, 1000}) {
    CAPTURE(k);
    CHECK(f32_error(entropy(random_labels(33, k), {.label_smoothing = 0.1}), {random_f64({33, k}, 1, 3.0)}) <= 1e-5);
  }
  CHECK(f32_error([](const Tensors& in) { return mse(in[0], in[1]); },
                  {random_f64({40001}, 1), random_f64({40001}, 2)}) <= 1e-5);
}
TEST_CASE("cross_entropy, mse: the same bytes for any number of threads") {
  CHECK(same_for_any_threads([&] {
    return forward_backward(entropy(random_labels(40001, 10)), {random_f32({40001, 10}, 1)});
  }));
  CHECK(same_for_any_threads([&] {
    return forward_backward([](const Tensors& in) { return mse(in[0], in[1]); },
                            {random_f32({400001}, 1), random_f32({400001}, 2)});
  }));
}
