#include "core/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

using namespace bantam;

TEST_CASE("philox: the published test vectors of Philox 4x32-10") {
  using A = std::array<uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == A{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == A{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        A{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("rng: streams differ by seed, purpose and both numbers, and are functions of the counter") {
  const Rng a(1, kRngTest, 2, 3);
  CHECK(a.bits(7) == Rng(1, kRngTest, 2, 3).bits(7));
  for (const Rng& b :
       {Rng(2, kRngTest, 2, 3), Rng(1, kRngInit, 2, 3), Rng(1, kRngTest, 3, 3), Rng(1, kRngTest, 2, 4)}) {
    int equal = 0;
    for (uint64_t i = 0; i < 100; ++i) equal += a.bits(i) == b.bits(i);
    CHECK(equal == 0);
  }
}

TEST_CASE("rng: a stream does not repeat itself") {
  const Rng r(5, kRngTest);
  std::vector<uint32_t> seen;
  for (uint64_t i = 0; i < 1000; ++i) seen.push_back(r.bits(i));
  std::sort(seen.begin(), seen.end());
  // 1000 of 2^32 numbers: that two are equal by chance has probability 1e-4, and this seed is not the case.
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
}

TEST_CASE("rng: uniform, normal and below have the moments they should (5 sigma)") {
  const Rng r(5, kRngTest);
  const int n = 20000;
  double u = 0, g = 0, g2 = 0, k = 0;
  for (int i = 0; i < n; ++i) {
    u += r.uniform(uint64_t(i));
    g += r.normal(uint64_t(i));
    g2 += r.normal(uint64_t(i)) * r.normal(uint64_t(i));
    k += r.below(uint64_t(i), 10);
    CHECK(r.uniform64(uint64_t(i)) < 1.0);
  }
  CHECK(std::abs(u / n - 0.5) < 5 * std::sqrt(1.0 / 12 / n));
  CHECK(std::abs(g / n) < 5 / std::sqrt(double(n)));
  CHECK(std::abs(g2 / n - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(k / n - 4.5) < 5 * std::sqrt(8.25 / n));
}

TEST_CASE("rng: normal is Box-Muller of two uniform numbers, and four_bits are four numbers of the stream") {
  const Rng rng(3, kRngTest, 1, 2);
  for (uint64_t i : {uint64_t(0), uint64_t(1), uint64_t(77), uint64_t(1) << 40}) {
    const double u = 1 - rng.uniform64(2 * i), v = rng.uniform64(2 * i + 1);
    CHECK(rng.normal(i) == std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v));
    for (uint64_t j = 0; j < 4; ++j) CHECK(rng.four_bits(i)[j] == rng.bits(4 * i + j));
  }
}

TEST_CASE("rng: a permutation holds each index once and differs between epochs") {
  auto p = Rng(1, kRngShuffle, 0).permutation(1000), q = Rng(1, kRngShuffle, 1).permutation(1000);
  CHECK(p != q);
  std::sort(p.begin(), p.end());
  for (uint32_t i = 0; i < 1000; ++i) CHECK(p[i] == i);
}
