#include "ops/kernels_train/narrow_f32.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/kernels/conv_f32.h"
#include "ops/kernels/conv_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"
#include "tests/shapes/conv_shapes.h"

using namespace bantam;

namespace {

// In pieces of `step` lines. Scratch of another use lies in the way: NaN.
void run(const GemmRows& g, const std::vector<float>& panels, int64_t cols, const float* bias, int64_t step) {
  std::vector<float> scratch(size_t(narrow_f32_scratch(g)), std::nanf(""));
  const int64_t lines = g.images * g.out_h;
  for (int64_t l = 0; l < lines; l += step)
    narrow_f32(g, l, l + step < lines ? l + step : lines, panels.data(), cols, bias, scratch.data());
}

}  // namespace

TEST_CASE(
    "narrow_f32: equals the canonical chain bit for bit, for any split of lines, on every target with a fused add") {
  int shapes = 0;
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    if (s.groups != 1 || !narrow_f32_possible(conv_f32_gather(s, nullptr, nullptr, 0))) continue;
    ++shapes;
    const auto x = normal_floats(s.n * s.h * s.w * s.c, 1), w = normal_floats(s.k * s.taps() * s.c, 2);
    const auto bias = normal_floats(s.k, 3);
    std::vector<float> want(size_t(conv_f32_rows(s) * s.k)), y(want.size());
    std::vector<float> panels(size_t(conv_f32_packed_floats(s)));
    ref::conv_forward(s, x.data(), w.data(), bias.data(), want.data(), 0, conv_f32_rows(s));
    const GemmRows g = conv_f32_gather(s, x.data(), y.data(), 0);
    for_each_target([&](const std::string& target) {
      if (!fuses(target)) return;
      conv_f32_pack_weights(s, w.data(), 0, conv_f32_panels(s), panels.data());
      for (int64_t step : {int64_t(1), int64_t(3), s.n * s.out_h()}) {
        std::fill(y.begin(), y.end(), 99.0f);
        run(g, panels, s.k, bias.data(), step);
        CHECK_MESSAGE(same_bits(y, want), c.name << " on " << target << ", " << step << " lines at a time");
      }
    });
  }
  CHECK(shapes >= 8);
}
