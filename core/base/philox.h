// Philox 4x32-10 (Salmon et al. 2011), a block of four random numbers as a pure function of a counter and a key: the
// definition, for core/rng.h and for the kernels that make many at once.
#pragma once

#include <cstdint>

namespace bantam {

constexpr uint32_t kPhiloxMultiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
constexpr uint32_t kPhiloxKeyStep[2] = {0x9E3779B9u, 0xBB67AE85u};

struct PhiloxBlock {
  uint32_t word[4];
};

constexpr PhiloxBlock philox_block(PhiloxBlock c, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(kPhiloxMultiplier[0]) * c.word[0], p1 = uint64_t(kPhiloxMultiplier[1]) * c.word[2];
    c = {{uint32_t(p1 >> 32) ^ c.word[1] ^ key0, uint32_t(p1), uint32_t(p0 >> 32) ^ c.word[3] ^ key1, uint32_t(p0)}};
    key0 += kPhiloxKeyStep[0];
    key1 += kPhiloxKeyStep[1];
  }
  return c;
}

// A stream of numbers: number 4 i + j is word j of block i, whose counter is (i, stream), low words first.
struct PhiloxStream {
  uint32_t key[2];
  uint64_t stream;

  constexpr PhiloxBlock block(uint64_t i) const {
    return philox_block({{uint32_t(i), uint32_t(i >> 32), uint32_t(stream), uint32_t(stream >> 32)}}, key[0], key[1]);
  }
};

}  // namespace bantam
