// Elementwise operations, reductions, norms, losses and the binary ones against PyTorch: tests/fixtures/make_ops.py,
// make_losses.py.
#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/batch_norm.h"
#include "ops/concat.h"
#include "ops/loss.h"
#include "ops/pad.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/sign.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/slice.h"
#include "ops/softmax.h"
#include "tests/ops/torch_case.h"

using namespace bantam;
using In = Tensors;
using Ints = std::vector<int64_t>;

TEST_CASE("arithmetic with every kind of broadcasting: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  check_cases(f, "add", {"a", "b"}, [](const In& in, const Ints&) { return add(in[0], in[1]); });
  check_cases(f, "sub", {"a", "b"}, [](const In& in, const Ints&) { return sub(in[0], in[1]); });
  check_cases(f, "mul", {"a", "b"}, [](const In& in, const Ints&) { return mul(in[0], in[1]); });
  check_cases(f, "div", {"a", "b"}, [](const In& in, const Ints&) { return div(in[0], in[1]); });
}

TEST_CASE("reductions over one axis and over all: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  const auto axes = [](const Ints& c) { return std::vector<int>(c.begin(), c.end()); };
  const auto as_vector = [](const Tensor& t) { return t.rank() == 0 ? reshape(t, {1}) : t; };
  check_cases(f, "sum", {"x"}, [&](const In& in, const Ints& c) { return as_vector(sum(in[0], axes(c))); });
  check_cases(f, "mean", {"x"}, [&](const In& in, const Ints& c) { return as_vector(mean(in[0], axes(c))); });
  check_cases(f, "max", {"x"}, [](const In& in, const Ints& c) { return max(in[0], int(c[0])); });
}

TEST_CASE("activations and softmax: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  check_cases(f, "relu", {"x"}, [](const In& in, const Ints&) { return relu(in[0]); });
  check_cases(f, "prelu", {"x", "slope"}, [](const In& in, const Ints&) { return prelu(in[0], in[1]); });
  check_cases(f, "hardtanh", {"x"}, [](const In& in, const Ints&) { return hardtanh(in[0]); });
  check_cases(f, "sigmoid", {"x"}, [](const In& in, const Ints&) { return sigmoid(in[0]); });
  check_cases(f, "tanh", {"x"}, [](const In& in, const Ints&) { return bantam::tanh(in[0]); });
  check_cases(f, "softmax", {"x"}, [](const In& in, const Ints&) { return softmax(in[0]); });
  check_cases(f, "log_softmax", {"x"}, [](const In& in, const Ints&) { return log_softmax(in[0]); });
}

TEST_CASE("batch_norm: values, gradients and running statistics equal PyTorch's, in training and in evaluation") {
  const Fixture f("ops");
  for (const std::string& c : f.cases("batch_norm")) {
    const bool training = f.config(c)[0] != 0;
    const bool rows = f.tensor(c + "/x").dim(1) * f.tensor(c + "/x").dim(2) == 1;
    check_case(f, c, {"x", "gamma", "beta"}, [&](const In& in) {
      const DType dtype = in[0].dtype();
      Tensor mean = f.tensor(c + "/running_mean", dtype).clone(), var = f.tensor(c + "/running_var", dtype).clone();
      const Tensor y =
          training ? batch_norm(in[0], in[1], in[2], &mean, &var) : batch_norm_eval(in[0], in[1], in[2], mean, var);
      const double tolerance = dtype == DType::kF64 ? 1e-14 : 1e-6;  // one sum and three roundings
      CHECK(relative_error(mean, f.tensor(c + "/new_running_mean")) < tolerance);
      CHECK(relative_error(var, f.tensor(c + "/new_running_var")) < tolerance);
      return y;
    });
    CHECK(rows == (c.find("rows") != std::string::npos));
  }
}

TEST_CASE("concat, slice, pad, transpose: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  check_cases(f, "concat", {"a", "b", "c"}, [](const In& in, const Ints& c) { return concat(in, int(c[0])); });
  check_cases(f, "slice", {"x"}, [](const In& in, const Ints& c) { return slice(in[0], -1, c[0], c[1]); });
  check_cases(f, "pad", {"x"}, [](const In& in, const Ints& c) {
    return pad(in[0], {0, c[0], c[2], 0}, {0, c[1], c[3], 0});
  });
  check_cases(f, "transpose", {"x"}, [](const In& in, const Ints&) { return transpose(in[0]); });
}

// f64: the exponentials' sum of up to 129 terms; f32: the polynomials of exp and log err by about 2 ulp.
TEST_CASE("cross_entropy: label smoothing and ignored labels: loss and gradient equal PyTorch's") {
  const Fixture f("losses");
  CHECK(f.cases("cross_entropy").size() == 7);
  for (const std::string& c : f.cases("cross_entropy"))
    for (DType dtype : {DType::kF64, DType::kF32}) {
      INFO(c);
      Parameter x("x", f.tensor(c + "/x", dtype));
      const Tensor loss = cross_entropy(x.tensor(), f.tensor(c + "/labels"),
                                        {.label_smoothing = f.tensor(c + "/smoothing").item(), .ignore = -1});
      CHECK(std::abs(loss.item() / f.tensor(c + "/y").item() - 1) < (dtype == DType::kF64 ? 1e-13 : 1e-6));
      backward(loss);
      CHECK(relative_error(x.grad, f.tensor(c + "/dx")) < (dtype == DType::kF64 ? 1e-13 : 2e-6));
    }
}

TEST_CASE("mse: loss and both gradients equal PyTorch's") {
  const Fixture f("losses");
  for (DType dtype : {DType::kF64, DType::kF32}) {
    Parameter a("a", f.tensor("mse/mean/a", dtype)), b("b", f.tensor("mse/mean/b", dtype));
    const Tensor loss = mse(a.tensor(), b.tensor());
    const double tolerance = dtype == DType::kF64 ? 1e-14 : 1e-6;
    CHECK(std::abs(loss.item() / f.tensor("mse/mean/y").item() - 1) < tolerance);
    backward(loss);
    CHECK(relative_error(a.grad, f.tensor("mse/mean/da")) < tolerance);
    CHECK(relative_error(b.grad, f.tensor("mse/mean/db")) < tolerance);
  }
}

TEST_CASE("sign: -0.0 counts as positive, the clipped gradient passes at both bounds, as in the PyTorch definition") {
  const Fixture f("ops");
  check_case(f, "sign/clip", {"x"}, [](const In& in) { return sign(in[0], Surrogate::kClip, true).value; });
  check_case(f, "sign/identity", {"x"}, [](const In& in) { return sign(in[0], Surrogate::kIdentity, true).value; });
}

TEST_CASE("binary_conv2d: strides, biases, 64 and 65 channels: values and both gradients equal PyTorch's of signs") {
  const Fixture f("ops");
  CHECK(f.cases("binary_conv2d").size() == 6);
  check_cases(f, "binary_conv2d", {"x", "w", "b"}, [](const In& in, const Ints& c) {
    return binary_conv2d(sign(in[0], Surrogate::kClip), in[1], Surrogate::kIdentity, in[2],
                         {.stride_h = c[0], .stride_w = c[0], .pad_h = c[1], .pad_w = c[1]});
  });
}
