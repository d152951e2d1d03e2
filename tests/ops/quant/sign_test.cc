#include "ops/quant/sign.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/linear.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

constexpr Surrogate kBoth[] = {Surrogate::kIdentity, Surrogate::kClip};

// The function whose derivative the surrogate is.
Tensor surrogate_of(const Tensor& x, Surrogate s) {
  std::vector<double> v = x.values();
  if (s == Surrogate::kClip)
    for (double& e : v) e = std::min(std::max(e, -1.0), 1.0);
  return Tensor::of(x.shape(), v, x.dtype());
}

}  // namespace

// [Eq. 3.10]
TEST_CASE("sign: by hand: values, bits, and the clipped gradient, whose bounds count as inside") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter x("x", Tensor::of({2, 3}, {-0.0, -1.0, 1.5, nan, 1.0, -1.25}, dtype));
    const Quantized q = sign(x.tensor(), Surrogate::kClip, true);
    CHECK(q.value.values() == std::vector<double>{1, -1, 1, -1, 1, -1});
    CHECK(!q.scale.defined());
    CHECK(q.codes.channels == 3);
    CHECK(q.codes.pixels() == 2);
    CHECK(q.codes.bits()[0] == 0b101);
    CHECK(q.codes.bits()[1] == 0b010);
    backward({q.value}, {Tensor::of({2, 3}, {1, 2, 3, 4, 5, 6}, dtype)});
    CHECK(x.grad.values() == std::vector<double>{1, 2, 0, 0, 5, 0});
  }
}

TEST_CASE("sign: the identity surrogate hands the gradient on everywhere and saves nothing") {
  Parameter x("x", Tensor::of({1, 4}, {-3, -0.5, 0.5, 3}));
  const Quantized q = sign(x.tensor(), Surrogate::kIdentity, true);
  CHECK(q.value.node()->saved.empty());
  backward({q.value}, {Tensor::of({1, 4}, {1, 2, 3, 4})});
  CHECK(x.grad.values() == std::vector<double>{1, 2, 3, 4});
}

TEST_CASE("sign: the clipped surrogate saves one bit for an element, and nothing where nothing is recorded") {
  Parameter x("x", Tensor::zeros({4, 9, 9, 65}));
  const Quantized q = sign(x.tensor(), Surrogate::kClip);
  REQUIRE(q.value.node()->saved.size() == 1);
  CHECK(std::string(q.value.node()->saved[0].name) == "mask");
  CHECK(q.value.node()->saved[0].tensor.bytes() == (4 * 9 * 9 * 65 + 7) / 8);
  CHECK(q.codes.tensor.bytes() == 4 * 9 * 9 * 2 * 8);
  NoGrad no_grad;
  CHECK(sign(x.tensor(), Surrogate::kClip).value.node() == nullptr);
}

TEST_CASE("sign: a value without elements carries the gradient, and materialize gives it elements") {
  Parameter x("x", random_f32({2, 3, 3, 70}, 1));
  const Quantized q = sign(x.tensor(), Surrogate::kClip);
  CHECK_FALSE(q.value.has_data());
  CHECK(q.value.shape() == x.value.shape());
  const Tensor v = materialize(q);
  CHECK(v.node() == q.value.node());
  for (int64_t i = 0; i < v.size(); ++i) REQUIRE(v.at(i) == sign_value(x.value.at(i)));
  const Tensor g = random_f32(x.value.shape(), 2);
  backward({v}, {g});
  for (int64_t i = 0; i < v.size(); ++i) REQUIRE(x.grad.at(i) == (std::fabs(x.value.at(i)) <= 1 ? g.at(i) : 0));
}

TEST_CASE("sign: gradients are those of the declared surrogate") {
  for (Surrogate s : kBoth) {
    GradcheckOptions options{.kinks = {-1, 0, 1}};
    options.surrogate = [s](const Tensors& in) { return surrogate_of(in[0], s); };
    CHECK(gradcheck(
              "sign", [s](const Tensors& in) { return sign(in[0], s, true).value; }, {random_f64({3, 2, 7}, 3)},
              options) == "");
    CHECK(gradcheck(
              "sign_ste", [s](const Tensors& in) { return sign_ste(in[0], s); }, {random_f64({5, 3}, 4)}, options) ==
          "");
  }
}

TEST_CASE("sign: the same bytes for any number of threads, at sizes of several chunks") {
  const int before = threads();
  const Tensor x = random_f32({7, 31, 33, 17}, 5), g = random_f32(x.shape(), 6);
  std::vector<double> bits, mask, dx;
  for (int n : {1, 2, 3}) {
    set_threads(n);
    Parameter p("x", x);
    const Quantized q = sign(p.tensor(), Surrogate::kClip);
    REQUIRE(q.value.node()->saved.size() == 1);
    const std::vector<double> b = q.codes.tensor.values(), m = q.value.node()->saved[0].tensor.values();
    backward({q.value}, {g});
    if (n == 1) bits = b, mask = m, dx = p.grad.values();
    CHECK(bits == b);
    CHECK(mask == m);
    CHECK(dx == p.grad.values());
  }
  set_threads(before);
}

TEST_CASE("sign_ste: +-1 values; the output is not kept, but made again from the input") {
  Parameter w("w", Tensor::of({2, 2}, {-0.0, -1e-20, 1, -7}));
  const Tensor s = sign_ste(w.tensor(), Surrogate::kIdentity);
  CHECK(s.values() == std::vector<double>{1, -1, 1, -1});
  CHECK(recomputable(s));
  CHECK(s.node()->recompute(*s.node()).values() == s.values());
  CHECK(s.node()->saved[0].tensor.buffer() == w.value.buffer());
}

// [Eq. 3.8]
TEST_CASE("sign: of the codebook's entries -1 and +1 the nearest is taken, and +1 where both are as near") {
  const std::array<double, 2> codebook = {1, -1};
  std::vector<double> x, nearest;
  for (int i = -24; i <= 24; ++i) {
    x.push_back(i / 8.0);  // so that distances are exact
    nearest.push_back(codebook[0]);
    for (double q : codebook)
      if (std::fabs(x.back() - q) < std::fabs(x.back() - nearest.back())) nearest.back() = q;
  }
  for (DType dtype : {DType::kF32, DType::kF64}) {
    const Tensor t = Tensor::of({7, 7}, x, dtype);
    const Quantized q = sign(t, Surrogate::kClip);
    CHECK(expand(q.codes, q.scale, t.shape(), dtype).values() == nearest);
    CHECK(sign_ste(t, Surrogate::kIdentity).values() == nearest);
  }
}

// [Eq. 3.11]
TEST_CASE("sign_ste: is a projection: no vector of +-1 lies nearer to w, and its own projection is itself") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor w = random_f64({3}, seed), p = sign_ste(w, Surrogate::kIdentity);
    const auto distance = [&](const std::array<double, 3>& q) {
      double sum = 0;
      for (int64_t i = 0; i < 3; ++i) sum += (w.at(i) - q[size_t(i)]) * (w.at(i) - q[size_t(i)]);
      return sum;
    };
    const double projected = distance({p.at(0), p.at(1), p.at(2)});
    for (double a : {-1, 1})
      for (double b : {-1, 1})
        for (double c : {-1, 1}) CHECK(projected <= distance({a, b, c}));
    CHECK(sign_ste(p, Surrogate::kIdentity).values() == p.values());
  }
}

// [Eq. 3.12]
TEST_CASE("sign_ste: sgd through it is the lazy projection: latent weights move by gradients at their signs") {
  // L is the mean of (q - t)^2 over four weights, so its gradient at the signs q is (q - t) / 2. All numbers are binary
  // fractions: each step is exact.
  const std::vector<double> start = {1, -0.75, 0.125, 0}, t = {-0.5, 1, -1, 1};
  const double lr = 0.25;
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter trained("w", Tensor::of({4}, start, dtype));
    auto sgd = make_sgd({{{&trained}, 1, 0.0}}, {});
    std::vector<double> w = start, eager = start;  // eager: projected after each step
    std::vector<double> first_signs;
    for (int step = 1; step <= 14; ++step) {
      trained.zero_grad();
      backward(mse(sign_ste(trained.tensor(), Surrogate::kIdentity), Tensor::of({4}, t, dtype)));
      sgd->step(lr);
      for (size_t i = 0; i < 4; ++i) {
        w[i] -= lr * (sign_value(w[i]) - t[i]) / 2;
        eager[i] = sign_value(eager[i] - lr * (sign_value(eager[i]) - t[i]) / 2);
      }
      CHECK(same_tensor(trained.value, Tensor::of({4}, w, dtype)));
      first_signs.push_back(sign_value(w[0]));
      if (step == 3) CHECK(w[1] == 0);  // from -0.75 by 0.25: the third step makes its sign +1, and it rests
    }
    // The first weight goes from 1 by 3/16 a step: five steps leave its sign as it was, the sixth carries it across.
    // Then it comes back by 1/16 a step, so that of four signs three are -1: their mean is t, which no sign is.
    CHECK(first_signs == std::vector<double>{1, 1, 1, 1, 1, -1, -1, 1, -1, -1, -1, 1, -1, -1});
    CHECK(w == std::vector<double>{-0.125, 0, -0.125, 0});
    CHECK(eager == std::vector<double>{1, -1, -1, 1});  // too short a step to leave a sign is lost
  }
}

// [Eq. 3.12]
TEST_CASE("sign_ste: sgd through it equals the lazy projection bit for bit in a problem whose weights are coupled") {
  const Tensor x = random_f32({7, 5}, 1), y = random_f32({7, 1}, 2);
  const float lr = 0.0625f;  // a power of two: w - lr * g rounds once
  Parameter trained("w", random_f32({1, 5}, 3));
  auto sgd = make_sgd({{{&trained}, 1, 0.0}}, {});
  std::vector<double> w = trained.value.values();
  int quiet = 0, longest_before_crossing = 0;
  for (int step = 0; step < 40; ++step) {
    trained.zero_grad();
    backward(mse(linear(x, sign_ste(trained.tensor(), Surrogate::kIdentity)), y));
    sgd->step(double(lr));

    std::vector<double> signs;
    for (double v : w) signs.push_back(sign_value(v));
    Parameter projected("q", Tensor::of({1, 5}, signs));
    backward(mse(linear(x, projected.tensor()), y));
    ++quiet;
    for (size_t i = 0; i < 5; ++i) {
      w[i] = double(float(w[i]) - lr * float(projected.grad.at(int64_t(i))));
      if (sign_value(w[i]) != signs[i]) longest_before_crossing = std::max(longest_before_crossing, quiet), quiet = 0;
    }
    REQUIRE(same_tensor(trained.value, Tensor::of({1, 5}, w)));
  }
  CHECK(longest_before_crossing >= 3);  // some sign changed after steps that changed none
}

TEST_CASE("sign: what it cannot take is an error that says so") {
  CHECK_THROWS_WITH_AS(sign(Tensor::zeros({2, 2}, DType::kI32), Surrogate::kClip),
                       "sign: elements are i32, not f32 or f64", Error);
  CHECK_THROWS_WITH_AS(sign_ste(Tensor::zeros({0, 2}), Surrogate::kClip), "sign_ste: input is empty [0,2]", Error);
}
