// SGD and Adam against traces of PyTorch's: tests/fixtures/make_optim.py.
#include <doctest/doctest.h>

#include <memory>

#include "optim/optimizer.h"
#include "tests/fixture.h"

using namespace bantam;

namespace {

// The parameter after each step, [steps + 1, n], as the trace "value" holds it.
void follow(const Fixture& f, const std::string& c, DType dtype, double tolerance) {
  INFO(c);
  const std::vector<double> s =
      f.tensor(c + "/settings").values();  // lr, momentum or beta1, beta2, decay, nesterov, delta
  const Tensor values = f.tensor(c + "/value"), grads = f.tensor(c + "/grad");
  const int64_t n = values.dim(1);
  Parameter p("p", values.slice_outer(0, 1).to(dtype).clone().view({n}));
  const std::vector<ParameterGroup> groups = {{{&p}, 1, s[3]}};
  const auto optimizer =
      c.starts_with("sgd") ? make_sgd(groups, {s[1], s[4] != 0}) : make_adam(groups, {s[1], s[2], s[5]});
  for (int64_t step = 0; step < grads.dim(0); ++step) {
    p.grad = grads.slice_outer(step, step + 1).to(dtype).clone().view({n});
    optimizer->step(step < 3 ? s[0] : 0.5 * s[0]);
    CHECK(relative_error(p.value, values.slice_outer(step + 1, step + 2).view({n})) < tolerance);
  }
}

}  // namespace

// f64: each of 6 steps rounds a few times, 2^-53 each, in values near 1: 1e-14 leaves a factor of 5.
// f32: the same with 2^-24: 4e-6.
TEST_CASE("sgd: six steps with momentum, Nesterov and weight decay equal PyTorch's") {
  const Fixture f("optim");
  CHECK(f.cases("sgd").size() == 5);
  for (const std::string& c : f.cases("sgd")) {
    follow(f, c, DType::kF64, 1e-14);
    follow(f, c, DType::kF32, 4e-6);
  }
}

TEST_CASE(
    "adam: six steps with weight decay, other betas and a large delta equal PyTorch's, gradients near delta and 0 "
    "too") {
  const Fixture f("optim");
  CHECK(f.cases("adam").size() == 4);
  for (const std::string& c : f.cases("adam")) {
    follow(f, c, DType::kF64, 1e-14);
    follow(f, c, DType::kF32, 4e-6);
  }
}
