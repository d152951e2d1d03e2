#include "ops/kernels_train/narrow_weight_grad_f32.h"

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

// As for conv_weight_grad_f32: sums of `terms` products of two N(0, 1) in any order.
double tolerance(double terms) { return std::ldexp(6 * (terms + 4), -24); }

// Scratch and sums of another use lie in the way: NaN.
std::vector<float> run(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& dy, bool backwards) {
  const NarrowWeightGradPlan plan = narrow_weight_grad_plan(s);
  const int64_t columns = s.taps() * s.c;
  std::vector<float> dw(size_t(s.k * columns), 99.0f), sums(size_t(plan.sums()), std::nanf("")),
      scratch(size_t(plan.scratch), std::nanf(""));
  if (!backwards) {
    narrow_weight_grad_f32(s, x.data(), dy.data(), sums.data(), 0, plan.tasks, scratch.data());
    narrow_weight_grad_finish(s, sums.data(), 0, columns, dw.data());
    return dw;
  }
  for (int64_t t = plan.tasks; t-- > 0;)
    narrow_weight_grad_f32(s, x.data(), dy.data(), sums.data(), t, t + 1, scratch.data());
  for (int64_t c = columns; c-- > 0;) narrow_weight_grad_finish(s, sums.data(), c, c + 1, dw.data());
  return dw;
}

template <class F> int for_each_shape(const F& f) {
  int shapes = 0;
  const auto all = [&](const auto& table) {
    for (const NamedConv& c : table) {
      const ConvShape& s = c.shape;
      if (!narrow_weight_grad_possible(s)) continue;
      ++shapes;
      f(c, normal_floats(s.n * s.h * s.w * s.c, 6), normal_floats(conv_f32_rows(s) * s.k, 7));
    }
  };
  all(kTestConvs);
  all(kNarrowConvs);
  return shapes;
}

}  // namespace

TEST_CASE("narrow_weight_grad_f32: equals the reference, on every target") {
  const int shapes = for_each_shape([](const NamedConv& c, const auto& x, const auto& dy) {
    const ConvShape& s = c.shape;
    const std::vector<double> x64(x.begin(), x.end()), dy64(dy.begin(), dy.end());
    std::vector<double> want(size_t(s.k * s.taps() * s.c));
    ref::conv_weight_grad(s, x64.data(), dy64.data(), want.data(), 0, s.k);
    for_each_target([&](const std::string& target) {
      const double worst = worst_difference(run(s, x, dy, false), want);
      CHECK_MESSAGE(worst <= tolerance(double(conv_f32_rows(s))), c.name << " on " << target << ": " << worst);
    });
  });
  CHECK(shapes >= 20);
}

TEST_CASE(
    "narrow_weight_grad_f32: the order and the number of tasks does not matter, nor how their sums are finished") {
  for_each_shape([](const NamedConv& c, const auto& x, const auto& dy) {
    for_each_target([&](const std::string& target) {
      CHECK_MESSAGE(run(c.shape, x, dy, false) == run(c.shape, x, dy, true), c.name << " on " << target);
    });
  });
}
