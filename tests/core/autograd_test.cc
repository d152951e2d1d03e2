#include "core/autograd.h"

#include <doctest/doctest.h>
#include <pthread.h>


using namespace bantam;

namespace {

// y = a * x, elementwise by a constant, one element: enough of an op to test the walk itself.
Tensor times(const Tensor& x, double a) {
  Tensor y = Tensor::full(x.shape(), x.at(0) * a, x.dtype());
  return record("times", y, {x}, {}, [a](const BackwardArgs& b) {
    return Tensors{Tensor::full(b.grad.shape(), b.grad.at(0) * a, b.grad.dtype())};
  });
}
Tensor product(const Tensor& x, const Tensor& y) {
  Tensor z = Tensor::full(x.shape(), x.at(0) * y.at(0), x.dtype());
  return record("product", z, {x, y}, {{"input", x}, {"input", y}}, [](const BackwardArgs& b) {
    Tensors g(2);
    if (b.needs[0]) g[0] = Tensor::full({1}, b.grad.at(0) * b[1].at(0), b.grad.dtype());
    if (b.needs[1]) g[1] = Tensor::full({1}, b.grad.at(0) * b[0].at(0), b.grad.dtype());
    return g;
  });
}
Tensor scalar(double v) { return Tensor::of({1}, {v}, DType::kF64); }

}  // namespace

TEST_CASE("autograd: z = (3x)(y) and its gradients by hand") {
  Parameter x("x", scalar(2)), y("y", scalar(5));
  backward(product(times(x.tensor(), 3), y.tensor()));
  CHECK(x.grad.item() == 15);
  CHECK(y.grad.item() == 6);
}

TEST_CASE("autograd: a value used twice gets the sum of both gradients, and backward passes add up") {
  Parameter x("x", scalar(3));
  backward(product(x.tensor(), x.tensor()));
  CHECK(x.grad.item() == 6);
  backward(times(x.tensor(), 4));
  CHECK(x.grad.item() == 10);
}

TEST_CASE("autograd: a diamond is walked once a node, in the right order") {
  Parameter x("x", scalar(1.5));
  const Tensor a = times(x.tensor(), 2);
  const Tensor b = times(a, 3), c = times(b, 5);
  backward(product(b, c));  // 6x * 30x = 180 x^2
  CHECK(x.grad.item() == doctest::Approx(360 * 1.5));
}

TEST_CASE("autograd: several roots, with and without given gradients") {
  Parameter x("x", scalar(1));
  const Tensor a = times(x.tensor(), 2);
  backward({times(a, 3), a}, {Tensor(), scalar(10)});
  CHECK(x.grad.item() == 6 + 20);
}

TEST_CASE("autograd: only what needs a gradient is recorded, nothing under NoGrad or for a frozen parameter") {
  Parameter x("x", scalar(1)), frozen("frozen", scalar(2));
  frozen.frozen = true;
  CHECK_FALSE(times(scalar(1), 2).needs_grad());
  CHECK_FALSE(times(frozen.tensor(), 2).needs_grad());
  {
    NoGrad off;
    CHECK_FALSE(times(x.tensor(), 2).needs_grad());
  }
  const Tensor z = product(x.tensor(), frozen.tensor());
  CHECK(z.node()->inputs[1] == nullptr);
  backward(z);
  CHECK(x.grad.item() == 2);
  CHECK_FALSE(frozen.grad.defined());
}

TEST_CASE("autograd: a graph is walked once, and freed as the walk goes") {
  Parameter x("x", scalar(1));
  const Tensor z = times(times(x.tensor(), 2), 2);
  backward(z);
  CHECK(z.node()->inputs.empty());
  CHECK_THROWS_WITH_AS(backward(z), doctest::Contains("already been walked"), Error);
  CHECK(x.grad.item() == 4);
}

TEST_CASE("autograd: what a node can make again is not kept by those who read it, and gradients are the same") {
  // y = x^2 with a recipe; z = y * y saves its inputs: here they are made again, once each time they are asked for.
  static int made;
  made = 0;
  auto square = [](const Tensor& x) {
    auto forward = [](const Tensor& t) { return Tensor::full({1}, t.at(0) * t.at(0), t.dtype()); };
    return record(
        "square", forward(x), {x}, {{"input", x}},
        [](const BackwardArgs& b) {
          return Tensors{Tensor::full({1}, 2 * b[0].at(0) * b.grad.at(0), b.grad.dtype())};
        },
        [forward](const Node& node) {
          ++made;
          return forward(node.saved[0].tensor);
        });
  };
  Parameter x("x", scalar(3));
  const Tensor y = square(x.tensor());
  CHECK(recomputable(y));
  const Tensor z = product(y, y);
  CHECK_FALSE(z.node()->saved[0].tensor.has_data());
  CHECK_FALSE(recomputable(z));
  backward(z);
  CHECK(x.grad.item() == 4 * 27);
  CHECK(made == 2);
}

TEST_CASE("autograd: a parameter is complete when the last node that reads it has run, and only then") {
  // z = (w (v x)) w: w is read at both ends, v in the middle.
  Parameter w("w", scalar(2)), v("v", scalar(3)), x("x", scalar(5));
  std::vector<std::string> order;
  backward({product(product(w.tensor(), product(v.tensor(), x.tensor())), w.tensor())}, {}, [&](Parameter& p) {
    order.push_back(p.name);
    CHECK(p.grad.item() == (p.name == "w" ? 60 : p.name == "v" ? 20 : 12));
    p.value = scalar(1000);  // an update under way changes no gradient to come
    p.zero_grad();
  });
  CHECK(order == std::vector<std::string>{"w", "v", "x"});
  CHECK_FALSE(w.grad.defined());
}

TEST_CASE("autograd: a gradient may be overwritten by its only holder, once, and never if somebody else reads it") {
  static std::vector<bool> in_place;
  in_place.clear();
  auto halve = [](const Tensor& x) {
    return record("halve", Tensor::full({1}, x.at(0) / 2, x.dtype()), {x}, {}, [](const BackwardArgs& b) {
      const double g = b.grad.item();
      Tensor room = b.grad_room(), second = b.grad_room();
      in_place.push_back(room.buffer() == b.grad.buffer());
      CHECK(second.buffer() != b.grad.buffer());
      *room.mutable_data<double>() = g / 2;
      return Tensors{room};
    });
  };
  auto both = [](const Tensor& a, const Tensor& b) {  // like add: one gradient for two
    return record("both", Tensor::full({1}, a.at(0) + b.at(0), a.dtype()), {a, b}, {},
                  [](const BackwardArgs& g) { return Tensors{g.grad, g.grad}; });
  };
  Parameter x("x", scalar(8));
  const Tensor start = scalar(16);
  backward({halve(halve(x.tensor()))}, {start});
  CHECK(start.item() == 16);
  CHECK(in_place == std::vector<bool>{false, true});  // the caller's gradient stays as it is
  CHECK(x.grad.item() == 4);
  in_place.clear();
  Parameter y("y", scalar(8));
  const Tensor a = times(y.tensor(), 1);
  backward({times(both(halve(a), a), 1)}, {scalar(16)});
  CHECK(in_place == std::vector<bool>{false});
  CHECK(y.grad.item() == 8 + 16);
}

TEST_CASE("autograd: a function may go on adding to the gradient that its input has from others") {
  static bool taken;
  taken = false;
  auto adds = [](const Tensor& x) {
    return record("adds", Tensor::full({1}, x.at(0), x.dtype()), {x}, {}, [](const BackwardArgs& b) {
      Tensor sum = b.take_sum(0);
      if (!sum.defined()) return Tensors{b.grad};
      taken = true;
      *sum.mutable_data<double>() += b.grad.item();
      return Tensors{sum};
    });
  };
  Parameter x("x", scalar(1));
  const Tensor a = times(x.tensor(), 1);
  backward({adds(a), times(a, 2)}, {scalar(3), scalar(10)});
  CHECK(taken);
  CHECK(x.grad.item() == 23);
}

TEST_CASE("autograd: errors name what is wrong") {
  Parameter x("x", Tensor::zeros({2}, DType::kF64));
  CHECK_THROWS_WITH_AS(backward(x.tensor()), "backward: a root of shape [2] needs a gradient to start from", Error);
  CHECK_THROWS_WITH_AS(backward({x.tensor()}, {scalar(1)}), "backward: gradient [1] for a root [2]", Error);
}

TEST_CASE("autograd: dropping the end of a graph frees all of it") {
  const size_t before = pool_stats().live_bytes;
  {
    Parameter x("x", scalar(1));
    Tensor z = x.tensor();
    for (int i = 0; i < 100; ++i) z = product(z, z);
    CHECK(pool_stats().live_bytes > before);
  }
  CHECK(pool_stats().live_bytes == before);
}

TEST_CASE("autograd: a chain of a million nodes neither overflows a 256 KiB stack nor leaks") {
  const size_t before = pool_stats().live_bytes;
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 256 * 1024);
  pthread_t thread;
  static double grad;
  auto work = [](void*) -> void* {
    {
      Parameter x("x", scalar(1));
      Tensor z = x.tensor();
      for (int i = 0; i < 1000000; ++i) z = times(z, i % 2 ? 2 : 0.5);
      backward(z);
      grad = x.grad.item();
    }
    {
      Parameter x("x", scalar(1));  // and destroyed without a walk
      Tensor z = x.tensor();
      for (int i = 0; i < 1000000; ++i) z = times(z, 1);
    }
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attr, work, nullptr) == 0);
  pthread_join(thread, nullptr);
  CHECK(grad == 1);
  CHECK(pool_stats().live_bytes == before);
}
