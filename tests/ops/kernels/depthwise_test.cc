#include "ops/kernels/depthwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/kernels/conv_ref.h"
#include "ops/kernels_train/depthwise_grad.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"
#include "tests/shapes/conv_shapes.h"

using namespace bantam;

namespace {

// The depthwise shapes of the table.
template <class F> int for_each_depthwise(F&& f) {
  int count = 0;
  for (const NamedConv& c : kTestConvs)
    if (is_depthwise(c.shape)) f(c.name, c.shape), ++count;
  return count;
}

}  // namespace

TEST_CASE(
    "depthwise_f32: equals the canonical chain bit for bit, on every target with a fused add, for any split of rows") {
  const int count = for_each_depthwise([](const char* name, const ConvShape& s) {
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 1), w = normal_floats(s.c * s.taps(), 2),
               bias = normal_floats(s.c, 3);
    const int64_t rows = conv_f32_rows(s);
    std::vector<float> packed(size_t(depthwise_packed_floats(s))), want(size_t(rows * s.c)), y(want.size());
    ref::conv_forward(s, x.data(), w.data(), bias.data(), want.data(), 0, rows);
    depthwise_pack_weights(s, w.data(), packed.data());
    for_each_target([&](const std::string& target) {
      for (int64_t step : {int64_t(5), rows}) {
        std::fill(y.begin(), y.end(), 99.0f);
        for (int64_t r = 0; r < rows; r += step)
          depthwise_f32(s, x.data(), packed.data(), bias.data(), y.data(), r, r + step < rows ? r + step : rows);
        if (!fuses(target)) {  // at most 25 products, each rounded once more
          CHECK_MESSAGE(worst_difference(y, want) <= 1e-5, name << " on " << target);
        } else {
          CHECK_MESSAGE(same_bits(y, want), name << " on " << target);
        }
      }
    });
  });
  CHECK(count >= 3);
}

TEST_CASE("depthwise gradients: equal the definition on every target, for any split") {
  for_each_depthwise([](const char* name, const ConvShape& s) {
    const int64_t rows = conv_f32_rows(s), pixels = s.n * s.h * s.w;
    const auto x = normal_floats(pixels * s.c, 4), w = normal_floats(s.c * s.taps(), 5),
               dy = normal_floats(rows * s.c, 6);
    const std::vector<double> x64(x.begin(), x.end()), w64(w.begin(), w.end()), dy64(dy.begin(), dy.end());
    std::vector<double> want_dx(x.size()), want_dw(w.size());
    ref::conv_input_grad(s, dy64.data(), w64.data(), want_dx.data(), 0, s.n);
    ref::conv_weight_grad(s, x64.data(), dy64.data(), want_dw.data(), 0, s.k);
    std::vector<float> packed(size_t(depthwise_packed_floats(s))), sums(size_t(depthwise_weight_grad_sums(s)), 99.0f);
    std::vector<float> dx(x.size()), other_dx(x.size()), dw(w.size());
    depthwise_input_grad_pack_weights(s, w.data(), packed.data());
    for_each_target([&](const std::string& target) {
      INFO(name << " on " << target);
      depthwise_input_grad_f32(s, dy.data(), packed.data(), dx.data(), 0, pixels);
      for (int64_t r = 0; r < pixels; r += 7)
        depthwise_input_grad_f32(s, dy.data(), packed.data(), other_dx.data(), r, r + 7 < pixels ? r + 7 : pixels);
      CHECK(dx == other_dx);
      for (int64_t i = depthwise_weight_grad_splits(s); i-- > 0;)
        depthwise_weight_grad_f32(s, x.data(), dy.data(), i, i + 1, sums.data());
      depthwise_weight_grad_finish(s, sums.data(), dw.data());
      // As in conv_grad_f32_test.cc: 6 (terms + 4) 2^-24.
      CHECK(worst_difference(dx, want_dx) <= std::ldexp(6.0 * double(s.taps() + 4), -24));
      CHECK(worst_difference(dw, want_dw) <= std::ldexp(6.0 * double(rows + 4), -24));
    });
  });
}
