// Floats of 16 bits: IEEE binary16 (f16: 5 bits of exponent, 10 of fraction) and bfloat16 (8 and 7), as bits in a
// uint16_t.
#pragma once

#include <bit>
#include <cstdint>

namespace bantam {

// Exact.
constexpr float widen_f16(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13);  // infinity, NaN
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  const float magnitude = float(fraction) * 0x1p-24f;  // zero, subnormal
  return sign ? -magnitude : magnitude;
}
constexpr float widen_bf16(uint16_t b) { return std::bit_cast<float>(uint32_t(b) << 16); }

// The nearest, half way to even, from the value itself in one rounding. Finite numbers beyond the largest become the
// largest; infinities stay; a NaN becomes the quiet one of its sign.
template <int kExponentBits>
constexpr uint16_t narrow_to_16(double x) {
  constexpr int kFraction = 15 - kExponentBits, kBias = (1 << (kExponentBits - 1)) - 1;
  constexpr uint16_t kInfinity = uint16_t(((1 << kExponentBits) - 1) << kFraction);
  const uint64_t bits = std::bit_cast<uint64_t>(x), magnitude = bits & ~(uint64_t(1) << 63);
  const uint16_t sign = uint16_t(bits >> 63 << 15);
  constexpr uint64_t kInfinity64 = uint64_t(0x7FF) << 52;
  if (magnitude > kInfinity64) return uint16_t(sign | kInfinity | 1 << (kFraction - 1));
  if (magnitude == kInfinity64) return uint16_t(sign | kInfinity);
  // Of the 53 digits those are kept that are worth at least 2^(least - kFraction).
  const int exponent = int(magnitude >> 52) - 1023, least = exponent > 1 - kBias ? exponent : 1 - kBias;
  const int drop = 52 - kFraction + least - exponent;
  if (drop > 53) return sign;  // below half of the smallest; f64's own subnormals as well
  const uint64_t digits = (uint64_t(1) << 52) | (magnitude & ((uint64_t(1) << 52) - 1));
  const uint64_t half = uint64_t(1) << (drop - 1), rest = digits & (2 * half - 1);
  uint64_t kept = digits >> drop;
  kept += rest > half || (rest == half && (kept & 1));
  // The leading digit of a normal number is the exponent's; what carries into it is the next exponent's.
  const uint64_t all = (uint64_t(least + kBias - 1) << kFraction) + kept;
  return uint16_t(sign | (all < kInfinity ? all : kInfinity - 1u));
}
constexpr uint16_t narrow_f16(double x) { return narrow_to_16<5>(x); }
constexpr uint16_t narrow_bf16(double x) { return narrow_to_16<8>(x); }

}  // namespace bantam
