#include "ops/kernels/code_values.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "ops/kernels/code_values_ref.h"
#include "tests/ops/each_target.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

struct Bounds {
  int32_t lo, hi;
};
constexpr Bounds kBounds[] = {{0, 1}, {0, 3}, {0, 255}, {-1, 1}, {-127, 127}, {-7, 7}, {-255, 0}, {200, 255}, {3, 3}};
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

// Multiples of 1/8 around both bounds, all ties among them, and what is no ordinary number.
std::vector<float> inputs(const Bounds& b, float factor, int64_t n) {
  const std::vector<float> odd = {kNan,  -kNan,  kInfinity, -kInfinity,  0.0f,       -0.0f,       1e-45f,
                                  3e38f, -3e38f, -1e-45f,   0.49999997f, 8388609.0f, -8388609.0f, 1e10f};
  std::vector<float> v = normal_floats(n, uint64_t(n) + 5, 0.5 * (b.lo + b.hi), 1 + b.hi - b.lo);
  for (int64_t i = 0; i < n; ++i) {
    if (i % 3 == 0) v[size_t(i)] = (float(b.lo) - 2.0f + float(i % 97) / 8.0f) / factor;
    if (i % 3 == 1) v[size_t(i)] = (float(b.hi) + 2.0f - float(i % 89) / 8.0f) / factor;
    if (i % 5 == 2) v[size_t(i)] = odd[size_t(i / 5) % odd.size()];
  }
  return v;
}

// By libm: the product rounded once, then to the nearest integer, the even one of two.
uint8_t by_nearbyint(float x, float factor, const Bounds& b) {
  const float v = x * factor;
  if (std::isnan(v)) return 0;
  const double whole = std::nearbyint(double(v));
  return uint8_t(std::min(std::max(whole, double(b.lo)), double(b.hi)) - b.lo);
}

TEST_CASE("round_to_codes: equals the definition, and that rounds like nearbyint, on every target and all sizes") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (const Bounds& b : kBounds)
      for (const float factor : {1.0f, 2.0f, 1.0f / 0.5388143754f, 255.0f, 0.3f})
        for (int64_t n = 0; n <= 67; ++n) {
          CAPTURE(b.lo);
          CAPTURE(b.hi);
          CAPTURE(factor);
          CAPTURE(n);
          const std::vector<float> x = inputs(b, factor, n);
          std::vector<uint8_t> got(size_t(n) + 1, 0xA5), want(size_t(n) + 1, 0xA5);
          round_to_codes(x.data(), factor, b.lo, b.hi, got.data(), n);
          for (size_t i = 0; i < size_t(n); ++i) {
            want[i] = by_nearbyint(x[i], factor, b);
            REQUIRE(ref::round_to_code(x[i], factor, b.lo, b.hi) == want[i]);
          }
          REQUIRE(got == want);
        }
  });
}

TEST_CASE("round_to_codes: halves go to the even code, NaN and what lies below to 0, what lies above to the last") {
  const std::vector<float> x = {-1.5f, -0.5f, 0.5f, 1.5f,  2.5f,      3.5f,       0.4999f, 0.5001f, kNan,
                                -9.0f, 9.0f,  3.0f, -0.0f, kInfinity, -kInfinity, 2.4999f, 2.5001f};
  const std::vector<uint8_t> from_zero = {0, 0, 0, 2, 2, 3, 0, 1, 0, 0, 3, 3, 0, 3, 0, 2, 3};
  const std::vector<uint8_t> around_zero = {0, 2, 2, 4, 4, 4, 2, 3, 0, 0, 4, 4, 2, 4, 0, 4, 4};  // codes -2 to 2
  for_each_target([&](const std::string& target) {
    CAPTURE(target);
    std::vector<uint8_t> got(x.size());
    round_to_codes(x.data(), 1, 0, 3, got.data(), int64_t(x.size()));
    CHECK(got == from_zero);
    round_to_codes(x.data(), 1, -2, 2, got.data(), int64_t(x.size()));
    CHECK(got == around_zero);
  });
}

TEST_CASE("round_to_codes: the definition in f64 rounds halves to even, too, and takes NaN to 0") {
  CHECK(ref::round_to_code(0.5, 1.0, 0, 3) == 0);
  CHECK(ref::round_to_code(1.5, 1.0, 0, 3) == 2);
  CHECK(ref::round_to_code(-0.5, 3.0, -3, 3) == 1);  // -1.5 -> -2
  CHECK(ref::round_to_code(std::numeric_limits<double>::quiet_NaN(), 1.0, -3, 3) == 0);
  CHECK(ref::round_to_code(1e300, 1.0, -3, 3) == 6);
}

TEST_CASE("count_thresholds: equals the definition on every target and all sizes; NaN is above none") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    for (int32_t count : {1, 2, 3, 15, 255}) {
      std::vector<float> t;
      for (int32_t j = 0; j < count; ++j) t.push_back(float(j) / 4 - 1);
      for (int64_t n = 0; n <= 67; ++n) {
        CAPTURE(count);
        CAPTURE(n);
        const std::vector<float> x = inputs({-1, count / 4}, 1, n);
        std::vector<uint8_t> got(size_t(n) + 1, 0xA5);
        count_thresholds_f32(x.data(), t.data(), count, got.data(), n);
        REQUIRE(got.back() == 0xA5);
        for (size_t i = 0; i < size_t(n); ++i) {
          REQUIRE(got[i] == std::count_if(t.begin(), t.end(), [&](float v) { return v <= x[i]; }));
          REQUIRE(got[i] == ref::count_thresholds(x[i], t.data(), count));
        }
      }
    }
    const float few[] = {-1, 0, 0, 2}, x[] = {kNan, -2, -1, -0.0f, 1, 2, kInfinity};
    std::vector<uint8_t> got(7);
    count_thresholds_f32(x, few, 4, got.data(), 7);
    CHECK(got == std::vector<uint8_t>{0, 0, 1, 3, 3, 4, 4});
  });
}

TEST_CASE("codes_to_f32: every byte by every grid, on every target and all sizes") {
  for_each_target([](const std::string& target) {
    CAPTURE(target);
    const std::pair<int32_t, int32_t> grids[] = {{1, 0}, {1, -127}, {2, -255}, {2, -3}, {1, -1}, {-1, 255}};
    for (const auto& grid : grids)
      for (int64_t n : {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 67, 256, 257, 509}) {
        const int32_t mul = grid.first, add = grid.second;
        CAPTURE(n);
        CAPTURE(mul);
        std::vector<uint8_t> bytes(size_t(n) + 3);
        for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = uint8_t(i * 7 + size_t(n));
        std::vector<float> got(size_t(n) + 1, 77.0f);
        codes_to_f32(bytes.data() + 1, mul, add, got.data(), n);
        REQUIRE(got.back() == 77.0f);
        for (size_t i = 0; i < size_t(n); ++i) REQUIRE(got[i] == float(mul * int(bytes[i + 1]) + add));
      }
  });
}

}  // namespace
