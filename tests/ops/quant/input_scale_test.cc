#include "ops/quant/input_scale.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

int64_t out_of(int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return (in + 2 * pad - dilation * (kernel - 1) - 1) / stride + 1;
}
struct Case {
  Shape x;
  int64_t k, kernel_h, kernel_w;
  Conv2dParams p;

  Shape y() const {
    if (x.rank == 2) return {x[0], k};
    return {x[0], out_of(x[1], kernel_h, p.stride_h, p.pad_h, p.dilation_h),
            out_of(x[2], kernel_w, p.stride_w, p.pad_w, p.dilation_w), k};
  }
};
std::vector<Case> cases() {
  return {{{2, 5, 4, 3}, 2, 3, 3, {.pad_h = 1, .pad_w = 1}},
          {{1, 6, 7, 2}, 3, 3, 2, {.stride_h = 2, .stride_w = 3, .pad_h = 1}},
          {{2, 7, 7, 1}, 1, 2, 3, {.pad_w = 2, .dilation_h = 3, .dilation_w = 2}},
          {{3, 2, 2, 5}, 4, 1, 1, {.stride_h = 2, .stride_w = 2}},
          {{4, 6}, 3, 1, 1, {}}};
}

}  // namespace

// [T 3.2.2]
TEST_CASE("input_scale: by hand: the mean magnitude of each window, 0 in the padding, times the output") {
  for (DType dtype : {DType::kF32, DType::kF64}) {
    // Two channels: A = 1, 2, 3; windows of three with one pixel of padding: 3 / 3, 6 / 3, 5 / 3.
    const Tensor x = Tensor::of({1, 1, 3, 2}, {1, -1, -3, 1, 0, 6}, dtype);
    const Tensor y = Tensor::of({1, 1, 3, 1}, {2, -3, 6}, dtype);
    const Tensor out = input_scale(y, x, 1, 3, {.pad_w = 1});
    CHECK(out.at(0) == 2);
    CHECK(out.at(1) == -6);
    CHECK(out.at(2) == doctest::Approx(10).epsilon(1e-6));
    const Tensor features = input_scale(Tensor::of({2, 1}, {2, 3}, dtype), Tensor::of({2, 2}, {1, -2, 0, 5}, dtype));
    CHECK(features.values() == std::vector<double>{3, 7.5});
  }
}

TEST_CASE("input_scale: equals the sum over its windows, for strides, paddings and dilations") {
  for (const Case& c : cases())
    for (DType dtype : {DType::kF32, DType::kF64}) {
      const Shape shape = c.y();
      const Tensor x = random_tensor(c.x, 1, dtype), y = random_tensor(shape, 2, dtype);
      const Tensor out = input_scale(y, x, c.kernel_h, c.kernel_w, c.p);
      REQUIRE(out.shape() == shape);
      const bool image = shape.rank == 4;
      const int64_t oh = image ? shape[1] : 1, ow = image ? shape[2] : 1, h = image ? c.x[1] : 1,
                    w = image ? c.x[2] : 1;
      for (int64_t i = 0; i < y.size(); ++i) {
        const int64_t pixel = i / c.k, n = pixel / (oh * ow), oy = pixel / ow % oh, ox = pixel % ow, ch = c.x[-1];
        double sum = 0;
        for (int64_t ky = 0; ky < c.kernel_h; ++ky)
          for (int64_t kx = 0; kx < c.kernel_w; ++kx) {
            const int64_t iy = oy * c.p.stride_h - c.p.pad_h + ky * c.p.dilation_h;
            const int64_t ix = ox * c.p.stride_w - c.p.pad_w + kx * c.p.dilation_w;
            for (int64_t j = 0; iy >= 0 && iy < h && ix >= 0 && ix < w && j < ch; ++j)
              sum += std::fabs(x.at(((n * h + iy) * w + ix) * ch + j));
          }
        const double want = y.at(i) * sum / double(ch * c.kernel_h * c.kernel_w);
        CHECK(out.at(i) == doctest::Approx(want).epsilon(dtype == DType::kF32 ? 2e-7 : 1e-14));
      }
    }
}

TEST_CASE("input_scale: gradients of both inputs are its derivatives") {
  for (const Case& c : cases())
    CHECK(gradcheck("input_scale",
                    [&](const Tensors& in) { return input_scale(in[0], in[1], c.kernel_h, c.kernel_w, c.p); },
                    {random_f64(c.y(), 3), random_f64(c.x, 4)}, {.kinks = {0}}) == "");
}

TEST_CASE("input_scale: the same bytes for any number of threads; sizes that do not fit are errors") {
  CHECK(same_for_any_threads([&] {
    return forward_backward([](const Tensors& in) { return input_scale(in[0], in[1], 3, 3, {.pad_h = 1, .pad_w = 1}); },
                            {random_f32({20, 16, 16, 33}, 5), random_f32({20, 16, 16, 40}, 6)});
  }));
  const Tensor y = Tensor::zeros({1, 4, 4, 2}), x = Tensor::zeros({1, 4, 4, 3});
  CHECK_THROWS_WITH_AS(input_scale(y, x, 3, 3),
                       "input_scale: the window does not make that output, output [1,4,4,2], input [1,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(input_scale(y, Tensor::zeros({1, 3})),
                       "input_scale: both are images or features, output [1,4,4,2], input [1,3]", Error);
  CHECK_THROWS_WITH_AS(input_scale(y, Tensor::zeros({2, 4, 4, 3})),
                       "input_scale: sizes do not fit, output [1,4,4,2], input [2,4,4,3]", Error);
  CHECK_THROWS_WITH_AS(input_scale(y, x, 0, 1),
                       "input_scale: the window has no size, output [1,4,4,2], input [1,4,4,3]", Error);
}
