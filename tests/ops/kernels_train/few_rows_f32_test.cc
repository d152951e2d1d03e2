#include "ops/kernels_train/few_rows_f32.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

struct Size {
  int64_t rows, c, k;
};
constexpr Size kSizes[] = {{1, 1, 1},     {1, 15, 7},   {1, 16, 8},  {2, 17, 9},
                           {1, 400, 120}, {3, 120, 84}, {4, 84, 10}, {1, 131, 33}};

}  // namespace

TEST_CASE(
    "few_rows_f32: the forward pass equals the f64 sum, and is the same for every target with a fused add and every "
    "split") {
  for (const Size& s : kSizes) {
    const auto x = normal_floats(s.rows * s.c, 1), w = normal_floats(s.k * s.c, 2), bias = normal_floats(s.k, 3);
    std::vector<float> first;
    for_each_target([&](const std::string& target) {
      INFO(target << ": " << s.rows << " x " << s.c << " x " << s.k);
      std::vector<float> y(size_t(s.rows * s.k), 99.0f), parts(y.size(), 99.0f), plain(y.size(), 99.0f);
      few_rows_forward_f32(s.rows, s.c, s.k, x.data(), w.data(), bias.data(), y.data(), 0, s.k);
      for (int64_t k = 0; k < s.k; k += 3)
        few_rows_forward_f32(s.rows, s.c, s.k, x.data(), w.data(), bias.data(), parts.data(), k, std::min(k + 3, s.k));
      few_rows_forward_f32(s.rows, s.c, s.k, x.data(), w.data(), nullptr, plain.data(), 0, s.k);
      CHECK(y == parts);
      if (first.empty() && fuses(target)) first = y;
      if (fuses(target)) CHECK(y == first);
      double worst = 0;
      for (int64_t n = 0; n < s.rows; ++n)
        for (int64_t k = 0; k < s.k; ++k) {
          double sum = 0;
          for (int64_t c = 0; c < s.c; ++c) sum += double(x[size_t(n * s.c + c)]) * w[size_t(k * s.c + c)];
          const size_t at = size_t(n * s.k + k);
          worst = std::fmax(worst, std::fabs(plain[at] - sum));
          CHECK(y[at] == plain[at] + bias[size_t(k)]);
        }
      // Chains of c / 16 products of two N(0, 1) and four additions across: below 2^-24 of sums of size sqrt(c) a step.
      CHECK(worst <= std::ldexp(4 * (double(s.c) / 16 + 8) * std::sqrt(double(s.c)), -24));
    });
  }
}

TEST_CASE(
    "few_rows_f32: gradients are one chain each, bit for bit, for every split, on every target with a fused add") {
  for (const Size& s : kSizes) {
    const auto x = normal_floats(s.rows * s.c, 4), w = normal_floats(s.k * s.c, 5), dy = normal_floats(s.rows * s.k, 6);
    std::vector<float> want_dx(size_t(s.rows * s.c)), want_dw(size_t(s.k * s.c));
    for (int64_t n = 0; n < s.rows; ++n)
      for (int64_t c = 0; c < s.c; ++c) {
        float chain = 0;
        for (int64_t k = 0; k < s.k; ++k) chain = std::fma(dy[size_t(n * s.k + k)], w[size_t(k * s.c + c)], chain);
        want_dx[size_t(n * s.c + c)] = chain;
      }
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t c = 0; c < s.c; ++c) {
        float chain = 0;
        for (int64_t n = 0; n < s.rows; ++n) chain = std::fma(dy[size_t(n * s.k + k)], x[size_t(n * s.c + c)], chain);
        want_dw[size_t(k * s.c + c)] = chain;
      }
    for_each_target([&](const std::string& target) {
      if (!fuses(target)) return;
      INFO(target << ": " << s.rows << " x " << s.c << " x " << s.k);
      std::vector<float> dx(want_dx.size(), 99.0f), dw(want_dw.size(), 99.0f);
      for (int64_t c = 0; c < s.c; c += 48)
        few_rows_input_grad_f32(s.rows, s.c, s.k, dy.data(), w.data(), dx.data(), c, std::min(c + 48, s.c));
      CHECK(dx == want_dx);
      few_rows_input_grad_f32(s.rows, s.c, s.k, dy.data(), w.data(), dx.data(), 0, s.c);
      CHECK(dx == want_dx);
      for (int64_t k = 0; k < s.k; k += 5)
        few_rows_weight_grad_f32(s.rows, s.c, s.k, x.data(), dy.data(), dw.data(), k, std::min(k + 5, s.k));
      CHECK(dw == want_dw);
    });
  }
}
