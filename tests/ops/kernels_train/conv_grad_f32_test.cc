#include "ops/kernels_train/conv_input_grad_f32.h"
#include "ops/kernels_train/conv_weight_grad_f32.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/kernels/conv_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"
#include "tests/shapes/conv_shapes.h"

using namespace bantam;

namespace {

// Sums of `terms` products of two N(0, 1) in any order: the rounding error of a chain grows like sqrt(terms) ulps of a
// partial sum of size sqrt(terms), and 6 covers the largest of the few thousand elements.
double tolerance(double terms) { return std::ldexp(6 * (terms + 4), -24); }

std::vector<float> run_input_grad(const ConvShape& s, const std::vector<float>& dy, const std::vector<float>& w,
                                  int64_t row_step, int64_t block_rows) {
  std::vector<float> packed(size_t(conv_input_grad_f32_packed_floats(s)));
  std::vector<float> scratch(size_t(conv_input_grad_f32_scratch(s, block_rows)));
  std::vector<float> dx(size_t(s.n * s.h * s.w * s.c), 99.0f);
  const int64_t panels = conv_input_grad_f32_panels(s), rows = conv_input_grad_f32_rows(s);
  conv_input_grad_f32_pack_weights(s, w.data(), 0, panels, packed.data());
  for (int64_t r = 0; r < rows; r += row_step)
    conv_input_grad_f32(s, dy.data(), packed.data(), dx.data(), r, r + row_step < rows ? r + row_step : rows, 0, panels,
                        scratch.data(), block_rows);
  return dx;
}

std::vector<float> run_weight_grad(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& dy,
                                   bool backwards) {
  const ConvWeightGradPlan plan = conv_weight_grad_f32_plan(s);
  const size_t size = size_t(s.k * s.taps() * s.group_c());
  std::vector<float> dw(size, 99.0f), partial(size_t(plan.partial), 99.0f), scratch(size_t(plan.scratch));
  if (backwards) {
    for (int64_t t = plan.tasks; t-- > 0;)
      conv_weight_grad_f32(s, x.data(), dy.data(), dw.data(), partial.data(), t, t + 1, scratch.data());
  } else {
    conv_weight_grad_f32(s, x.data(), dy.data(), dw.data(), partial.data(), 0, plan.tasks, scratch.data());
  }
  for (size_t p = 0; p < partial.size(); ++p) dw[p % size] += partial[p];
  return dw;
}

}  // namespace

TEST_CASE("conv_input_grad_f32: equals the reference at every shape of the table, on every target") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    const auto dy = normal_floats(conv_f32_rows(s) * s.k, 4), w = normal_floats(s.k * s.taps() * s.group_c(), 5);
    const std::vector<double> dy64(dy.begin(), dy.end()), w64(w.begin(), w.end());
    std::vector<double> want(size_t(s.n * s.h * s.w * s.c));
    ref::conv_input_grad(s, dy64.data(), w64.data(), want.data(), 0, s.n);
    for_each_target([&](const std::string& target) {
      const double worst = worst_difference(run_input_grad(s, dy, w, 1 << 20, 56), want);
      CHECK_MESSAGE(worst <= tolerance(double(s.taps() * s.group_k())), c.name << " on " << target << ": " << worst);
    });
  }
}

TEST_CASE("conv_input_grad_f32: any split of rows gives the same bytes") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    const auto dy = normal_floats(conv_f32_rows(s) * s.k, 4), w = normal_floats(s.k * s.taps() * s.group_c(), 5);
    CHECK_MESSAGE(run_input_grad(s, dy, w, 1 << 20, 224) == run_input_grad(s, dy, w, 7, 14), c.name);
  }
}

TEST_CASE("conv_weight_grad_f32: equals the reference at every shape of the table, on every target") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 6), dy = normal_floats(conv_f32_rows(s) * s.k, 7);
    const std::vector<double> x64(x.begin(), x.end()), dy64(dy.begin(), dy.end());
    std::vector<double> want(size_t(s.k * s.taps() * s.group_c()));
    ref::conv_weight_grad(s, x64.data(), dy64.data(), want.data(), 0, s.k);
    for_each_target([&](const std::string& target) {
      const double worst = worst_difference(run_weight_grad(s, x, dy, false), want);
      CHECK_MESSAGE(worst <= tolerance(double(conv_f32_rows(s))), c.name << " on " << target << ": " << worst);
    });
  }
}

TEST_CASE("conv_weight_grad_f32: the order in which tasks run does not matter") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 6), dy = normal_floats(conv_f32_rows(s) * s.k, 7);
    CHECK_MESSAGE(run_weight_grad(s, x, dy, false) == run_weight_grad(s, x, dy, true), c.name);
  }
}

TEST_CASE("conv_ref: both gradients are the derivatives of the forward definition") {
  // The convolution is linear in x and in w: <dy, conv(x, w)> = <x, input_grad(dy, w)> = <w, weight_grad(x, dy)>,
  // exactly but for the rounding of a few thousand terms.
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    auto widen = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    const auto x = widen(normal_floats(s.n * s.h * s.w * s.c, 8)),
               w = widen(normal_floats(s.k * s.taps() * s.group_c(), 9));
    const auto dy = widen(normal_floats(conv_f32_rows(s) * s.k, 10));
    std::vector<double> y(dy.size()), dx(x.size()), dw(w.size());
    ref::conv_forward<double>(s, x.data(), w.data(), nullptr, y.data(), 0, conv_f32_rows(s));
    ref::conv_input_grad(s, dy.data(), w.data(), dx.data(), 0, s.n);
    ref::conv_weight_grad(s, x.data(), dy.data(), dw.data(), 0, s.k);
    auto dot = [](const std::vector<double>& a, const std::vector<double>& b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
      return sum;
    };
    const double size = std::sqrt(dot(y, y) * dot(dy, dy)) + 1;
    CHECK_MESSAGE(std::fabs(dot(dy, y) - dot(x, dx)) <= 1e-12 * size, c.name);
    CHECK_MESSAGE(std::fabs(dot(dy, y) - dot(w, dw)) <= 1e-12 * size, c.name);
  }
}

TEST_CASE("bias_grad_f32: sums columns: few, whole vectors and the rest") {
  for (int64_t k : {1, 6, 10, 64, 67, 130})
    for (int64_t rows : {1, 37, 1000}) {
      auto dy = normal_floats(rows * k, 11);
      for (float& v : dy) v = std::round(8 * v);  // sums of integers are exact in any order
      for_each_target([&](const std::string& target) {
        std::vector<float> got(size_t(k), 99.0f), want(size_t(k), 0.0f);
        for (int64_t i = 0; i < rows * k; ++i) want[size_t(i % k)] += dy[size_t(i)];
        bias_grad_f32(dy.data(), rows, k, got.data());
        CHECK_MESSAGE(got == want, target << ", " << rows << " x " << k);
      });
    }
}
