#include "ops/kernels_train/popcount_burst.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/popcount_burst.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "ops/kernels/static_for-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

HWY_NOINLINE HWY_ATTR int64_t registers_only(int64_t turns, const uint64_t* words, uint64_t* value) {
  const hn::ScalableTag<uint64_t> d;
  using V = hn::Vec<decltype(d)>;
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_SCALAR
  constexpr int kChains = HWY_TARGET == HWY_AVX3_DL ? 15 : 9;
  const auto next = [](V a, V w) BANTAM_LAMBDA { return hn::Add(a, hn::PopulationCount(hn::Xor(a, w))); };
#else
  // Counts of bytes, which gemm_xnor sums up later, too.
  constexpr int kChains = 9;
  const hn::Repartition<uint8_t, decltype(d)> d8;
  const auto next = [d, d8](V a, V w) BANTAM_LAMBDA {
    return hn::BitCast(d, hn::Add(hn::BitCast(d8, a), hn::PopulationCount(hn::BitCast(d8, hn::Xor(a, w)))));
  };
#endif
  V w[3], acc[kChains];
  static_for<3>([&](auto i) BANTAM_LAMBDA { w[i] = hn::LoadU(d, words + 8 * i); });
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Xor(w[i % 3], hn::Set(d, uint64_t(i))); });
  for (int64_t t = 0; t < turns; ++t)
    static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = next(acc[i], w[i % 3]); });
  V sum = hn::Zero(d);
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { sum = hn::Add(sum, acc[i]); });
  *value = hn::GetLane(sum);
  return turns * kChains * int64_t(hn::Lanes(d));
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(registers_only);

int64_t popcount_burst(int64_t turns, const uint64_t words[24], uint64_t* value) noexcept {
  return HWY_DYNAMIC_DISPATCH(registers_only)(turns, words, value);
}

}  // namespace bantam
#endif
