#include "core/base/half.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/rng.h"

using namespace bantam;

namespace {

// By its definition: the nearest multiple of the step that the exponent leaves.
double nearest_of(double x, int fraction, int least, double largest) {
  if (x == 0 || !std::isfinite(x)) return x;
  const double step = std::ldexp(1.0, std::max(std::ilogb(x), least) - fraction), y = std::nearbyint(x / step) * step;
  return std::abs(y) > largest ? std::copysign(largest, x) : y;
}
constexpr double kLargestF16 = 65504, kLargestBf16 = 0x1.fep127;

}  // namespace

TEST_CASE("half: by hand: a third, 65504 and beyond, the least numbers, ties to even") {
  CHECK(narrow_f16(1) == 0x3C00);
  CHECK(narrow_f16(-2) == 0xC000);
  CHECK(narrow_f16(1.0 / 3) == 0x3555);
  CHECK(narrow_f16(65504) == 0x7BFF);
  CHECK(narrow_f16(1e9) == 0x7BFF);
  CHECK(narrow_f16(-1e9) == 0xFBFF);
  CHECK(narrow_f16(0x1p-24) == 1);
  CHECK(narrow_f16(0x1p-25) == 0);  // half way between 0 and the least
  CHECK(narrow_f16(0x1.8p-24) == 2);
  CHECK(narrow_f16(0x1p-1060) == 0);
  CHECK(narrow_f16(-0.0) == 0x8000);
  CHECK(narrow_f16(1 + 0x1p-11) == 0x3C00);
  CHECK(narrow_f16(1 + 0x3p-11) == 0x3C02);
  CHECK(narrow_bf16(1) == 0x3F80);
  CHECK(narrow_bf16(1.0 / 3) == 0x3EAB);
  CHECK(narrow_bf16(3.4e38) == 0x7F7F);
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(narrow_f16(infinity) == 0x7C00);
  CHECK(narrow_bf16(-infinity) == 0xFF80);
  CHECK(narrow_f16(nan) == 0x7E00);
  CHECK(narrow_bf16(nan) == 0x7FC0);
}

TEST_CASE("half: each of the 65536 numbers comes back from its value, and widening is exact") {
  int wrong = 0;
  for (uint32_t i = 0; i < 65536; ++i) {
    const uint16_t h = uint16_t(i);
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                         : exponent     ? std::ldexp(1024 + fraction, exponent - 25)
                                        : std::ldexp(fraction, -24);
    const float wide = widen_f16(h), brain = widen_bf16(h);
    if (std::isnan(value)) {
      wrong += !std::isnan(wide) || !std::isnan(widen_f16(narrow_f16(double(wide))));
    } else {
      wrong += double(std::abs(wide)) != value || std::signbit(wide) != (h >> 15 & 1);
      wrong += narrow_f16(double(wide)) != h;
    }
    wrong += std::bit_cast<uint32_t>(brain) != i << 16;
    wrong += std::isnan(brain) ? !std::isnan(widen_bf16(narrow_bf16(double(brain)))) : narrow_bf16(double(brain)) != h;
  }
  CHECK(wrong == 0);
}

TEST_CASE("half: any number becomes the nearest, also half way between two and near the ends") {
  const Rng rng(1, kRngTest, 7);
  int wrong = 0;
  const auto check = [&](double x) {
    wrong += double(widen_f16(narrow_f16(x))) != nearest_of(x, 10, -14, kLargestF16);
    wrong += double(widen_bf16(narrow_bf16(x))) != nearest_of(x, 7, -126, kLargestBf16);
  };
  for (uint64_t i = 0; i < 100000; ++i) {
    const double x = std::ldexp(1 + double(rng.uniform(2 * i)), int(rng.below(2 * i + 1, 320)) - 160);
    check(x), check(-x), check(double(float(x)));
  }
  for (uint32_t i = 0; i < 31744; ++i) {  // ties between neighbors, and the doubles beside them
    const double a = double(widen_f16(uint16_t(i))), b = i == 31743 ? 65536 : double(widen_f16(uint16_t(i + 1)));
    const double tie = (a + b) / 2;
    check(tie), check(std::nextafter(tie, 0)), check(std::nextafter(tie, 1e9)), check(-tie);
  }
  for (uint32_t i = 0; i < 0x7F7F; ++i) {
    const double tie = (double(widen_bf16(uint16_t(i))) + double(widen_bf16(uint16_t(i + 1)))) / 2;
    check(tie), check(std::nextafter(tie, 0)), check(std::nextafter(tie, 1e39)), check(-tie);
  }
  CHECK(wrong == 0);
}
