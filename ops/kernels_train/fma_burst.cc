#include "ops/kernels_train/fma_burst.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // those of the kernels that are measured
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/fma_burst.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

HWY_NOINLINE HWY_ATTR int64_t registers_only(int64_t turns, float* values) {
  constexpr int kChains = 12;
  const DF d;
  const VF a = hn::Set(d, values[0]), b = hn::Set(d, values[1]);
  VF acc[kChains];
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Set(d, float(i)); });
  for (int64_t t = 0; t < turns; ++t)
    static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::MulAdd(a, b, acc[i]); });
  VF sum = hn::Zero(d);
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { sum = hn::Add(sum, acc[i]); });
  values[0] = hn::GetLane(sum);
  return turns * kChains * kN;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(registers_only);

int64_t fma_burst(int64_t turns, float values[2]) noexcept {
  return HWY_DYNAMIC_DISPATCH(registers_only)(turns, values);
}

}  // namespace bantam
#endif
