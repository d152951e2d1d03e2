#include "ops/kernels_train/color_u8.h"

#include <doctest/doctest.h>

#include <vector>

#include "ops/kernels_train/color_u8_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

// Fewer, as many and more pixels than a vector and than a block have, a prime among them.
constexpr int64_t kPixels[] = {0, 1, 3, 4, 15, 16, 17, 63, 64, 65, 255, 256, 257, 521};

// `change` of both, on each number of pixels: the same bytes, and the byte behind them as it was.
template <class F, class Ref> void check(F change, Ref definition) {
  for (const int64_t n : kPixels) {
    CAPTURE(n);
    std::vector<uint8_t> got = random_bytes(size_t(3 * n), uint64_t(n) + 1), want = got;
    got.push_back(77), want.push_back(77);
    change(got.data(), n);
    definition(want.data(), n);
    CHECK(got == want);
  }
}

}  // namespace

TEST_CASE("color_u8: blends and grays equal their definitions on every number of pixels, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (const float factor : {0.0f, 0.37f, 1.0f, 1.63f, 3.0f}) {
      CAPTURE(factor);
      for (const int with : {0, 99, 255})
        check([&](uint8_t* p, int64_t n) { blend_u8(p, 3 * n, with, factor); },
              [&](uint8_t* p, int64_t n) { ref::blend_u8(p, 3 * n, with, factor); });
      check([&](uint8_t* p, int64_t n) { blend_gray_u8(p, n, factor); },
            [&](uint8_t* p, int64_t n) { ref::blend_gray_u8(p, n, factor); });
    }
    for (const int64_t n : kPixels) {
      const std::vector<uint8_t> pixels = random_bytes(size_t(3 * n), 9);
      CHECK(gray_sum_u8(pixels.data(), n) == ref::gray_sum_u8(pixels.data(), n));
    }
  });
}

TEST_CASE("color_u8: a turned hue equals its definition on every number of pixels, on every target") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (const int turn : {0, 1, 25, 128, 200, 255})
      check([&](uint8_t* p, int64_t n) { turn_hue_u8(p, n, uint8_t(turn)); },
            [&](uint8_t* p, int64_t n) { ref::turn_hue_u8(p, n, uint8_t(turn)); });
  });
}

TEST_CASE("color_u8: a turned hue equals its definition for colors of every least, middle and most, in each order") {
  // Hue and saturation depend on these three and on their order: every 7th of the 2.8 million triples, in one of the
  // six orders by turns.
  std::vector<uint8_t> colors, want;
  int skip = 0;
  for (int low = 0; low < 256; ++low)
    for (int middle = low; middle < 256; ++middle)
      for (int high = middle; high < 256; ++high) {
        if (++skip % 7 != 0) continue;
        const uint8_t v[3] = {uint8_t(low), uint8_t(middle), uint8_t(high)};
        const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        for (const int k : orders[skip / 7 % 6]) colors.push_back(v[k]);
      }
  const auto n = int64_t(colors.size() / 3);
  for (const int turn : {0, 91}) {
    want = colors;
    ref::turn_hue_u8(want.data(), n, uint8_t(turn));
    for_each_target([&](const std::string& target) {
      std::vector<uint8_t> got = colors;
      turn_hue_u8(got.data(), n, uint8_t(turn));
      CHECK_MESSAGE(got == want, target << ", turn " << turn);
    });
  }
}
