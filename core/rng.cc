#include "core/rng.h"

#include <cmath>
#include <numbers>

#include "bantam_fault.h"

namespace bantam {

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  const PhiloxBlock b = philox_block({{c[0], c[1], c[2], c[3]}}, k[0], k[1]);
  return {b.word[0], b.word[1], b.word[2], b.word[3]};
}

Rng::Rng(uint64_t seed, uint32_t purpose, uint64_t a, uint64_t b) {
  // The key is the seed; what the stream is for is hashed into 64 bits of the counter by the same function.
  const std::array<uint32_t, 2> key = {uint32_t(seed), uint32_t(seed >> 32)};
  const auto h1 = philox({uint32_t(a), uint32_t(a >> 32), purpose, 0x62616E74u}, key);
  const auto h2 = philox({uint32_t(b), uint32_t(b >> 32), h1[0], h1[1]}, key);
  stream_ = {{key[0], key[1]}, uint64_t(h2[1]) << 32 | h2[0]};
}

std::array<uint32_t, 4> Rng::four_bits(uint64_t i) const {
  const PhiloxBlock b = stream_.block(i);
  return {b.word[0], b.word[1], b.word[2], b.word[3]};
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

double Rng::uniform64(uint64_t i) const {  // of the numbers 2 i and 2 i + 1, halves of one block
  const PhiloxBlock b = stream_.block(i / 2);
  return i % 2 ? fraction(b.word[2], b.word[3]) : fraction(b.word[0], b.word[1]);
}

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

uint64_t stream_of(std::string_view name) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (unsigned char ch : name) h = (h ^ ch) * 0x100000001b3ull;
  return h;
}

}  // namespace bantam
