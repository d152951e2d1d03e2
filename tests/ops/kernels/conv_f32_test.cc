#include "ops/kernels/conv_f32.h"

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

struct Data {
  std::vector<float> x, w, bias, y;
  explicit Data(const ConvShape& s)
      : x(normal_floats(s.n * s.h * s.w * s.c, 1)),
        w(normal_floats(s.k * s.taps() * s.group_c(), 2)),
        bias(normal_floats(s.k, 3)),
        y(size_t(conv_f32_rows(s) * s.k), 99.0f) {}
};

void run_packed(const ConvShape& s, Data& d, const float* bias, int64_t block_rows, int64_t row_step,
                GemmSum sum = GemmSum::kChain) {
  std::vector<float> packed(size_t(conv_f32_packed_floats(s))), scratch(size_t(conv_f32_scratch(s, block_rows)));
  conv_f32_pack_weights(s, d.w.data(), 0, conv_f32_panels(s), packed.data());
  const int64_t rows = conv_f32_rows(s);
  for (int64_t r = 0; r < rows; r += row_step)
    conv_f32(s, d.x.data(), conv_f32_packed(s, packed.data()), bias, d.y.data(), r,
             r + row_step < rows ? r + row_step : rows, 0, conv_f32_panels(s), scratch.data(), block_rows,
             sum);
}

}  // namespace

TEST_CASE("conv_f32: the values of a 3x3 sum with padding, worked by hand") {
  const ConvShape s{1, 3, 3, 1, 1, 3, 3, 1, 1, 1, 1, 1, 1, 1};
  Data d(s);
  d.x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  d.w.assign(9, 1.0f);
  d.bias = {0.5f};
  run_packed(s, d, d.bias.data(), 14, 100);
  CHECK(d.y == std::vector<float>{12.5f, 21.5f, 16.5f, 27.5f, 45.5f, 33.5f, 24.5f, 39.5f, 28.5f});
}

TEST_CASE(
    "conv_f32: equals the canonical chain bit for bit at every shape of the table, on every target with a fused add") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    Data d(s);
    std::vector<float> want(d.y.size());
    ref::conv_forward(s, d.x.data(), d.w.data(), d.bias.data(), want.data(), 0, conv_f32_rows(s));
    for_each_target([&](const std::string& target) {
      std::fill(d.y.begin(), d.y.end(), 99.0f);
      run_packed(s, d, d.bias.data(), 56, 1 << 20);
      if (!fuses(target)) {
        // Rounds products too: 2^-24 of each partial sum a step, which stays below 8 standard deviations of the sum.
        const double depth = double(s.taps() * s.group_c());
        CHECK_MESSAGE(worst_difference(d.y, want) <= std::ldexp(8 * depth * std::sqrt(depth), -24),
                      c.name << " on " << target);
      } else {
        CHECK_MESSAGE(same_bits(d.y, want), c.name << " on " << target);
      }
    });
  }
}

TEST_CASE(
    "conv_f32: in blocks, equals the reference to rounding at every shape, on every target; any split, the same") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    Data d(s);
    std::vector<double> want(d.y.size());
    const auto x = widened(d.x), w = widened(d.w), bias = widened(d.bias);
    ref::conv_forward<double>(s, x.data(), w.data(), bias.data(), want.data(), 0, conv_f32_rows(s));
    for_each_target([&](const std::string& target) {
      std::fill(d.y.begin(), d.y.end(), 99.0f);
      run_packed(s, d, d.bias.data(), 56, 1 << 20, GemmSum::kBlocks);
      // As in conv_grad_f32_test.cc: 6 (terms + 4) 2^-24.
      CHECK_MESSAGE(worst_difference(d.y, want) <= std::ldexp(6 * double(s.taps() * s.group_c() + 4), -24),
                    c.name << " on " << target);
    });
    Data split(s);
    run_packed(s, d, nullptr, 56, 1 << 20, GemmSum::kBlocks);
    run_packed(s, split, nullptr, 14, 5, GemmSum::kBlocks);
    CHECK_MESSAGE(same_bits(d.y, split.y), c.name);
  }
}

TEST_CASE("conv_f32: of 2,304 products, blocks err less than half of what the chain does") {
  const ConvShape s{1, 9, 9, 256, 32, 3, 3, 2, 2, 1, 1};
  Data d(s);
  std::vector<double> want(d.y.size());
  const auto x = widened(d.x), w = widened(d.w);
  ref::conv_forward<double>(s, x.data(), w.data(), nullptr, want.data(), 0, conv_f32_rows(s));
  const auto squares = [&](GemmSum sum) {
    run_packed(s, d, nullptr, 56, 1 << 20, sum);
    double all = 0;
    for (size_t i = 0; i < want.size(); ++i) all += (double(d.y[i]) - want[i]) * (double(d.y[i]) - want[i]);
    return all;
  };
  // Errors go with the root of a chain's length: 128 and then 18 against 2,304 is about a quarter.
  CHECK(squares(GemmSum::kBlocks) < squares(GemmSum::kChain) / 4);
}

TEST_CASE("conv_f32: any split of rows and any block size give the same bytes") {
  for (const NamedConv& c : kTestConvs) {
    Data a(c.shape), b(c.shape);
    run_packed(c.shape, a, nullptr, 224, 1 << 20);
    run_packed(c.shape, b, nullptr, 14, 5);
    CHECK_MESSAGE(same_bits(a.y, b.y), c.name);
  }
}

TEST_CASE("conv_f32: the packed model's depth-major weights and sign bits give the same bytes as packed panels") {
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    Data d(s);
    for (float& v : d.w) v = v >= 0 ? 1.0f : -1.0f;
    run_packed(s, d, d.bias.data(), 56, 1 << 20);
    const int64_t depth = s.taps() * s.group_c(), width = conv_f32_row_floats(s);
    std::vector<float> rows(size_t(s.groups * depth * width), 5.0f);
    std::vector<uint8_t> bits(size_t(s.groups * depth * width / 8), 0xFF);
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t i = 0; i < depth; ++i) {
        const int64_t at = (k / s.group_k() * depth + i) * width + k % s.group_k();
        rows[size_t(at)] = d.w[size_t(k * depth + i)];
        if (rows[size_t(at)] < 0) bits[size_t(at / 8)] &= uint8_t(~(1 << at % 8));
      }
    std::vector<float> scratch(size_t(conv_f32_scratch(s, 28, true)));
    std::vector<float> y(d.y.size());
    conv_f32(s, d.x.data(), conv_f32_row_weights(s, rows.data()), d.bias.data(), y.data(), 0, conv_f32_rows(s), 0,
             conv_f32_panels(s), scratch.data(), 28);
    CHECK_MESSAGE(same_bits(d.y, y), c.name);
    std::fill(y.begin(), y.end(), 99.0f);
    conv_f32(s, d.x.data(), conv_f32_sign_weights(s, bits.data()), d.bias.data(), y.data(), 0, conv_f32_rows(s), 0,
             conv_f32_panels(s), scratch.data(), 28);
    CHECK_MESSAGE(same_bits(d.y, y), c.name << ", bits");
  }
}

TEST_CASE("conv_ref: the forward definition equals a sum written out in f64") {
  // The definition itself, checked against the sentence in conv_f32.h, index by index.
  for (const NamedConv& c : kTestConvs) {
    const ConvShape& s = c.shape;
    Data d(s);
    std::vector<double> x(d.x.begin(), d.x.end()), w(d.w.begin(), d.w.end()), y(d.y.size());
    ref::conv_forward<double>(s, x.data(), w.data(), nullptr, y.data(), 0, conv_f32_rows(s));
    double worst = 0;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t oy = 0; oy < s.out_h(); ++oy)
        for (int64_t ox = 0; ox < s.out_w(); ++ox)
          for (int64_t k = 0; k < s.k; ++k) {
            double sum = 0;
            for (int64_t ky = 0; ky < s.kh; ++ky)
              for (int64_t kx = 0; kx < s.kw; ++kx)
                for (int64_t ch = 0; ch < s.group_c(); ++ch) {
                  const int64_t iy = oy * s.stride_h + ky * s.dilation_h - s.pad_h;
                  const int64_t ix = ox * s.stride_w + kx * s.dilation_w - s.pad_w;
                  if (iy < 0 || iy >= s.h || ix < 0 || ix >= s.w) continue;
                  sum += x[size_t(((n * s.h + iy) * s.w + ix) * s.c + k / s.group_k() * s.group_c() + ch)] *
                         w[size_t(((k * s.kh + ky) * s.kw + kx) * s.group_c() + ch)];
                }
            worst = std::fmax(worst, std::fabs(sum - y[size_t(((n * s.out_h() + oy) * s.out_w() + ox) * s.k + k)]));
          }
    // Up to 600 products of size 1 to 10 in another order: 600 * 10 * 2^-53.
    CHECK_MESSAGE(worst <= 1e-12, c.name);
  }
}
