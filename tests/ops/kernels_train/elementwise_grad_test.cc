#include "ops/kernels_train/elementwise_grad.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/kernels/reduce_ref.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

TEST_CASE("activation gradients: equal the reference over odd sizes, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 101}) {
      CAPTURE(n);
      auto y = floats_with_zero(n, 1);
      const auto dy = floats_with_zero(n, 2);
      std::vector<float> got(y.size()), want(y.size());
      auto reference = [&](auto f) {
        for (size_t i = 0; i < y.size(); ++i) want[i] = f(y[i], dy[i]);
      };
      relu_grad_f32(y.data(), dy.data(), got.data(), n);
      reference(ref::relu_grad<float>);
      CHECK(got == want);
      prelu_grad_f32(y.data(), dy.data(), 0.25f, got.data(), n);
      reference([](float x, float d) { return ref::prelu_grad(x, d, 0.25f); });
      CHECK(got == want);
      std::vector<float> wide = normal_floats(n, 1, 0, 3);
      if (n > 2) wide[0] = -3, wide[1] = 3, wide[2] = -1.5;
      hard_swish_grad_f32(wide.data(), dy.data(), got.data(), n);
      for (size_t i = 0; i < wide.size(); ++i) want[i] = ref::hard_swish_grad(wide[i], dy[i]);
      CHECK(same_bits(got, want));
      hard_swish_grad_f32(wide.data(), dy.data(), wide.data(), n);  // over the input, which was made again
      CHECK(same_bits(wide, want));
      for (float& v : y) v = std::tanh(v);
      // |out| <= 1: out^2, 1 - out^2 and the product are rounded once each, |dy| < 5: 3 * 2^-24 * 5.
      tanh_grad_f32(y.data(), dy.data(), got.data(), n);
      reference(ref::tanh_grad<float>);
      CHECK(worst_difference(got, want) <= 9e-7);
      for (float& v : y) v = std::fabs(v);
      sigmoid_grad_f32(y.data(), dy.data(), got.data(), n);
      reference(ref::sigmoid_grad<float>);
      CHECK(got == want);
      auto in_place = dy;
      relu_grad_f32(y.data(), in_place.data(), in_place.data(), n);
      reference(ref::relu_grad<float>);
      CHECK(in_place == want);
    }
  });
}

TEST_CASE("per-channel gradients: equal the reference for few, odd and many channels, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 3, 10, 16, 17, 64, 80, 101, 1030})
      for (int64_t rows : {1, 2, 5, 67, 300}) {
        if (c > 1000 && rows > 70) continue;
        CAPTURE(c);
        CAPTURE(rows);
        const int64_t n = rows * c;
        const auto x = floats_with_zero(n, 3), dy = floats_with_zero(n, 4), p = floats_with_zero(c, 5);
        std::vector<float> got(x.size()), want(x.size());
        prelu_channels_grad_f32(x.data(), dy.data(), p.data(), got.data(), rows, c);
        for (int64_t i = 0; i < n; ++i)
          want[size_t(i)] = ref::prelu_grad(x[size_t(i)], dy[size_t(i)], p[size_t(i % c)]);
        CHECK(got == want);

        // Sums: within 70 * 2^-24 of the sum of magnitudes (columns-inl.h; two more roundings in a term).
        const size_t channels = size_t(c);
        std::vector<double> slope(channels), slope_want(channels);
        prelu_slope_sums_f32(x.data(), dy.data(), rows, c, slope.data());
        ref::prelu_slope_sums(x.data(), dy.data(), rows, c, slope_want.data());
        bool good = true;
        for (size_t k = 0; k < channels; ++k) {
          double product = 0;
          for (size_t i = k; i < x.size(); i += channels) {
            product += std::fabs(double(dy[i]) * double(x[i]));
          }
          const double u = 70.0 / (1 << 24);
          good &= std::fabs(slope[k] - slope_want[k]) <= u * product;
        }
        CHECK(good);
      }
  });
}

// |dy| < 5, y <= 1: a row sum of 100 terms errs by 10 ulp of 5 or so, the rest by a few ulp of it: 2e-5 in all.
TEST_CASE("softmax gradients: rows equal the f64 reference, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 2, 5, 10, 16, 17, 101}) {
      CAPTURE(c);
      const int64_t rows = 3;
      const auto x = floats_with_zero(rows * c, 9), dy = floats_with_zero(rows * c, 10);
      const std::vector<double> x64(x.begin(), x.end()), dy64(dy.begin(), dy.end());
      std::vector<double> y64(x.size()), dx64(x.size());
      std::vector<float> dx(x.size());
      auto check = [&](auto forward, auto kernel, auto reference) {
        forward(x64.data(), y64.data(), rows, c);
        const std::vector<float> y(y64.begin(), y64.end());
        kernel(y.data(), dy.data(), dx.data(), rows, c);
        reference(y64.data(), dy64.data(), dx64.data(), rows, c);
        double w = 0;
        for (size_t i = 0; i < dx.size(); ++i) w = std::max(w, std::fabs(double(dx[i]) - dx64[i]));
        CHECK(w <= 2e-5);
      };
      check(ref::softmax_rows<double>, softmax_grad_rows_f32, ref::softmax_grad_rows<double>);
      check(ref::log_softmax_rows<double>, log_softmax_grad_rows_f32, ref::log_softmax_grad_rows<double>);
    }
  });
}
