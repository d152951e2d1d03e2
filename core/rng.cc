#include "core/rng.h"

#include <cmath>
#include <numbers>

#include "bantam_fault.h"

namespace bantam {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53u) * c[0];
    const uint64_t p1 = uint64_t(0xCD9E8D57u) * c[2];
    c = {uint32_t(p1 >> 32) ^ c[1] ^ k[0], uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k[1], uint32_t(p0)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

Rng::Rng(uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b) {
  // The key is the seed; what the stream is for is hashed into 64 bits of the counter by the same function.
  key_ = {uint32_t(seed), uint32_t(seed >> 32)};
  const auto h1 = philox({uint32_t(a), uint32_t(a >> 32), purpose, 0x62616E74u}, key_);
  const auto h2 = philox({uint32_t(b), uint32_t(b >> 32), h1[0], h1[1]}, key_);
  stream_ = uint64_t(h2[1]) << 32 | h2[0];
}

std::array<uint32_t, 4> Rng::four_bits(uint64_t i) const {
  return philox({uint32_t(i), uint32_t(i >> 32), uint32_t(stream_), uint32_t(stream_ >> 32)}, key_);
}
uint32_t Rng::bits(uint64_t i) const {
#ifdef BANTAM_FAULT_RNG_REPEAT
  return four_bits(i / 8)[i % 4];
#else
  return four_bits(i / 4)[i % 4];
#endif
}

float Rng::uniform(uint64_t i) const { return float(bits(i) >> 8) * 0x1p-24f; }

// [0, 1) of 53 bits from two numbers.
static double fraction(uint32_t a, uint32_t b) { return double(uint64_t(a >> 5) * 67108864 + (b >> 6)) * 0x1p-53; }

double Rng::uniform64(uint64_t i) const { return fraction(bits(2 * i), bits(2 * i + 1)); }

double Rng::normal(uint64_t i) const {
  const auto four = four_bits(i);  // the uniform numbers 2 i and 2 i + 1
  const double u = 1.0 - fraction(four[0], four[1]);  // (0, 1]: the logarithm is finite
  const double v = fraction(four[2], four[3]);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

uint32_t Rng::below(uint64_t i, uint32_t n) const { return uint32_t(uint64_t(bits(i)) * n >> 32); }

std::vector<uint32_t> Rng::permutation(uint32_t n) const {
  std::vector<uint32_t> p(n);
  for (uint32_t i = 0; i < n; ++i) p[i] = i;
  for (uint32_t i = n; i > 1; --i) std::swap(p[i - 1], p[below(i, i)]);
  return p;
}

}  // namespace bantam
