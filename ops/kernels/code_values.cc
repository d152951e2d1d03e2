#include "ops/kernels/code_values.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/code_values.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "ops/kernels/code_values_ref.h"
#include "ops/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

using DI = hn::RebindToSigned<DF>;
using DU8 = hn::Rebind<uint8_t, DI>;

void RoundToCodes(const float* x, float factor, int32_t lo, int32_t hi, uint8_t* bytes, int64_t n) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const DF d;
  // Adding 1.5 * 2^23 leaves no fraction bits and rounds half to even, as fixed_point.h has it; the bounds come first.
  const VF f = hn::Set(d, factor), low = hn::Set(d, float(lo)), high = hn::Set(d, float(hi));
  const VF shift = hn::Set(d, 12582912.0f);
  const auto first = hn::Set(DI(), lo);
  for (; i + kLanes <= n; i += kLanes) {
    const VF v = hn::Mul(hn::LoadU(d, x + i), f);
    const VF above = hn::IfThenElse(hn::Gt(v, low), v, low);  // NaN is not above
    const VF inside = hn::IfThenElse(hn::Lt(above, high), above, high);
    const VF whole = hn::Sub(hn::Add(inside, shift), shift);
    hn::StoreU(hn::DemoteTo(DU8(), hn::Sub(hn::ConvertTo(DI(), whole), first)), DU8(), bytes + i);
  }
#endif
  for (; i < n; ++i) bytes[i] = ref::round_to_code(x[i], factor, lo, hi);
}

void CodesToF32(const uint8_t* bytes, int32_t mul, int32_t add, float* y, int64_t n) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const auto m = hn::Set(DI(), mul), a = hn::Set(DI(), add);
  for (; i + kLanes <= n; i += kLanes) {
    const auto codes = hn::Add(hn::Mul(hn::PromoteTo(DI(), hn::LoadU(DU8(), bytes + i)), m), a);
    hn::StoreU(hn::ConvertTo(DF(), codes), DF(), y + i);
  }
#endif
  for (; i < n; ++i) y[i] = float(ref::code(bytes[i], mul, add));
}

void CountThresholds(const float* x, const float* thresholds, int32_t count, uint8_t* bytes, int64_t n) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const DF d;
  for (; i + kLanes <= n; i += kLanes) {
    const VF v = hn::LoadU(d, x + i);
    auto below = hn::Zero(DI());
    for (int32_t j = 0; j < count; ++j)  // a lane of a true mask is -1
      below = hn::Sub(below, hn::BitCast(DI(), hn::VecFromMask(d, hn::Ge(v, hn::Set(d, thresholds[j])))));
    hn::StoreU(hn::DemoteTo(DU8(), below), DU8(), bytes + i);
  }
#endif
  for (; i < n; ++i) bytes[i] = ref::count_thresholds(x[i], thresholds, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(RoundToCodes);
HWY_EXPORT(CodesToF32);
HWY_EXPORT(CountThresholds);

void round_to_codes(const float* x, float factor, int32_t lo, int32_t hi, uint8_t* bytes, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(RoundToCodes)(x, factor, lo, hi, bytes, n);
}
void codes_to_f32(const uint8_t* bytes, int32_t mul, int32_t add, float* y, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(CodesToF32)(bytes, mul, add, y, n);
}
void count_thresholds_f32(const float* x, const float* thresholds, int32_t count, uint8_t* bytes, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(CountThresholds)(x, thresholds, count, bytes, n);
}
void steps_f32(const float* x, const float* thresholds, const float* values, int32_t count, float* y,
               int64_t n) noexcept {
  constexpr int64_t kBytes = 512;
  uint8_t bytes[kBytes];
  for (int64_t i = 0; i < n; i += kBytes) {
    const int64_t m = n - i < kBytes ? n - i : kBytes;
    count_thresholds_f32(x + i, thresholds, count, bytes, m);
    for (int64_t j = 0; j < m; ++j) y[i + j] = values[bytes[j]];
  }
}

}  // namespace bantam
#endif
