#include "ops/kernels/reduce.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/kernels/reduce_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

// Chains of at most 64 additions and a tree of two, a rounding of the product (columns-inl.h).
constexpr double kSumError = 68.0 / (1 << 24);

}  // namespace

TEST_CASE("sum and dot: within the stated bound of the f64 sum, for every length, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t n : {0, 1, 15, 16, 17, 63, 64, 65, 127, 1021, 100003}) {
      CAPTURE(n);
      const auto a = normal_floats(n, 1, 0.5), b = normal_floats(n, 2);
      double sum = 0, sum_abs = 0, dot = 0, dot_abs = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        sum += double(a[i]);
        sum_abs += std::fabs(double(a[i]));
        dot += double(a[i]) * double(b[i]);
        dot_abs += std::fabs(double(a[i]) * double(b[i]));
      }
      CHECK(std::fabs(sum_f32(a.data(), n) - sum) <= kSumError * sum_abs);
      CHECK(std::fabs(dot_f32(a.data(), b.data(), n) - dot) <= kSumError * dot_abs);
    }
    const float integers[] = {1, 2, 3, 4, 5};
    CHECK(sum_f32(integers, 5) == 15);
    CHECK(dot_f32(integers, integers, 5) == 55);
  });
}

TEST_CASE("channel sums and dots: within the stated bound, for few, odd and many channels and rows") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 3, 10, 16, 17, 64, 72, 101, 1023, 1024, 1025, 2050})
      for (int64_t rows : {0, 1, 3, 4, 5, 63, 259, 1500}) {
        if (c > 1000 && rows > 100) continue;
        CAPTURE(c);
        CAPTURE(rows);
        const auto a = normal_floats(rows * c, 3, 0.5), b = normal_floats(rows * c, 4);
        const size_t n = size_t(c);
        std::vector<double> sums(n, 7), dots(n, 7), want(n), want_dots(n);
        channel_sums_f32(a.data(), rows, c, sums.data());
        channel_dots_f32(a.data(), b.data(), rows, c, dots.data());
        ref::channel_sums(a.data(), rows, c, want.data());
        ref::channel_dots(a.data(), b.data(), rows, c, want_dots.data());
        bool good = true;
        for (size_t k = 0; k < n; ++k) {
          double size = 0, dot_size = 0;
          for (size_t r = 0; r < size_t(rows); ++r) {
            size += std::fabs(double(a[r * n + k]));
            dot_size += std::fabs(double(a[r * n + k]) * double(b[r * n + k]));
          }
          good &= std::fabs(sums[k] - want[k]) <= kSumError * size &&
                  std::fabs(dots[k] - want_dots[k]) <= kSumError * dot_size;
        }
        CHECK(good);
      }
  });
}

TEST_CASE("channel moments: of 1, 2, 3, 4 are mean 2.5 and m2 5") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    const float x[] = {1, 2, 3, 4};
    double mean, m2;
    channel_moments_f32(x, 4, 1, &mean, &m2);
    CHECK(mean == 2.5);
    CHECK(m2 == 5);
  });
}

// x - guess is exact where both are close (Sterbenz), so an offset costs nothing: deviations and their squares are
// summed within kSumError of their magnitudes, which are at most twice as large as those from the mean itself. The mean
// is rounded to f32 only in the guess.
TEST_CASE("channel moments: equal the two-pass f64 values, also where the mean is 1e4 deviations away") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (double offset : {0.0, 3.0, 1e4})
      for (int64_t c : {1, 3, 10, 16, 64, 80, 101, 1025})
        for (int64_t rows : {1, 2, 5, 70, 300, 5000}) {
          if (c * rows > 100000) continue;
          CAPTURE(offset);
          CAPTURE(c);
          CAPTURE(rows);
          const auto x = normal_floats(rows * c, 5, offset);
          std::vector<double> mean(static_cast<size_t>(c)), m2(mean), want_mean(mean), want_m2(mean);
          channel_moments_f32(x.data(), rows, c, mean.data(), m2.data());
          ref::channel_moments(x.data(), rows, c, want_mean.data(), want_m2.data());
          const double u = 1.0 / (1 << 24);
          double worst_mean = 0, worst_m2 = 0;
          for (size_t k = 0; k < mean.size(); ++k) {
            worst_mean = std::max(worst_mean, std::fabs(mean[k] - want_mean[k]));
            worst_m2 = std::max(worst_m2, std::fabs(m2[k] - want_m2[k]) / (want_m2[k] + double(rows) * 1e-12));
          }
          CHECK(worst_mean <= 4 * u * (offset + 3));
          if (rows > 1) CHECK(worst_m2 <= 2 * kSumError);
        }
  });
}

// 16 odd rows that are all of the guess (64 channels) multiply the rounding of m2, u or so a block, by rows / 16 = 390:
// 1e-4 is four times that. Fewer odd rows, or more rows in the guess (fewer channels), cost nothing.
TEST_CASE("channel moments: first rows far from the rest do no harm") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 10, 64})
      for (int64_t odd : {1, 16, 3000}) {
        CAPTURE(c);
        CAPTURE(odd);
        const int64_t rows = 400000 / c;
        auto x = normal_floats(rows * c, 8, 1000.0);
        for (int64_t i = 0; i < std::min(odd, rows / 2) * c; ++i) x[size_t(i)] = 0;
        std::vector<double> mean(static_cast<size_t>(c)), m2(mean), want_mean(mean), want_m2(mean);
        channel_moments_f32(x.data(), rows, c, mean.data(), m2.data());
        ref::channel_moments(x.data(), rows, c, want_mean.data(), want_m2.data());
        for (size_t k = 0; k < mean.size(); ++k) {
          CHECK(std::fabs(mean[k] - want_mean[k]) <= 4e-4);
          CHECK(std::fabs(m2[k] / want_m2[k] - 1) <= (c == 64 && odd == 16 ? 1e-4 : 2 * kSumError));
        }
      }
  });
}

TEST_CASE("channel moments: merging parts gives the whole") {
  const auto x = normal_floats(7 * 3, 6, 2.0);
  double mean[3], m2[3], whole_mean[3], whole_m2[3], part_mean[3], part_m2[3];
  ref::channel_moments(x.data(), 7, 3, whole_mean, whole_m2);
  ref::channel_moments(x.data(), 2, 3, mean, m2);
  ref::channel_moments(x.data() + 6, 5, 3, part_mean, part_m2);
  merge_moments(2, mean, m2, 5, part_mean, part_m2, 3);
  for (int k = 0; k < 3; ++k) {
    CHECK(mean[k] == doctest::Approx(whole_mean[k]).epsilon(1e-14));
    CHECK(m2[k] == doctest::Approx(whole_m2[k]).epsilon(1e-14));
  }
}

// e^x errs by 1 ulp of the term and x - max by u |x - max| relative to the term (|x - max| < 10 here), the sum of C
// terms in at most C / 4 + 4 roundings: 1e-5 is above all of it for C <= 1000, and far below any real mistake.
TEST_CASE("softmax, log_softmax: rows equal the f64 reference") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int64_t c : {1, 2, 3, 4, 5, 10, 15, 16, 17, 33, 101, 1000}) {
      CAPTURE(c);
      const int64_t rows = 5;
      const auto x = normal_floats(rows * c, 7, 50.0, 2.0);
      const std::vector<double> x64(x.begin(), x.end());
      std::vector<float> y(x.size()), z(x.size());
      std::vector<double> y64(x.size()), z64(x.size());
      softmax_rows_f32(x.data(), y.data(), rows, c);
      log_softmax_rows_f32(x.data(), z.data(), rows, c);
      ref::softmax_rows(x64.data(), y64.data(), rows, c);
      ref::log_softmax_rows(x64.data(), z64.data(), rows, c);
      double worst = 0;
      for (size_t i = 0; i < x.size(); ++i)
        worst = std::max({worst, std::fabs(double(y[i]) / y64[i] - 1), std::fabs(double(z[i]) - z64[i])});
      CHECK(worst <= 1e-5);
    }
  });
}

TEST_CASE("softmax: logits of 1000 and minus infinity are no problem, NaN makes its own row NaN") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
    const float x[] = {1000, 1000, -inf, nan, 0, 0, 1, 1, 1};
    float y[9], z[9];
    softmax_rows_f32(x, y, 3, 3);
    log_softmax_rows_f32(x, z, 3, 3);
    CHECK(y[0] == 0.5f);
    CHECK(y[1] == 0.5f);
    CHECK(y[2] == 0.0f);
    CHECK(z[0] == doctest::Approx(-0.6931472).epsilon(1e-7));
    CHECK(z[2] == -inf);
    for (int i = 3; i < 6; ++i) CHECK(std::isnan(y[i]));
    CHECK(y[6] == doctest::Approx(1.0 / 3).epsilon(1e-7));
  });
}
