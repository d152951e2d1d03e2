#include "ops/kernels_train/cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/kernels_train/cross_entropy_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

TEST_CASE(
    "cross_entropy kernels: log sums and gradients equal the definition in f64, any number of classes, on every "
    "target") {
  for_each_target([](const std::string& target) {
    for (int64_t c : {1, 2, 7, 8, 10, 15, 16, 17, 33, 200, 1000})
      for (int64_t label : {int64_t(0), c / 2, c - 1}) {
        INFO(target << ": " << c << " classes, label " << label);
        const auto x = normal_floats(c, 1, 0, 3);
        const std::vector<double> exact(x.begin(), x.end());
        std::vector<double> want(exact.size());
        ref::cross_entropy_grad<double>(exact.data(), c, label, 0.9, 0.1 / double(c), 0.5, want.data());
        const auto sum = ref::log_sum(exact.data(), c);
        const LogSum got = log_sum_f32(x.data(), c);
        CHECK(got.max == float(sum.max));
        // The sum errs by at most (c / 4 + 4) 2^-24 of itself: chains of a lane, and an ulp for each exponential.
        const double part = (double(c) / 4 + 4) * 0x1p-24;
        CHECK(std::fabs(got.log_sum - sum.log_sum) <= part + 0x1p-23 * std::fabs(sum.log_sum));
        std::vector<float> dx(x);
        cross_entropy_grad_f32(dx.data(), c, label, 0.9f, float(0.1 / double(c)), 0.5f, dx.data());
        bool good = true;  // probabilities up to 1, times a half
        for (size_t k = 0; k < dx.size(); ++k) good &= std::fabs(dx[k] - want[k]) <= part + 0x1p-23;
        CHECK(good);
      }
  });
}
