// How a tensor is quantized: part of a layer's config.
#pragma once

#include <cstdint>

namespace bantam {

// The codebook: of its entries the nearest is taken. [Eq. 3.8]
enum class Scheme : uint8_t {
  kNone,  // real values
  kSign,  // 1 bit: sign(x), +1 for x >= 0 (BinaryConnect's and BNN's weights, BNN's activations)
};
constexpr const char* name_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return "none";
    case Scheme::kSign:
      return "sign";
  }
  return nullptr;
}
// Bits of one code.
constexpr int bits_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return 32;
    case Scheme::kSign:
      return 1;
  }
  return 0;
}
// Whether the codebook tells values apart by their sign alone: values that are never negative would all have one code.
constexpr bool needs_both_signs(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return false;
    case Scheme::kSign:
      return true;
  }
  return false;
}
// The gradient that stands in for that of the quantizer (straight-through estimator). [Eq. 3.10]
enum class Surrogate : uint8_t {
  kIdentity,  // dx = dq
  kClip,      // dx = dq where |x| <= 1, else 0
};
constexpr const char* name_of(Surrogate surrogate) {
  switch (surrogate) {
    case Surrogate::kIdentity:
      return "identity";
    case Surrogate::kClip:
      return "clip";
  }
  return nullptr;
}
// Whether the gradient is dropped where |x| > 1; handed on everywhere otherwise.
constexpr bool is_clipped(Surrogate surrogate) {
  switch (surrogate) {
    case Surrogate::kIdentity:
      return false;
    case Surrogate::kClip:
      return true;
  }
  return false;
}
struct QuantSpec {
  Scheme scheme = Scheme::kNone;
  Surrogate surrogate = Surrogate::kIdentity;
  bool operator==(const QuantSpec&) const = default;
};

}  // namespace bantam
