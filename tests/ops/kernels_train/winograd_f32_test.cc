#include "ops/kernels_train/winograd_f32.h"

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

struct Floats {  // on lines of their own, as the kernels want their memory
  explicit Floats(int64_t n, float fill = 0) : all(size_t(n) + 16, fill) {}
  float* get() {
    const uintptr_t at = reinterpret_cast<uintptr_t>(all.data());
    return all.data() + (64 - at % 64) % 64 / sizeof(float);
  }
  std::vector<float> all;
};

std::vector<float> signs(int64_t n, uint64_t seed) {
  std::vector<float> v = normal_floats(n, seed);
  for (float& f : v) f = f < 0 ? -1.0f : 1.0f;
  return v;
}

std::vector<float> run_forward(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& w,
                               const float* bias, int64_t tile_step, int64_t block, bool flipped = false, int m = 2) {
  const ConvShape t = flipped ? winograd_input_grad_shape(s) : s;
  Floats u(winograd_filter_floats(t, m), 99.0f), scratch(winograd_scratch(t, m, block), NAN);
  std::vector<float> y(size_t(t.n * t.out_h() * t.out_w() * t.k), 99.0f);
  const int64_t panels = winograd_panels(t), tiles = winograd_tiles(t, m);
  for (int64_t p = 0; p < panels; ++p)
    (flipped ? winograd_flipped_filters : winograd_filters)(s, m, w.data(), p, p + 1, u.get());
  for (int64_t i = 0; i < tiles; i += tile_step)
    winograd_f32(t, m, x.data(), u.get(), bias, y.data(), i, i + tile_step < tiles ? i + tile_step : tiles, 0, panels,
                 scratch.get(), block);
  return y;
}

std::vector<float> run_weight_grad(const ConvShape& s, const std::vector<float>& x, const std::vector<float>& dy,
                                   int64_t k_step) {
  const WinogradGradPlan plan = winograd_grad_plan(s);
  Floats sums(plan.sums(), NAN), scratch(plan.scratch, NAN);
  std::vector<float> dw(size_t(s.k * 9 * s.c), 99.0f);
  for (int64_t t = plan.tasks(); t-- > 0;)
    for (int64_t k = 0; k < plan.k16; k += k_step)
      winograd_weight_grad(s, x.data(), dy.data(), t, t + 1, k, k + k_step < plan.k16 ? k + k_step : plan.k16,
                           sums.get(), scratch.get());
  winograd_weight_grad_finish(s, sums.get(), 0, s.k, dw.data());
  return dw;
}

// A transformed input is a sum of 4 products, a transformed filter one of at most 9, an output a sum of 9 points: near
// a direct sum's error times the size that the points have, measured at most 2 of its ulps; 8 covers the largest
// element. Tiles of 4x4 have points up to 10 times as large, and cancel.
double tolerance(double terms, int m = 2) { return std::ldexp((m == 2 ? 8 : 40) * (terms + 9), -24); }


template <class F> void for_each_shape(F&& f) {
  int shapes = 0;
  for (const NamedConv& c : kTestConvs)
    if (winograd_possible(c.shape)) f(c), ++shapes;
  for (const NamedConv& c : kWinogradConvs) f(c), ++shapes;
  CHECK(shapes > 16);
}

}  // namespace

TEST_CASE("winograd_f32: equals the reference at every 3x3 shape of the tables, on every target") {
  for_each_shape([](const NamedConv& c) {
    const ConvShape& s = c.shape;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 1), w = normal_floats(s.k * 9 * s.c, 2),
               bias = normal_floats(s.k, 3);
    const auto x64 = widened(x), w64 = widened(w), b64 = widened(bias);
    std::vector<double> want(size_t(conv_f32_rows(s) * s.k));
    ref::conv_forward(s, x64.data(), w64.data(), b64.data(), want.data(), 0, conv_f32_rows(s));
    for_each_target([&](const std::string& target) {
      for (const int m : {2, 4}) {
        const double worst = worst_difference(run_forward(s, x, w, bias.data(), 1 << 20, 28, false, m), want);
        CHECK_MESSAGE(worst <= tolerance(double(9 * s.c), m),
                      c.name << " on " << target << ", tiles of " << m << ": " << worst);
      }
    });
  });
}

TEST_CASE("winograd_f32: the input gradient equals the reference at every 3x3 shape, on every target") {
  for_each_shape([](const NamedConv& c) {
    const ConvShape& s = c.shape;
    const auto dy = normal_floats(conv_f32_rows(s) * s.k, 4), w = normal_floats(s.k * 9 * s.c, 5);
    const auto dy64 = widened(dy), w64 = widened(w);
    std::vector<double> want(size_t(s.n * s.h * s.w * s.c));
    ref::conv_input_grad(s, dy64.data(), w64.data(), want.data(), 0, s.n);
    for_each_target([&](const std::string& target) {
      for (const int m : {2, 4}) {
        const double worst = worst_difference(run_forward(s, dy, w, nullptr, 1 << 20, 42, true, m), want);
        CHECK_MESSAGE(worst <= tolerance(double(9 * s.k), m),
                      c.name << " on " << target << ", tiles of " << m << ": " << worst);
      }
    });
  });
}

TEST_CASE("winograd_f32: the weight gradient equals the reference at every 3x3 shape, on every target") {
  for_each_shape([](const NamedConv& c) {
    const ConvShape& s = c.shape;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 6), dy = normal_floats(conv_f32_rows(s) * s.k, 7);
    const auto x64 = widened(x), dy64 = widened(dy);
    std::vector<double> want(size_t(s.k * 9 * s.c));
    ref::conv_weight_grad(s, x64.data(), dy64.data(), want.data(), 0, s.k);
    for_each_target([&](const std::string& target) {
      const double worst = worst_difference(run_weight_grad(s, x, dy, 1 << 20), want);
      CHECK_MESSAGE(worst <= tolerance(double(conv_f32_rows(s))), c.name << " on " << target << ": " << worst);
    });
  });
}

TEST_CASE("winograd_f32: exact on codes of +-1 in all three passes") {
  for_each_shape([](const NamedConv& c) {
    const ConvShape& s = c.shape;
    const auto x = signs(s.n * s.h * s.w * s.c, 8), w = signs(s.k * 9 * s.c, 9), dy = signs(conv_f32_rows(s) * s.k, 10);
    std::vector<float> y(dy.size()), dx(x.size()), dw(w.size());
    ref::conv_forward<float>(s, x.data(), w.data(), nullptr, y.data(), 0, conv_f32_rows(s));
    ref::conv_input_grad(s, dy.data(), w.data(), dx.data(), 0, s.n);
    ref::conv_weight_grad(s, x.data(), dy.data(), dw.data(), 0, s.k);
    for_each_target([&](const std::string& target) {
      CHECK_MESSAGE(run_forward(s, x, w, nullptr, 1 << 20, 28) == y, c.name << " on " << target);
      CHECK_MESSAGE(run_forward(s, dy, w, nullptr, 1 << 20, 28, true) == dx, c.name << " on " << target);
      CHECK_MESSAGE(run_weight_grad(s, x, dy, 1 << 20) == dw, c.name << " on " << target);
    });
  });
}

TEST_CASE("winograd_f32: any split into tiles, blocks and channels gives the same bytes") {
  for_each_shape([](const NamedConv& c) {
    const ConvShape& s = c.shape;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 1), w = normal_floats(s.k * 9 * s.c, 2),
               dy = normal_floats(conv_f32_rows(s) * s.k, 7);
    for (const int m : {2, 4})
      CHECK_MESSAGE(
          run_forward(s, x, w, nullptr, 1 << 20, 56, false, m) == run_forward(s, x, w, nullptr, 5, 14, false, m),
          c.name);
    CHECK_MESSAGE(run_weight_grad(s, x, dy, 1 << 20) == run_weight_grad(s, x, dy, 16), c.name);
  });
}

TEST_CASE("winograd_f32: its rounding error is below half of the direct chain's where channels are many") {
  const ConvShape s{4, 8, 8, 256, 32, 3, 3, 1, 1, 1, 1};
  const auto x = normal_floats(s.n * s.h * s.w * s.c, 1), w = normal_floats(s.k * 9 * s.c, 2);
  const auto x64 = widened(x), w64 = widened(w);
  std::vector<double> want(size_t(conv_f32_rows(s) * s.k));
  std::vector<float> direct(want.size());
  ref::conv_forward<double>(s, x64.data(), w64.data(), nullptr, want.data(), 0, conv_f32_rows(s));
  ref::conv_forward<float>(s, x.data(), w.data(), nullptr, direct.data(), 0, conv_f32_rows(s));
  const auto rms = [&](const std::vector<float>& y) {
    double sum = 0;
    for (size_t i = 0; i < y.size(); ++i) sum += (double(y[i]) - want[i]) * (double(y[i]) - want[i]);
    return std::sqrt(sum / double(y.size()));
  };
  CHECK(rms(run_forward(s, x, w, nullptr, 1 << 20, 28)) < rms(direct) / 2);
  CHECK(rms(run_forward(s, x, w, nullptr, 1 << 20, 28, false, 4)) < 6 * rms(direct));  // why it is an option
}
