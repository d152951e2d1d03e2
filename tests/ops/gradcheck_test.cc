#include "tests/ops/gradcheck.h"

#include <doctest/doctest.h>

using namespace bantam;

namespace {

// z = x * y elementwise with a factor on one of its gradients: 1 is right.
Tensor toy_product(const Tensor& x, const Tensor& y, double factor = 1.0, int64_t wrong_element = -1) {
  auto times = [](const Tensor& a, const Tensor& b) {
    std::vector<double> v = a.values();
    for (size_t i = 0; i < v.size(); ++i) v[i] *= b.at(int64_t(i));
    return Tensor::of(a.shape(), v, DType::kF64);
  };
  return record("toy_product", times(x, y), {x, y}, {{"input", x.detach()}, {"input", y.detach()}},
                [=](const BackwardArgs& b) {
                  Tensors grads(2);
                  if (b.needs[0]) grads[0] = times(b.grad, b[1]);
                  if (b.needs[1]) {
                    std::vector<double> v = times(b.grad, b[0]).values();
                    for (size_t i = 0; i < v.size(); ++i)
                      if (wrong_element < 0 || int64_t(i) == wrong_element) v[i] *= factor;
                    grads[1] = Tensor::of(b.grad.shape(), v, DType::kF64);
                  }
                  return grads;
                });
}

}  // namespace

TEST_CASE("gradcheck: passes a right gradient") {
  CHECK(gradcheck("toy_product", [](const Tensors& in) { return toy_product(in[0], in[1]); },
                  {random_f64({2, 3}, 1), random_f64({2, 3}, 2)}) == "");
}

TEST_CASE("gradcheck: a gradient wrong by 3e-6 in one element fails, and the report names op, input and element") {
  const std::string report = gradcheck(
      "toy_product", [](const Tensors& in) { return toy_product(in[0], in[1], 1 + 3e-6, 4); },
      {Tensor::full({2, 3}, 1.5, DType::kF64), Tensor::full({2, 3}, 0.5, DType::kF64)});
  CHECK(report.find("toy_product: input 1 [2,3] element 4") != std::string::npos);
  CHECK(report.find("backward") != std::string::npos);
  CHECK(report.find("differences") != std::string::npos);
}

TEST_CASE("gradcheck: a name that is not in the graph fails") {
  CHECK(gradcheck("no_such_op", [](const Tensors& in) { return toy_product(in[0], in[1]); },
                  {random_f64({2}, 1), random_f64({2}, 2)}) ==
        "no_such_op: no node of this name in the graph of the function");
}

TEST_CASE("gradcheck: a backward pass that writes to the gradient of the output fails") {
  auto writes = [](const Tensors& in) {
    return record("writes", in[0].clone(), {in[0]}, {}, [](const BackwardArgs& b) {
      Tensor shared = b.grad;
      shared.mutable_data<double>()[0] += 1;
      return Tensors{b.grad.clone()};
    });
  };
  CHECK(gradcheck("writes", writes, {random_f64({2}, 1)}).find("changed the gradient of the output") !=
        std::string::npos);
}

TEST_CASE("gradcheck: inputs on a kink are moved off it") {
  auto absolute = [](const Tensors& in) {
    std::vector<double> v = in[0].values();
    for (double& x : v) x = std::fabs(x);
    return record("absolute", Tensor::of(in[0].shape(), v, DType::kF64), {in[0]}, {{"input", in[0].detach()}},
                  [](const BackwardArgs& b) {
                    std::vector<double> g = b.grad.values();
                    for (size_t i = 0; i < g.size(); ++i) g[i] *= b[0].at(int64_t(i)) < 0 ? -1 : 1;
                    return Tensors{Tensor::of(b.grad.shape(), g, DType::kF64)};
                  });
  };
  const Tensor x = Tensor::of({3}, {0.0, -1e-9, 2.0}, DType::kF64);
  CHECK(gradcheck("absolute", absolute, {x}) != "");
  CHECK(gradcheck("absolute", absolute, {x}, {.kinks = {0}}) == "");
}

TEST_CASE("gradcheck: a declared gradient is held against its surrogate, not against the step that it replaces") {
  auto sign = [](const Tensors& in) {
    std::vector<double> v = in[0].values();
    for (double& x : v) x = x >= 0 ? 1 : -1;
    return record("toy_sign", Tensor::of(in[0].shape(), v, DType::kF64), {in[0]}, {},
                  [](const BackwardArgs& b) { return Tensors{b.grad.clone()}; });
  };
  auto identity = [](const Tensors& in) { return in[0]; };
  auto twice = [](const Tensors& in) {
    std::vector<double> v = in[0].values();
    for (double& x : v) x *= 2;
    return Tensor::of(in[0].shape(), v, DType::kF64);
  };
  CHECK(gradcheck("toy_sign", sign, {random_f64({5}, 3)}, {.surrogate = identity}) == "");
  CHECK(gradcheck("toy_sign", sign, {random_f64({5}, 3)}, {.surrogate = twice}) != "");
  CHECK(gradcheck("toy_sign", sign, {random_f64({5}, 3)}) != "");
}
