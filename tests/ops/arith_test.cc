#include "ops/arith.h"

#include <doctest/doctest.h>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

using Values = std::vector<double>;
using Op = Tensor (*)(const Tensor&, const Tensor&);
const Op kAdd = add, kSub = sub, kMul = mul, kDiv = div;
TensorFn two(Op f) {
  return [f](const Tensors& in) { return f(in[0], in[1]); };
}
// Away from 0, for divisors.
Tensor apart(const Shape& shape, uint64_t seed) {
  std::vector<double> v = random_f64(shape, seed).values();
  for (double& x : v) x += x < 0 ? -0.5 : 0.5;
  return Tensor::of(shape, v, DType::kF64);
}
struct Pair {
  Shape a, b;
};
const std::vector<Pair> kBroadcasts = {{{2, 3}, {2, 3}},
                                       {{2, 3}, {3}},
                                       {{3}, {2, 3}},
                                       {{2, 3}, {2, 1}},
                                       {{2, 1, 4}, {3, 1}},
                                       {{2, 3}, {}},
                                       {{}, {2, 3}},
                                       {{}, {}},
                                       {{1, 3, 1, 2}, {2, 1, 2, 1}},
                                       {{2, 2, 2, 3}, {2, 1, 1, 3}},
                                       {{1}, {1, 1}}};

}  // namespace

TEST_CASE("add, sub, mul, div: two rows with one, by hand") {
  for (DType t : {DType::kF32, DType::kF64}) {
    const Tensor a = Tensor::of({2, 2}, {1, 2, 3, 4}, t), b = Tensor::of({2}, {2, 4}, t),
                 column = Tensor::of({2, 1}, {2, 4}, t);
    CHECK(add(a, b).values() == Values{3, 6, 5, 8});
    CHECK(sub(a, b).values() == Values{-1, -2, 1, 0});
    CHECK(mul(a, b).values() == Values{2, 8, 6, 16});
    CHECK(div(a, b).values() == Values{0.5, 0.5, 1.5, 1});
    CHECK(sub(a, column).values() == Values{-1, 0, -1, 0});
    CHECK(add(b, column).values() == Values{4, 6, 6, 8});
    CHECK(neg(a).values() == Values{-1, -2, -3, -4});
    CHECK(add(a, 1).values() == Values{2, 3, 4, 5});
    CHECK(sub(a, 1).values() == Values{0, 1, 2, 3});
    CHECK(sub(1, a).values() == Values{0, -1, -2, -3});
    CHECK(mul(a, 3).values() == Values{3, 6, 9, 12});
    CHECK(div(a, 2).values() == Values{0.5, 1, 1.5, 2});
    CHECK(div(12, a).values() == Values{12, 6, 4, 3});
  }
}
TEST_CASE("add: a residual's two sides get the whole gradient each, a repeated side its sum") {
  Parameter a("a", Tensor::zeros({2, 2})), b("b", Tensor::zeros({2}));
  backward({add(a.tensor(), b.tensor())}, {Tensor::of({2, 2}, {1, 2, 3, 4})});
  CHECK(a.grad.values() == Values{1, 2, 3, 4});
  CHECK(b.grad.values() == Values{4, 6});
  Parameter x("x", Tensor::of({1}, {3}));
  backward({add(x.tensor(), x.tensor())}, {Tensor::of({1}, {1})});
  CHECK(x.grad.item() == 2);
}
TEST_CASE("broadcast_to: repeats along missing axes and axes of 1") {
  CHECK(broadcast_to(Tensor::of({2, 1}, {1, 2}), {2, 2, 3}).values() == Values{1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2});
  CHECK_THROWS_WITH_AS(broadcast_to(Tensor::zeros({2}), {1}), "broadcast_to: [2] does not broadcast to [1]", Error);
}
TEST_CASE("add: shapes that do not broadcast, and mixed types, are refused by name and shape") {
  CHECK_THROWS_WITH_AS(add(Tensor::zeros({2, 3}), Tensor::zeros({2})), "add: [2,3] does not broadcast with [2]", Error);
  CHECK_THROWS_WITH_AS(mul(Tensor::zeros({2}), Tensor::zeros({2}, DType::kF64)),
                       "mul: f32 with f64 elements, [2] and [2]", Error);
}
TEST_CASE("add, mul: no elements are no problem") {
  CHECK(add(Tensor::zeros({0, 3}), Tensor::zeros({3})).shape() == Shape{0, 3});
  CHECK(mul(Tensor::zeros({0}), Tensor::zeros({1})).size() == 0);
}
TEST_CASE("add, sub: save nothing; mul saves an input only for its partner's sake") {
  Parameter a("a", Tensor::zeros({4}));
  const Tensor b = Tensor::zeros({4});
  CHECK(add(a.tensor(), b).node()->saved.empty());
  CHECK(sub(a.tensor(), b).node()->saved.empty());
  const Tensor y = mul(a.tensor(), b);
  CHECK_FALSE(y.node()->saved[0].tensor.defined());
  CHECK(y.node()->saved[1].tensor.buffer() == b.buffer());
}

TEST_CASE("add, sub, mul, div: gradients, for every way of broadcasting") {
  for (const Pair& p : kBroadcasts) {
    CAPTURE(to_string(p.a));
    CAPTURE(to_string(p.b));
    CHECK(gradcheck("add", two(kAdd), {random_f64(p.a, 1), random_f64(p.b, 2)}) == "");
    CHECK(gradcheck("sub", two(kSub), {random_f64(p.a, 1), random_f64(p.b, 2)}) == "");
    CHECK(gradcheck("mul", two(kMul), {random_f64(p.a, 1), random_f64(p.b, 2)}) == "");
    CHECK(gradcheck("div", two(kDiv), {random_f64(p.a, 1), apart(p.b, 2)}) == "");
  }
  CHECK(gradcheck("broadcast_to",
                  [](const Tensors& in) {
                    return broadcast_to(in[0], {2, 3, 2});
                  },
                  {random_f64({3, 1}, 1)}) == "");
}
// One rounding an element; a repeated side's gradient sums at most 3 * 5 * 7 * 33 of them in short chains: 1e-5.
TEST_CASE("add, sub, mul, div: f32 equals f64, channels few, odd and many") {
  for (int64_t c : {1, 3, 10, 16, 17, 64, 101}) {
    CAPTURE(c);
    for (const Pair& p : {Pair{{3, 5, 7, c}, {c}}, Pair{{3, 5, 7, c}, {3, 1, 1, c}}, Pair{{3, 5, 7, c}, {3, 5, 7, 1}},
                          Pair{{33, c}, {33, c}}, Pair{{c}, {33, c}}, Pair{{33, c}, {}}})
      for (Op f : {kAdd, kSub, kMul, kDiv}) CHECK(f32_error(two(f), {random_f64(p.a, 1), apart(p.b, 2)}) <= 1e-5);
  }
}
TEST_CASE("add, mul: the same bytes for any number of threads") {
  for (Op f : {kAdd, kMul}) {
    CHECK(same_for_any_threads([&] {
      return forward_backward(two(f), {random_f32({9, 31, 33, 10}, 1), random_f32({10}, 2)});
    }));
    CHECK(same_for_any_threads([&] {
      return forward_backward(two(f), {random_f32({9, 31, 33, 10}, 1), random_f32({9, 31, 33, 1}, 2)});
    }));
  }
}
