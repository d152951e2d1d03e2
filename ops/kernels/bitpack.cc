#include "ops/kernels/bitpack.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/bitpack.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "core/base/fixed_point.h"

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
constexpr int64_t kLanes = hn::MaxLanes(D());

// The bits of the first n <= 64 elements at x.
HWY_INLINE uint64_t sign_word(const float* x, int64_t n) {
  const D d;
  const auto zero = hn::Zero(d);
  uint64_t word = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    uint64_t lanes = 0;
    hn::StoreMaskBits(d, hn::Ge(hn::LoadU(d, x + i), zero), reinterpret_cast<uint8_t*>(&lanes));
    word |= lanes << i;
  }
  for (; i < n; ++i) word |= uint64_t(sign_bit(x[i])) << i;
  return word;
}

void PackSigns(const float* x, int64_t pixels, int64_t channels, uint64_t* bits) {
  const int64_t full = channels / kWordBits, rest = channels % kWordBits;
  for (int64_t p = 0; p < pixels; ++p, x += rest) {
    for (int64_t i = 0; i < full; ++i, x += kWordBits) *bits++ = sign_word(x, kWordBits);
    if (rest > 0) *bits++ = sign_word(x, rest);
  }
}

HWY_INLINE void unpack_word(uint64_t word, int64_t n, float* x) {
  const D d;
  const auto plus = hn::Set(d, 1.0f), minus = hn::Set(d, -1.0f);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const uint64_t lanes = word >> i;
    hn::StoreU(hn::IfThenElse(hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&lanes)), plus, minus), d, x + i);
  }
  for (; i < n; ++i) x[i] = word >> i & 1 ? 1.0f : -1.0f;
}

void UnpackSigns(const uint64_t* bits, int64_t pixels, int64_t channels, float* x) {
  const int64_t full = channels / kWordBits, rest = channels % kWordBits;
  for (int64_t p = 0; p < pixels; ++p, x += rest) {
    for (int64_t i = 0; i < full; ++i, x += kWordBits) unpack_word(*bits++, kWordBits, x);
    if (rest > 0) unpack_word(*bits++, rest, x);
  }
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(PackSigns);
HWY_EXPORT(UnpackSigns);

void pack_signs(const float* x, int64_t pixels, int64_t channels, uint64_t* bits) noexcept {
  HWY_DYNAMIC_DISPATCH(PackSigns)(x, pixels, channels, bits);
}
void unpack_signs(const uint64_t* bits, int64_t pixels, int64_t channels, float* x) noexcept {
  HWY_DYNAMIC_DISPATCH(UnpackSigns)(bits, pixels, channels, x);
}

}  // namespace bantam
#endif
