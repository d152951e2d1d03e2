// What tests feed to kernels, and how they compare what comes out. No Tensor: the kernels' tests are a program of their
// own on processors that the engine is not built for.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/rng.h"

namespace bantam {

// N(mean, scale^2), the same for the same seed.
inline std::vector<float> normal_floats(int64_t n, uint64_t seed, double mean = 0, double scale = 1) {
  const Rng rng(seed, kRngTest);
  std::vector<float> v(static_cast<size_t>(n));
  for (size_t i = 0; i < v.size(); ++i) v[i] = float(mean + scale * rng.normal(i));
  return v;
}

// The same with a 0 in the middle: where activations bend.
inline std::vector<float> floats_with_zero(int64_t n, uint64_t seed) {
  std::vector<float> v = normal_floats(n, seed);
  if (!v.empty()) v[v.size() / 2] = 0.0f;
  return v;
}

inline std::vector<uint8_t> random_bytes(size_t n, uint64_t seed) {
  const Rng rng(seed, kRngTest, 1);
  std::vector<uint8_t> v(n);
  for (size_t i = 0; i < n; ++i) v[i] = uint8_t(rng.bits(i));
  return v;
}

// Memory for a kernel: 64-byte aligned, filled with rubbish and with guards behind it.
struct GuardedMemory {
  explicit GuardedMemory(size_t bytes) : size(bytes), all(bytes + 2 * 64, 0xA5) {}
  uint8_t* data() { return all.data() + (64 - reinterpret_cast<uintptr_t>(all.data()) % 64) % 64; }
  bool guards_stand() {
    for (size_t i = size; i < size + 64; ++i)
      if (data()[i] != 0xA5) return false;
    return true;
  }
  size_t size;
  std::vector<uint8_t> all;
};

inline std::vector<double> widened(const std::vector<float>& v) { return {v.begin(), v.end()}; }

// Also of NaN and of the sign of 0.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// The largest |a - b|; infinite where the sizes differ or a difference is no number.
template <class T> double worst_difference(const std::vector<float>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = std::fabs(double(a[i]) - double(b[i]));
    worst = std::isnan(difference) ? INFINITY : std::fmax(worst, difference);
  }
  return worst;
}

// Whether MulAdd rounds once on this target (hwy::TargetName); on SSE it rounds the product, too, and a chain of sums
// has other bits.
inline bool fuses(const std::string& target) { return !target.starts_with("SSE") && target != "SSSE3"; }

}  // namespace bantam
