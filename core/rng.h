// Random numbers by counter: the i-th number of a stream is a pure function of (seed, stream, i) (Philox 4x32-10,
// Salmon et al. 2011). There is no state to save: a resumed run repeats nothing and skips nothing, and a result does
// not depend on which thread drew it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/base/philox.h"

namespace bantam {

// The Philox 4x32-10 block function.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// A stream: seed, and up to three numbers that say what it is for, e.g. Rng(seed, kAugment, epoch, sample).
class Rng {
 public:
  Rng(uint64_t seed, uint32_t purpose, uint64_t a = 0, uint64_t b = 0);

  uint32_t bits(uint64_t i) const;           // the i-th 32-bit number
  std::array<uint32_t, 4> four_bits(uint64_t i) const;  // numbers 4 i to 4 i + 3, for a quarter of the work
  float uniform(uint64_t i) const;           // [0, 1), 24 bits
  double uniform64(uint64_t i) const;        // [0, 1), 53 bits
  double normal(uint64_t i) const;           // mean 0, standard deviation 1 (Box-Muller)
  uint32_t below(uint64_t i, uint32_t n) const;  // [0, n), n > 0: unbiased to 2^-32
  // A permutation of 0 .. n-1 (Fisher-Yates over this stream).
  std::vector<uint32_t> permutation(uint32_t n) const;

  const PhiloxStream& stream() const { return stream_; }  // for kernels that draw many numbers at once

 private:
  PhiloxStream stream_;
};

// The number that a name stands for in a stream (FNV-1a), so that what a node or a parameter draws depends on neither
// its place nor on what else is in the net.
uint64_t stream_of(std::string_view name);

// What a stream is for. Numbers are part of what a checkpoint promises: never renumber.
enum RngPurpose : uint32_t {
  kRngInit = 1,     // initial weights
  kRngShuffle = 2,  // order of an epoch
  kRngAugment = 3,  // crops, flips
  kRngDropout = 4,
  kRngCrop = 5,   // random resized crops
  kRngColor = 6,  // color jitter, lighting
  kRngQuantize = 7,  // stochastic quantizers
  kRngTest = 99,
};

}  // namespace bantam
