#include "ops/pool.h"

#include <doctest/doctest.h>

#include <cstring>

#include "core/parallel.h"
#include "tests/fixture.h"
#include "tests/ops/gradcheck.h"
#include "tests/shapes/pool_shapes.h"

using namespace bantam;

namespace {

PoolParams params_of(const ConvShape& s) { return {s.kh, s.kw, s.stride_h, s.stride_w, s.pad_h, s.pad_w}; }

// Values far apart from one another, so that no difference step changes which is the largest.
Tensor distinct(const Shape& shape) {
  const std::vector<uint32_t> order = Rng(5, kRngTest).permutation(uint32_t(shape.size()));
  std::vector<double> v;
  for (uint32_t i : order) v.push_back(0.1 * i - 3.0);
  return Tensor::of(shape, v, DType::kF64);
}

}  // namespace

TEST_CASE("pooling: a 2x4 image, worked by hand, with gradients") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    const Tensor image = Tensor::of({1, 2, 4, 1}, {1, 2, 7, 5, 4, 3, 6, 7}, dtype);
    Parameter a("a", image), b("b", image), c("c", image);
    const Tensor most = max_pool(a.tensor()), mean = avg_pool(b.tensor()), all = global_avg_pool(c.tensor());
    CHECK(most.values() == std::vector<double>{4, 7});
    CHECK(mean.values() == std::vector<double>{2.5, 6.25});
    CHECK(all.shape() == Shape{1, 1});
    CHECK(all.values() == std::vector<double>{4.375});
    backward({most}, {Tensor::of({1, 1, 2, 1}, {10, 20}, dtype)});
    backward({mean}, {Tensor::of({1, 1, 2, 1}, {4, 8}, dtype)});
    backward({all}, {Tensor::of({1, 1}, {16}, dtype)});
    CHECK(a.grad.values() == std::vector<double>{0, 0, 20, 0, 10, 0, 0, 0});  // 7 stands first at (0, 2)
    CHECK(b.grad.values() == std::vector<double>{1, 1, 2, 2, 1, 1, 2, 2});
    CHECK(c.grad.values() == std::vector<double>(8, 2.0));
  }
}

TEST_CASE("pooling: gradients equal finite differences at every shape of the table") {
  for (const NamedPool& p : kTestPools) {
    const ConvShape& s = p.shape;
    const Shape shape{s.n, s.h, s.w, s.c};
    const auto largest = [&](const Tensors& in) { return max_pool(in[0], params_of(s)); };
    const auto mean = [&](const Tensors& in) { return avg_pool(in[0], params_of(s)); };
    const auto all = [](const Tensors& in) { return global_avg_pool(in[0]); };
    CHECK_MESSAGE(gradcheck("max_pool", largest, {distinct(shape)}) == "", p.name);
    CHECK_MESSAGE(gradcheck("avg_pool", mean, {random_f64(shape, 1)}) == "", p.name);
    CHECK_MESSAGE(gradcheck("global_avg_pool", all, {random_f64(shape, 1)}) == "", p.name);
  }
}

TEST_CASE("adaptive_avg_pool: 5 pixels to 3 overlap, 2 to 3 repeat, worked by hand, with gradients") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    // Rows [0,2), [1,4), [3,5) of 5; columns [0,1), [0,2), [1,2) of 2.
    Parameter x("x", Tensor::of({1, 5, 2, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, dtype));
    const Tensor y = adaptive_avg_pool(x.tensor(), 3, 3);
    CHECK(y.shape() == Shape{1, 3, 3, 1});
    CHECK(y.values() == std::vector<double>{2, 2.5, 3, 5, 5.5, 6, 8, 8.5, 9});
    backward({y}, {Tensor::of({1, 3, 3, 1}, {12, 24, 12, 12, 24, 12, 12, 24, 12}, dtype)});
    // 12 / 2 + 24 / 4 from the first row of outputs, 12 / 3 + 24 / 6 from the second.
    CHECK(x.grad.values() == std::vector<double>{12, 12, 20, 20, 8, 8, 20, 20, 12, 12});
  }
}

TEST_CASE(
    "adaptive_avg_pool: a divisor's size is avg_pool, 1x1 the global mean, the same size x itself; gradients hold") {
  const Tensor x = random_f32({2, 6, 8, 5}, 3);
  CHECK(adaptive_avg_pool(x, 3, 2).values() == avg_pool(x, {2, 4, 2, 4}).values());
  CHECK(adaptive_avg_pool(x, 1, 1).values() == global_avg_pool(x).values());
  CHECK(adaptive_avg_pool(x, 6, 8).raw() == x.raw());
  for (const NamedPool& p : kTestPools)
    for (const std::pair<int64_t, int64_t>& out : {std::pair<int64_t, int64_t>{7, 7}, {1, 3}, {2, 1}}) {
      const int64_t oh = out.first, ow = out.second;
      const auto f = [=](const Tensors& in) { return adaptive_avg_pool(in[0], oh, ow); };
      const Shape shape{p.shape.n, p.shape.h, p.shape.w, p.shape.c};
      if (shape[1] == oh && shape[2] == ow) continue;
      CHECK_MESSAGE(gradcheck("adaptive_avg_pool", f, {random_f64(shape, 1)}) == "",
                    p.name << " to " << oh << "x" << ow);
    }
}

TEST_CASE("adaptive_avg_pool: values and gradients equal PyTorch's") {
  const Fixture f("torchvision");
  for (const std::string& c : f.cases("adaptive_avg_pool"))
    for (DType dtype : {DType::kF32, DType::kF64}) {
      INFO(c);
      const double allowed = dtype == DType::kF64 ? 1e-15 : 4e-7;  // a chain of at most 6 sums and a division
      const std::vector<int64_t> out = f.config(c);
      Parameter x("x", f.tensor(c + "/x", dtype));
      const Tensor y = adaptive_avg_pool(x.tensor(), out[0], out[1]);
      CHECK(relative_error(y, f.tensor(c + "/y")) <= allowed);
      backward({y}, {f.tensor(c + "/dy", dtype)});
      CHECK(relative_error(x.grad, f.tensor(c + "/dx")) <= allowed);
    }
}

TEST_CASE("pooling: one, two and three threads give the same bytes") {
  const int before = threads();
  std::vector<std::vector<double>> results[4];
  for (int n = 1; n <= 3; ++n) {
    set_threads(n);
    Parameter x("x", random_f32({8, 31, 33, 40}, 1));
    for (const Tensor& y : {max_pool(x.tensor(), {3, 3, 2, 2, 1, 1}), avg_pool(x.tensor(), {3, 3, 2, 2, 1, 1}),
                            global_avg_pool(x.tensor()), adaptive_avg_pool(x.tensor(), 7, 7)}) {
      x.zero_grad();
      backward({y}, {random_f32(y.shape(), 2)});
      results[n].push_back(y.values());
      results[n].push_back(x.grad.values());
    }
  }
  CHECK(results[1] == results[2]);
  CHECK(results[1] == results[3]);
  set_threads(before);
}

TEST_CASE("max_pool: saves 2, 4 or 8 bits for each output when a gradient is wanted, averages save nothing") {
  Parameter x("x", random_f32({1, 4, 4, 3}, 1));
  const Tensor y = max_pool(x.tensor());
  REQUIRE(y.node()->saved.size() == 1);
  CHECK(y.node()->saved[0].tensor.bytes() == 2 * 2);  // 12 outputs: 2 planes of 2 bytes
  CHECK(max_pool(x.tensor(), {3, 3, 1, 1}).node()->saved[0].tensor.bytes() == 4 * 2);           // as many
  CHECK(max_pool(x.tensor(), {4, 4, 1, 1, 2, 2}).node()->saved[0].tensor.bytes() == 4 * 10);    // 75
  Parameter wide("wide", random_f32({1, 5, 5, 3}, 1));
  CHECK(max_pool(wide.tensor(), {5, 5, 1, 1}).node()->saved[0].tensor.bytes() == 8 * 1);        // 3
  CHECK(avg_pool(x.tensor()).node()->saved.empty());
  CHECK(global_avg_pool(x.tensor()).node()->saved.empty());
  CHECK(adaptive_avg_pool(x.tensor(), 3, 3).node()->saved.empty());
  CHECK(max_pool(x.value).node() == nullptr);
}

TEST_CASE("pooling: what does not fit is refused") {
  const Tensor x = Tensor::zeros({1, 4, 4, 2});
  CHECK_THROWS_WITH_AS(max_pool(x, {5, 2, 2, 2}), "max_pool: the window 5x2 is larger than the padded input [1,4,4,2]",
                       Error);
  CHECK_THROWS_WITH_AS(avg_pool(x, {2, 2, 0, 2}), "avg_pool: stride must be at least 1", Error);
  CHECK_THROWS_WITH_AS(max_pool(x, {3, 3, 2, 2, 2, 0}), "max_pool: padding must be at most half of the window 3x3",
                       Error);
  CHECK_THROWS_WITH_AS(max_pool(x, {17, 16, 1, 1}), "max_pool: a window has 1 to 256 pixels, not 17x16", Error);
  CHECK_THROWS_WITH_AS(global_avg_pool(Tensor::zeros({4, 2})), "global_avg_pool: input must be [N,H,W,C], is [4,2]",
                       Error);
  CHECK_THROWS_WITH_AS(adaptive_avg_pool(x, 0, 7),
                       "adaptive_avg_pool: the output must have at least one pixel, not 0x7", Error);
  CHECK_THROWS_WITH_AS(adaptive_avg_pool(Tensor::zeros({4, 2}), 7, 7),
                       "adaptive_avg_pool: input must be [N,H,W,C], is [4,2]", Error);
  CHECK_THROWS_WITH_AS(max_pool(Tensor::zeros({1, 2, 2, 1}, DType::kI32)), "max_pool: input is i32", Error);
}
