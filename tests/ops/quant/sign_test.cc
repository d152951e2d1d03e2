#include "ops/quant/sign.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
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

TEST_CASE("sign: by hand: values, bits, and the clipped gradient, whose bounds count as inside") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (DType dtype : {DType::kF32, DType::kF64}) {
    Parameter x("x", Tensor::of({2, 3}, {-0.0, -1.0, 1.5, nan, 1.0, -1.25}, dtype));
    const Quantized q = sign(x.tensor(), Surrogate::kClip, true);
    CHECK(q.value.values() == std::vector<double>{1, -1, 1, -1, 1, -1});
    CHECK(q.step == 1);
    CHECK(q.codes.channels == 3);
    CHECK(q.codes.pixels() == 2);
    CHECK(q.codes.data()[0] == 0b101);
    CHECK(q.codes.data()[1] == 0b010);
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
  CHECK(q.codes.bits.bytes() == 4 * 9 * 9 * 2 * 8);
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
    const std::vector<double> b = q.codes.bits.values(), m = q.value.node()->saved[0].tensor.values();
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

TEST_CASE("sign: what it cannot take is an error that says so") {
  CHECK_THROWS_WITH_AS(sign(Tensor::zeros({2, 2}, DType::kI32), Surrogate::kClip),
                       "sign: elements are i32, not f32 or f64", Error);
  CHECK_THROWS_WITH_AS(sign_ste(Tensor::zeros({0, 2}), Surrogate::kClip), "sign_ste: input is empty [0,2]", Error);
}
