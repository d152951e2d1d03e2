#include "ops/kernels/threshold.h"

#include <doctest/doctest.h>

#include <algorithm>
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

TEST_CASE("threshold_codes: counts what is reached, of the sum or of its negative, never and always reached ones too") {
  const std::vector<int32_t> t = {-1, -1, INT32_MIN, INT32_MAX, 2, 2, 0, INT32_MAX};  // [2][4]
  const uint64_t falls = 0b1010;
  const std::vector<int32_t> acc = {-2, -2, -2, -2, -1, -1, -1, -1, 2, 2, 2, 2, INT32_MAX, 1, 0, -INT32_MAX};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    std::vector<uint8_t> bytes(16, 9);
    threshold_codes(acc.data(), 4, 4, {t.data(), 2, &falls, 4}, bytes.data());
    CHECK(bytes == std::vector<uint8_t>{0, 2, 1, 0, 1, 1, 1, 0, 2, 0, 2, 0, 2, 1, 2, 2});
  });
}

TEST_CASE(
    "threshold_codes: equals its definition at every number of channels from 1 to 257, and of thresholds to 255") {
  const Rng rng(6, kRngTest);
  const int64_t tops[] = {1, 2, 3, 7, 15, 16, 127, 255};
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t k = 1; k <= 257; ++k) {
      const int64_t pixels = 3, top = k <= 255 && k % 16 == 0 ? k : tops[k % 8];
      std::vector<int32_t> acc(size_t(pixels * k)), t(size_t(top * k));
      const auto number = [&](uint64_t i) {
        const uint32_t what = rng.below(2 * i, 12);
        if (what == 0) return INT32_MAX;
        if (what == 1) return -INT32_MAX;
        return int32_t(rng.below(2 * i + 1, 41)) - 20;
      };
      for (size_t i = 0; i < acc.size(); ++i) acc[i] = number(i);
      for (int64_t c = 0; c < k; ++c) {
        std::vector<int32_t> ascending;
        for (int64_t j = 0; j < top; ++j) {
          const int32_t v = number(uint64_t(5000 + c * top + j));
          ascending.push_back(v == -INT32_MAX ? INT32_MIN : v);
        }
        std::sort(ascending.begin(), ascending.end());
        for (int64_t j = 0; j < top; ++j) t[size_t(j * k + c)] = ascending[size_t(j)];
      }
      std::vector<uint64_t> falls(words_for(size_t(k)), 0);
      for (int64_t i = 0; i < k; ++i) falls[size_t(i / 64)] |= uint64_t(rng.bits(9000 + uint64_t(i)) & 1) << (i % 64);
      const CodeThresholds codes{t.data(), top, falls.data(), k};
      std::vector<uint8_t> got(size_t(pixels * k) + 64, 0xEE), want = got;  // not one byte behind the end
      threshold_codes(acc.data(), pixels, k, codes, got.data());
      ref::threshold_codes(acc.data(), pixels, k, codes, want.data());
      REQUIRE_MESSAGE(got == want, "channels " << k << ", thresholds " << top);
    }
  });
}
