#include "ops/kernels/threshold.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/base/fixed_point.h"
#include "core/rng.h"
#include "ops/kernels/threshold_ref.h"
#include "tests/ops/each_target.h"

using namespace bantam;

TEST_CASE("threshold_bits: an interval, flipped or not, open at an end, and empty") {
  const std::vector<int32_t> lo = {-1, -1, INT32_MIN, 3, 1, 1}, hi = {2, 2, 0, INT32_MAX, 0, 0};
  const uint64_t flip = 0b100010;
  const Thresholds t{lo.data(), hi.data(), &flip};
  const std::vector<int32_t> acc = {-2, -2, -2, -2, -2, -2, -1, -1, -1, -1, -1, -1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    std::vector<uint64_t> bits(4, ~uint64_t(0));
    threshold_bits(acc.data(), 4, 6, t, bits.data());
    CHECK(bits[0] == 0b100110);  // -2: outside; flipped outside; <= 0; not >= 3; never; always
    CHECK(bits[1] == 0b100101);  // -1
    CHECK(bits[2] == 0b100001);  // 2
    CHECK(bits[3] == 0b101010);  // 3
  });
}

TEST_CASE("threshold_bits: equals its definition at every number of channels from 1 to 257, pad bits 0") {
  const Rng rng(5, kRngTest);
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t k = 1; k <= 257; ++k) {
      const int64_t pixels = 3, words = int64_t(words_for(size_t(k)));
      std::vector<int32_t> acc(size_t(pixels * k)), lo(size_t(k), 0), hi(size_t(k), 0);
      for (size_t i = 0; i < acc.size(); ++i) acc[i] = int32_t(rng.below(i, 9)) - 4;
      for (size_t i = 0; i < lo.size(); ++i) {
        lo[i] = int32_t(rng.below(1000 + i, 9)) - 4;
        hi[i] = lo[i] + int32_t(rng.below(2000 + i, 6)) - 1;
      }
      std::vector<uint64_t> flip(size_t(words), 0);
      for (int64_t i = 0; i < k; ++i) flip[size_t(i / 64)] |= uint64_t(rng.bits(3000 + uint64_t(i)) & 1) << (i % 64);
      const Thresholds t{lo.data(), hi.data(), flip.data()};
      std::vector<uint64_t> got(size_t(pixels * words) + 1, ~uint64_t(0)), want = got;
      threshold_bits(acc.data(), pixels, k, t, got.data());
      ref::threshold_bits(acc.data(), pixels, k, t, want.data());
      REQUIRE_MESSAGE(got == want, "channels " << k);
    }
  });
}
