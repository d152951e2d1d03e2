#include "ops/conv2d.h"

#include <doctest/doctest.h>

#include <cmath>

#include "core/parallel.h"
#include "tests/core/error_text.h"
#include "tests/ops/gradcheck.h"
#include "tests/shapes/conv_shapes.h"

using namespace bantam;

namespace {

Conv2dParams params_of(const ConvShape& s) {
  return {s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.dilation_h, s.dilation_w, s.groups};
}
Shape x_shape(const ConvShape& s) { return {s.n, s.h, s.w, s.c}; }
Shape w_shape(const ConvShape& s) { return {s.k, s.kh, s.kw, s.group_c()}; }

// Output and gradients of <r, conv2d>, for r fixed.
struct Pass {
  Tensor y, dx, dw, db;
};
Pass run(const ConvShape& s, DType dtype) {
  Parameter x("x", random_tensor(x_shape(s), 1, dtype)), w("w", random_tensor(w_shape(s), 2, dtype));
  Parameter b("b", random_tensor({s.k}, 3, dtype));
  const Tensor y = conv2d(x.tensor(), w.tensor(), b.tensor(), params_of(s));
  backward({y}, {random_tensor(y.shape(), 4, dtype)});
  return {y.detach(), x.grad, w.grad, b.grad};
}

double worst(const Tensor& a, const Tensor& b) {
  double d = 0;
  for (int64_t i = 0; i < a.size(); ++i) d = std::fmax(d, std::fabs(a.at(i) - b.at(i)));
  return d;
}

std::string error_of(const Shape& x, const Shape& w, const Shape& bias, const Conv2dParams& p) {
  return error_text<Error>(
      [&] { conv2d(Tensor::zeros(x), Tensor::zeros(w), bias.rank ? Tensor::zeros(bias) : Tensor(), p); });
}

}  // namespace

TEST_CASE("conv2d: a 2x2 window over a 3x3 image, worked by hand, with its gradients") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter x("x", Tensor::of({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9}, dtype));
    Parameter w("w", Tensor::of({1, 2, 2, 1}, {1, 10, 100, 1000}, dtype));
    Parameter b("b", Tensor::of({1}, {0.5}, dtype));
    const Tensor y = conv2d(x.tensor(), w.tensor(), b.tensor());
    CHECK(y.shape() == Shape{1, 2, 2, 1});
    CHECK(y.values() == std::vector<double>{5421.5, 6532.5, 8754.5, 9865.5});
    backward({y}, {Tensor::of({1, 2, 2, 1}, {1, 0, 0, 2}, dtype)});
    CHECK(x.grad.values() == std::vector<double>{1, 10, 0, 100, 1002, 20, 0, 200, 2000});
    CHECK(w.grad.values() == std::vector<double>{11, 14, 20, 23});
    CHECK(b.grad.values() == std::vector<double>{3});
  }
}

// [Eq. 1.1]
TEST_CASE("conv2d: the sum over m of f[m] g[n - m], if the weight is f turned round and padding its length - 1") {
  const std::vector<double> f = {1, 10, 100}, g = {1, 2, 3, 4};
  std::vector<double> want;
  for (int n = 0; n < 6; ++n) {
    double sum = 0;
    for (int m = 0; m < 3; ++m)
      if (n - m >= 0 && n - m < 4) sum += f[size_t(m)] * g[size_t(n - m)];
    want.push_back(sum);
  }
  CHECK(want == std::vector<double>{1, 12, 123, 234, 340, 400});
  const Tensor turned = Tensor::of({1, 1, 3, 1}, {100, 10, 1});
  CHECK(conv2d(Tensor::of({1, 1, 4, 1}, g), turned, {}, {.pad_w = 2}).values() == want);
}

TEST_CASE("conv2d: gradients equal finite differences for every stride, padding, dilation and grouping of the table") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    // Differences run the forward twice for every element of every input: the larger shapes are left to the adjoint
    // test of the definition (conv_grad_f32_test.cc) and to f32 against f64 below.
    if (s.macs() * (s.n * s.h * s.w * s.c + s.k * s.taps() * s.group_c()) > 100000000) continue;
    const auto f = [&](const Tensors& in) { return conv2d(in[0], in[1], in[2], params_of(s)); };
    CHECK_MESSAGE(
        gradcheck("conv2d", f, {random_f64(x_shape(s), 1), random_f64(w_shape(s), 2), random_f64({s.k}, 3)}) == "",
        c.name);
  }
}

TEST_CASE("conv2d: f32 equals f64 to rounding at every shape of the table, gradients too") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    const Pass a = run(s, DType::kF32), b = run(s, DType::kF64);
    // A sum of n products of normal numbers, taken in f32 in any order: about sqrt(n) roundings of partial sums of size
    // sqrt(n); 6 covers the largest of some thousand elements. Inputs are rounded too: twice that.
    const auto bound = [](int64_t terms) { return std::ldexp(12.0 * double(terms + 4), -24); };
    CHECK_MESSAGE(worst(a.y, b.y) <= bound(s.taps() * s.group_c()), c.name);
    CHECK_MESSAGE(worst(a.dx, b.dx) <= bound(s.taps() * s.group_k()), c.name);
    CHECK_MESSAGE(worst(a.dw, b.dw) <= bound(s.n * s.out_h() * s.out_w()), c.name);
    CHECK_MESSAGE(worst(a.db, b.db) <= bound(s.n * s.out_h() * s.out_w()), c.name);
  }
}

TEST_CASE("conv2d: one, two and three threads give the same bytes") {
  const int before = threads();
  for (const ConvShape& s : {ConvShape{6, 17, 15, 32, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1},
                             ConvShape{5, 16, 16, 24, 40, 3, 3, 2, 2, 1, 1, 1, 1, 1},
                             ConvShape{40, 1, 1, 700, 130, 1, 1, 1, 1, 0, 0, 1, 1, 1},
                             ConvShape{4, 12, 12, 36, 36, 3, 3, 1, 1, 1, 1, 1, 1, 36}}) {
    set_threads(1);
    const Pass one = run(s, DType::kF32);
    for (int n : {2, 3}) {
      set_threads(n);
      const Pass many = run(s, DType::kF32);
      CHECK(same_tensor(one.y, many.y));
      CHECK(same_tensor(one.dx, many.dx));
      CHECK(same_tensor(one.dw, many.dw));
      CHECK(same_tensor(one.db, many.db));
    }
  }
  set_threads(before);
}

TEST_CASE("conv2d: saves its input only for the weight's gradient, its weight only for the input's") {
  const Tensor x = random_f32({1, 4, 4, 2}, 1), w = random_f32({3, 3, 3, 2}, 2);
  Parameter px("x", x), pw("w", w);
  const Tensor only_w = conv2d(x, pw.tensor()), only_x = conv2d(px.tensor(), w);
  CHECK(only_w.node()->saved[0].tensor.defined());
  CHECK(!only_w.node()->saved[1].tensor.defined());
  CHECK(!only_x.node()->saved[0].tensor.defined());
  CHECK(only_x.node()->saved[1].tensor.defined());
  CHECK(conv2d(x, w).node() == nullptr);
}

TEST_CASE("conv2d: scratch memory does not grow with the batch") {
  const auto scratch = [](int64_t n, SumOrder order) {
    const Tensor x = random_f32({n, 16, 16, 32}, 1), w = random_f32({32, 3, 3, 32}, 2);
    const size_t live = pool_stats().live_bytes;
    reset_high_water();
    const Tensor y = conv2d(x, w, {}, {.pad_h = 1, .pad_w = 1, .order = order});
    return pool_stats().high_water_bytes - live - y.buffer()->class_bytes();
  };
  const size_t small = scratch(4, SumOrder::kCanonical);
  CHECK(small > 0);
  CHECK(scratch(16, SumOrder::kCanonical) == small);
  // Winograd's blocks of tiles grow until each fills its 320 KiB a lane; an eighth of that for the pool's rounding.
  const size_t filters = 16 * 32 * 32 * 4, lanes = size_t(threads());
  CHECK(scratch(64, SumOrder::kAny) > filters);
  CHECK(scratch(64, SumOrder::kAny) <= filters + lanes * (360 << 10));
}

TEST_CASE("conv2d: what does not fit is refused with the shapes in the message") {
  CHECK(error_of({8, 32, 32, 3}, {64, 3, 3, 16}, {}, {}) ==
        "conv2d: weight has 16 input channels, input has 3 [8,32,32,3]");
  CHECK(error_of({8, 32, 3}, {64, 3, 3, 3}, {}, {}) == "conv2d: input must be [N,H,W,C], is [8,32,3]");
  CHECK(error_of({1, 4, 4, 3}, {9, 3}, {}, {}) == "conv2d: weight must be [K,kh,kw,C/groups], is [9,3]");
  CHECK(error_of({1, 4, 4, 3}, {4, 5, 5, 3}, {}, {}) ==
        "conv2d: the window of weight [4,5,5,3] is larger than the padded input [1,4,4,3]");
  CHECK(error_of({1, 4, 4, 3}, {4, 3, 3, 3}, {3}, {}) == "conv2d: bias must be [4], is [3]");
  CHECK(error_of({1, 4, 4, 6}, {4, 3, 3, 2}, {}, {.groups = 4}) ==
        "conv2d: 4 groups do not divide 6 input and 4 output channels");
  CHECK(error_of({1, 4, 4, 3}, {4, 3, 3, 3}, {}, {.stride_h = 0}) == "conv2d: stride must be at least 1");
  CHECK(error_of({1, 4, 4, 3}, {4, 3, 3, 3}, {}, {.dilation_w = 0}) == "conv2d: dilation must be at least 1");
  CHECK(error_of({1, 4, 4, 3}, {4, 3, 3, 3}, {}, {.pad_w = -1}) == "conv2d: padding must not be negative");
  CHECK(error_of({0, 4, 4, 3}, {4, 3, 3, 3}, {}, {}) == "conv2d: nothing to convolve in [0,4,4,3] with [4,3,3,3]");
  CHECK_THROWS_WITH_AS(conv2d(Tensor::zeros({1, 4, 4, 3}), Tensor::zeros({4, 3, 3, 3}, DType::kF64)),
                       "conv2d: input is f32, weight or bias is not", Error);
}

TEST_CASE(
    "conv_algorithm: a choice by shape; the canonical order is direct, and tiles of 4x4 are taken only where asked for "
    "and where they fill") {
  const ConvShape wide{128, 16, 16, 64, 128, 3, 3, 1, 1, 1, 1}, small{128, 2, 2, 512, 512, 3, 3, 1, 1, 1, 1};
  for (const ConvPass pass : {ConvPass::kForward, ConvPass::kInputGrad, ConvPass::kWeightGrad}) {
    CHECK(conv_algorithm(wide, pass) == ConvAlgorithm::kWinograd);
    CHECK(conv_algorithm(small, pass) == ConvAlgorithm::kDirect);  // 128 tiles, mostly padding
    CHECK(conv_algorithm({128, 16, 16, 16, 64, 3, 3, 1, 1, 1, 1}, pass) == ConvAlgorithm::kDirect);
    CHECK(conv_algorithm({128, 16, 16, 64, 64, 3, 3, 2, 2, 1, 1}, pass) == ConvAlgorithm::kDirect);
    CHECK(conv_algorithm({128, 16, 16, 64, 64, 5, 5, 1, 1, 2, 2}, pass) == ConvAlgorithm::kDirect);
    CHECK(conv_algorithm({8, 16, 16, 64, 64, 3, 3, 1, 1, 1, 1, 1, 1, 64}, pass) == ConvAlgorithm::kDepthwise);
    CHECK(conv_algorithm(wide, pass, SumOrder::kLoose) ==
          (pass == ConvPass::kWeightGrad ? ConvAlgorithm::kWinograd : ConvAlgorithm::kWinograd4));
    // 5x5 outputs: four tiles of 4x4 with 36 products each, against nine with 16.
    CHECK(conv_algorithm({128, 5, 5, 64, 64, 3, 3, 1, 1, 1, 1}, pass, SumOrder::kLoose) == ConvAlgorithm::kWinograd);
  }
  CHECK(conv_algorithm(wide, ConvPass::kForward, SumOrder::kCanonical) == ConvAlgorithm::kDirect);
}

TEST_CASE(
    "conv2d: Winograd's three passes and tiles of 4x4 follow f64; another order of sums than the canonical one is "
    "taken") {
  const Tensor x = random_f32({16, 12, 12, 48}, 1), w = random_f32({40, 3, 3, 48}, 2),
               seed = random_f32({16, 12, 12, 40}, 3);
  const auto run = [&](DType dtype, SumOrder order) {
    Parameter px("x", x.to(dtype)), pw("w", w.to(dtype));
    const Tensor y = conv2d(px.tensor(), pw.tensor(), {}, {.pad_h = 1, .pad_w = 1, .order = order});
    backward({y}, {seed.to(dtype)});
    return Tensors{y.detach(), px.grad, pw.grad};
  };
  const auto want = run(DType::kF64, SumOrder::kAny), canonical = run(DType::kF32, SumOrder::kCanonical);
  for (const SumOrder order : {SumOrder::kAny, SumOrder::kLoose}) {
    const auto got = run(DType::kF32, order);
    CHECK(got[0].values() != canonical[0].values());
    for (size_t i = 0; i < got.size(); ++i) {
      double worst = 0, largest = 0;
      for (int64_t j = 0; j < got[i].size(); ++j) {
        worst = std::max(worst, std::abs(got[i].at(j) - want[i].at(j)));
        largest = std::max(largest, std::abs(want[i].at(j)));
      }
      CHECK(worst <= (order == SumOrder::kAny ? 2e-6 : 1e-5) * largest);  // 432 and 2,304 terms: sqrt of that, in ulps
    }
  }
}
