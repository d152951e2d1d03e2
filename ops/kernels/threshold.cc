#include "ops/kernels/threshold.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/threshold.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "core/base/fixed_point.h"

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<int32_t>;
constexpr int64_t kLanes = hn::MaxLanes(D());

// The bits, not yet flipped, of 0 < n <= 64 sums.
HWY_INLINE uint64_t inside_word(const int32_t* acc, const int32_t* lo, const int32_t* hi, int64_t n) {
  const D d;
  uint64_t word = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto v = hn::LoadU(d, acc + i);
    // Highway 1.0.3 has no integer >= on every target.
    const auto outside = hn::Or(hn::Gt(hn::LoadU(d, lo + i), v), hn::Gt(v, hn::LoadU(d, hi + i)));
    uint64_t lanes = 0;
    hn::StoreMaskBits(d, outside, reinterpret_cast<uint8_t*>(&lanes));
    word |= lanes << i;
  }
  for (; i < n; ++i) word |= uint64_t(acc[i] < lo[i] || acc[i] > hi[i]) << i;
  return ~word & (~uint64_t(0) >> (kWordBits - n));
}

void ThresholdBits(const int32_t* acc, int64_t pixels, int64_t k, const Thresholds& t, uint64_t* bits) {
  const int64_t full = k / kWordBits, rest = k % kWordBits;
  for (int64_t p = 0; p < pixels; ++p, acc += k) {
    for (int64_t i = 0; i < full; ++i)
      *bits++ = inside_word(acc + i * kWordBits, t.lo + i * kWordBits, t.hi + i * kWordBits, kWordBits) ^ t.flip[i];
    if (rest > 0) {
      const int64_t c = full * kWordBits;
      *bits++ = inside_word(acc + c, t.lo + c, t.hi + c, rest) ^ t.flip[full];
    }
  }
}

void ThresholdCodes(const int32_t* acc, int64_t pixels, int64_t k, const CodeThresholds& t, uint8_t* bytes) {
  const D d;
  for (int64_t p = 0; p < pixels; ++p, acc += k, bytes += k) {
    int64_t c = 0;
#if HWY_TARGET != HWY_SCALAR
    const hn::Rebind<uint8_t, D> narrow;
    for (; c + kLanes <= k; c += kLanes) {
      // The channel's sign as 0 or -1: (v ^ s) - s is v or -v.
      const uint64_t word = t.falls[c / kWordBits] >> (c % kWordBits);
      HWY_ALIGN int32_t sign[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) sign[i] = -int32_t(word >> i & 1);
      const auto s = hn::Load(d, sign);
      const auto v = hn::Sub(hn::Xor(hn::LoadU(d, acc + c), s), s);
      auto count = hn::Set(d, int32_t(t.top));
      for (int64_t j = 0; j < t.top; ++j)
        count = hn::Add(count, hn::VecFromMask(d, hn::Gt(hn::LoadU(d, t.t + j * t.step + c), v)));
      hn::StoreU(hn::DemoteTo(narrow, count), narrow, bytes + c);
    }
#else
    (void)d;
#endif
    for (; c < k; ++c) {
      const bool falls = t.falls[c / kWordBits] >> (c % kWordBits) & 1;
      const int32_t v = falls ? -acc[c] : acc[c];
      int count = 0;
      for (int64_t j = 0; j < t.top; ++j) count += t.t[j * t.step + c] <= v;
      bytes[c] = uint8_t(count);
    }
  }
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(ThresholdBits);
HWY_EXPORT(ThresholdCodes);

void threshold_bits(const int32_t* acc, int64_t pixels, int64_t k, const Thresholds& t, uint64_t* bits) noexcept {
  HWY_DYNAMIC_DISPATCH(ThresholdBits)(acc, pixels, k, t, bits);
}
void threshold_codes(const int32_t* acc, int64_t pixels, int64_t k, const CodeThresholds& t, uint8_t* bytes) noexcept {
  HWY_DYNAMIC_DISPATCH(ThresholdCodes)(acc, pixels, k, t, bytes);
}

}  // namespace bantam
#endif
