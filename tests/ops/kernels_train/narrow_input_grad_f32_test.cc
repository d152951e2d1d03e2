#include "ops/kernels_train/narrow_input_grad_f32.h"

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

// In pieces of `step` lines. Scratch of another use lies in the way: NaN.
std::vector<float> run(const ConvShape& s, const std::vector<float>& dy, const std::vector<float>& w, int64_t step) {
  std::vector<float> packed(size_t(narrow_input_grad_packed_floats(s)), std::nanf("")),
      scratch(size_t(narrow_input_grad_scratch(s)), std::nanf("")), dx(size_t(s.n * s.h * s.w * s.c), 99.0f);
  narrow_input_grad_pack_weights(s, w.data(), packed.data());
  const int64_t lines = s.n * s.h;
  for (int64_t l = 0; l < lines; l += step)
    narrow_input_grad_f32(s, dy.data(), packed.data(), dx.data(), l, l + step < lines ? l + step : lines,
                          scratch.data());
  return dx;
}

template <class F> int for_each_shape(const F& f) {
  int shapes = 0;
  const auto all = [&](const auto& table) {
    for (const NamedConv& c : table) {
      const ConvShape& s = c.shape;
      if (!narrow_input_grad_possible(s)) continue;
      ++shapes;
      f(c, normal_floats(conv_f32_rows(s) * s.k, 4), normal_floats(s.k * s.taps() * s.c, 5));
    }
  };
  all(kTestConvs);
  all(kNarrowConvs);
  return shapes;
}

}  // namespace

TEST_CASE("narrow_input_grad_f32: equals the reference, on every target") {
  const int shapes = for_each_shape([](const NamedConv& c, const auto& dy, const auto& w) {
    const ConvShape& s = c.shape;
    const std::vector<double> dy64(dy.begin(), dy.end()), w64(w.begin(), w.end());
    std::vector<double> want(size_t(s.n * s.h * s.w * s.c));
    ref::conv_input_grad(s, dy64.data(), w64.data(), want.data(), 0, s.n);
    // Sums of products of two N(0, 1): as in conv_grad_f32_test.cc.
    const double tolerance = std::ldexp(6 * double(s.taps() * s.k + 4), -24);
    for_each_target([&](const std::string& target) {
      const double worst = worst_difference(run(s, dy, w, 1 << 20), want);
      CHECK_MESSAGE(worst <= tolerance, c.name << " on " << target << ": " << worst);
    });
  });
  CHECK(shapes >= 20);
}

TEST_CASE("narrow_input_grad_f32: any split of lines gives the same bytes") {
  for_each_shape([](const NamedConv& c, const auto& dy, const auto& w) {
    for_each_target([&](const std::string& target) {
      CHECK_MESSAGE(same_bits(run(c.shape, dy, w, 1 << 20), run(c.shape, dy, w, 3)), c.name << " on " << target);
    });
  });
}
