#include "ops/kernels/bitpack.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/base/fixed_point.h"
#include "ops/kernels/bitpack_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

TEST_CASE("pack_signs: zero and minus zero are +1, NaN is -1, the least significant bit comes first") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0.0f, -0.0f, nan, -nan, inf, -inf, 1e-45f, -1e-45f, 2.0f, -2.0f};
  for (int64_t repeat : {1, 8}) {  // alone, and where whole vectors are taken
    std::vector<float> y;
    for (int64_t i = 0; i < repeat; ++i) y.insert(y.end(), x.begin(), x.begin() + 8);
    for_each_target([&](const std::string& target) {
      CAPTURE(target);
      std::vector<uint64_t> bits(1, ~uint64_t(0));
      pack_signs(y.data(), 1, int64_t(y.size()), bits.data());
      uint64_t want = 0;
      for (int64_t i = 0; i < repeat; ++i) want |= uint64_t(0x53) << (8 * i);  // 0, -0, inf, smallest
      CHECK(bits[0] == want);
    });
  }
  std::vector<uint64_t> bits(1);
  pack_signs(x.data(), 1, 10, bits.data());
  CHECK(bits[0] == 0x153);
}

TEST_CASE("pack_signs: equals its definition at every number of channels from 1 to 257, pad bits 0") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t c = 1; c <= 257; ++c) {
      const int64_t pixels = 3, words = int64_t(words_for(size_t(c)));
      const std::vector<float> x = normal_floats(pixels * c, uint64_t(c));
      std::vector<uint64_t> got(size_t(pixels * words) + 1, ~uint64_t(0)), want(got.size(), ~uint64_t(0));
      pack_signs(x.data(), pixels, c, got.data());
      ref::pack_signs(x.data(), pixels, c, want.data());
      REQUIRE_MESSAGE(got == want, "channels " << c);  // the word beyond the end is as it was
      if (c % 64 != 0)
        for (int64_t p = 0; p < pixels; ++p) REQUIRE((got[size_t(p * words + words - 1)] >> (c % 64)) == 0);
    }
  });
}

TEST_CASE("unpack_signs: gives back the signs, whatever the pad bits are, and writes nothing beyond") {
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    for (int64_t c = 1; c <= 130; ++c) {
      const int64_t pixels = 2, words = int64_t(words_for(size_t(c)));
      const std::vector<float> x = normal_floats(pixels * c, uint64_t(c) + 1000);
      std::vector<uint64_t> bits(size_t(pixels * words));
      pack_signs(x.data(), pixels, c, bits.data());
      if (c % 64 != 0)
        for (int64_t p = 0; p < pixels; ++p) bits[size_t(p * words + words - 1)] |= ~uint64_t(0) << (c % 64);
      std::vector<float> y(x.size() + 1, 7.0f);
      unpack_signs(bits.data(), pixels, c, y.data());
      for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == sign_value(x[i]));
      REQUIRE(y.back() == 7.0f);
    }
  });
}
