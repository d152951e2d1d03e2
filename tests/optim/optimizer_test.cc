#include "optim/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "core/parallel.h"
#include "ops/linear.h"
#include "ops/loss.h"
#include "optim/schedule.h"
#include "tests/core/tensors.h"

using namespace bantam;

// [Eq. 3.1]
TEST_CASE("sgd: plain, momentum and Nesterov steps by hand") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter p("p", Tensor::of({1}, {1.0}, dtype));
    p.grad = Tensor::of({1}, {0.5}, dtype);
    auto sgd = make_sgd({{{&p}, 1, 0.0}}, {});
    sgd->step(0.5);
    CHECK(p.value.item() == 0.75);

    Parameter q("q", Tensor::of({1}, {1.0}, dtype));
    q.grad = Tensor::of({1}, {0.5}, dtype);
    auto momentum = make_sgd({{{&q}, 1, 0.0}}, {.momentum = 0.5, .nesterov = false});
    momentum->step(0.5);  // v = .5, w = .75
    momentum->step(0.5);  // v = .75, w = .375
    CHECK(q.value.item() == 0.375);

    Parameter r("r", Tensor::of({1}, {1.0}, dtype));
    r.grad = Tensor::of({1}, {0.5}, dtype);
    auto nesterov = make_sgd({{{&r}, 1, 0.0}}, {.momentum = 0.5, .nesterov = true});
    nesterov->step(0.5);  // v = .5, move = .75, w = .625
    CHECK(r.value.item() == 0.625);
  }
}

// [Alg. 1]
TEST_CASE("sgd: two steps by hand: a minibatch's mean gradient, and each step's own learning rate") {
  // f(x) = theta x, L = (f - y)^2, so that an example's gradient is 2 (theta x - y) x.
  const Schedule eta{ScheduleKind::kMultiStep, 0.125, 2, 0, {1}, {0.0625}};
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter theta("theta", Tensor::of({1, 1}, {0}, dtype));
    auto sgd = make_sgd({{{&theta}, 1, 0.0}}, {});
    const auto step = [&](int64_t k, const std::vector<double>& x, const std::vector<double>& y) {
      theta.zero_grad();
      backward(mse(linear(Tensor::of({2, 1}, x, dtype), theta.tensor()), Tensor::of({2, 1}, y, dtype)));
      sgd->step(learning_rate(eta, k));
    };
    step(0, {1, 2}, {1, 4});  // gradients -2 and -16
    CHECK(theta.grad.item() == -9);
    CHECK(theta.value.item() == 0.125 * 9);
    step(1, {2, 1}, {0.25, 1.125});  // 8 and 0
    CHECK(theta.grad.item() == 4);
    CHECK(theta.value.item() == 1.125 - 0.0625 * 4);
  }
}

// [T 2.3]
TEST_CASE("sgd: weight decay reaches only parameters that ask for it, and groups scale the learning rate") {
  Parameter p("p", Tensor::of({1}, {2.0})), q("q", Tensor::of({1}, {2.0}), false), r("r", Tensor::of({1}, {2.0}));
  for (Parameter* x : {&p, &q, &r}) x->grad = Tensor::zeros({1});
  auto sgd = make_sgd({{{&p, &q}, 1, 0.25}, {{&r}, 2, 0.25}}, {});
  sgd->step(0.5);
  CHECK(p.value.item() == 2.0 - 0.5 * 0.25 * 2);
  CHECK(q.value.item() == 2.0);
  CHECK(r.value.item() == 2.0 - 1.0 * 0.25 * 2);
}

// [Alg. 2]
TEST_CASE("adam: two steps by hand, line for line") {
  Parameter p("p", Tensor::of({1}, {0}, DType::kF64));
  auto adam = make_adam({{{&p}, 1, 0.0}}, {.beta1 = 0.5, .beta2 = 0.5, .delta = 2});
  const auto state = adam->state();
  p.grad = Tensor::of({1}, {2}, DType::kF64);
  adam->step(6);
  CHECK(state[0].tensor->item() == 1);  // s, corrected: 1 / (1 - 1/2) = 2
  CHECK(state[1].tensor->item() == 2);  // r, corrected: 4
  CHECK(p.value.item() == doctest::Approx(-6.0 * 2 / (2 + 2)).epsilon(1e-14));
  p.grad = Tensor::of({1}, {-2}, DType::kF64);
  adam->step(6);
  CHECK(state[0].tensor->item() == -0.5);  // 1/2 - 1, corrected by 1 - 1/4: -2/3
  CHECK(state[1].tensor->item() == 3);     // 1 + 2, corrected: 4
  CHECK(p.value.item() == doctest::Approx(-3 + 6 * (2.0 / 3) / (2 + 2)).epsilon(1e-14));
}

TEST_CASE("adam: the first step moves by lr whatever the gradient's size, delta stands outside the root") {
  Parameter p("p", Tensor::of({2}, {0, 0}, DType::kF64));
  p.grad = Tensor::of({2}, {1e-3, -40}, DType::kF64);
  auto adam = make_adam({{{&p}, 1, 0.0}}, {});
  adam->step(0.1);
  CHECK(p.value.at(0) == doctest::Approx(-0.1 * 1e-3 / (1e-3 + 1e-8)).epsilon(1e-12));
  CHECK(p.value.at(1) == doctest::Approx(0.1).epsilon(1e-9));
}

TEST_CASE("adam: ten steps equal the formula written out in f64") {
  Parameter p("p", Tensor::of({1}, {0.3}, DType::kF64));
  auto adam = make_adam({{{&p}, 1, 0.0}}, {});
  double theta = 0.3, s = 0, r = 0;
  for (int t = 1; t <= 10; ++t) {
    const double g = std::sin(t * 1.7);
    p.grad = Tensor::of({1}, {g}, DType::kF64);
    adam->step(0.01);
    s = 0.9 * s + 0.1 * g;
    r = 0.999 * r + 0.001 * g * g;
    theta -= 0.01 * (s / (1 - std::pow(0.9, t))) / (std::sqrt(r / (1 - std::pow(0.999, t))) + 1e-8);
  }
  CHECK(p.value.item() == doctest::Approx(theta).epsilon(1e-13));
}

TEST_CASE("optimizers: f32 follows f64 to a few ulp on odd sizes, and any number of threads gives the same bits") {
  const int old_threads = threads();
  for (int64_t n : {1, 7, 15, 16, 17, 1009, 70001}) {
    for (int kind = 0; kind < 3; ++kind) {
      std::vector<double> one_thread;
      for (int thread_count : {1, 3}) {
        set_threads(thread_count);
        Parameter p("p", random_f32({n}, 1)), q("q", p.value.to(DType::kF64));
        auto make = [&](Parameter* x) {
          const std::vector<ParameterGroup> groups{{{x}, 1, 1e-3}};
          return kind == 0 ? make_adam(groups, {}) : make_sgd(groups, {.momentum = 0.9, .nesterov = kind == 2});
        };
        auto a = make(&p), b = make(&q);
        for (uint64_t step = 0; step < 4; ++step) {
          p.grad = random_f32({n}, 10 + step);
          q.grad = p.grad.to(DType::kF64);
          a->step(0.01);
          b->step(0.01);
        }
        double worst = 0;
        for (int64_t i = 0; i < n; ++i) worst = std::max(worst, std::abs(p.value.at(i) - q.value.at(i)));
        CHECK(worst < 4e-6);  // four steps of a few roundings each at |theta| < 5: 4 * 3 * 2^-24 * 5
        if (thread_count == 1)
          one_thread = p.value.values();
        else
          CHECK(p.value.values() == one_thread);
      }
    }
  }
  set_threads(old_threads);
}

TEST_CASE("clip_gradients: scales to the norm only when it is larger, and hands back a NaN") {
  Parameter p("p", Tensor::zeros({2})), q("q", Tensor::zeros({1}, DType::kF64));
  p.grad = Tensor::of({2}, {3, 0});
  q.grad = Tensor::of({1}, {4}, DType::kF64);
  CHECK(clip_gradients({&p, &q}, 10) == 5);
  CHECK(p.grad.at(0) == 3);
  CHECK(clip_gradients({&p, &q}, 1) == 5);
  CHECK(p.grad.at(0) == doctest::Approx(0.6));
  CHECK(q.grad.at(0) == doctest::Approx(0.8));
  q.grad = Tensor::full({1}, std::numeric_limits<double>::quiet_NaN(), DType::kF64);
  CHECK(std::isnan(clip_gradients({&p, &q}, 1)));
}

TEST_CASE("optimizers: the state has a name for each parameter and kind") {
  Parameter p("conv1.weight", Tensor::zeros({2})), q("fc.bias", Tensor::zeros({1}));
  auto adam = make_adam({{{&p, &q}, 1, 0.0}}, {});
  const auto state = adam->state();
  REQUIRE(state.size() == 4);
  CHECK(state[0].name == "exp_avg.conv1.weight");
  CHECK(state[3].name == "exp_avg_sq.fc.bias");
  CHECK(make_sgd({{{&p}, 1, 0.0}}, {})->state().empty());
}
