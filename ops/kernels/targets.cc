#include "ops/kernels/targets.h"

#include "hwy/highway.h"

// A build for one target that ends on scalar code means flags that Highway makes nothing of: -march=x86-64-v3 without
// -maes -mpclmul is enough. Better no program than one that is ten times slower.
#if defined(HWY_COMPILE_ONLY_STATIC) && !defined(BANTAM_SCALAR_BUILD) && \
    (HWY_STATIC_TARGET == HWY_SCALAR || HWY_STATIC_TARGET == HWY_EMU128 || HWY_STATIC_TARGET == HWY_SSSE3)
#error \
    "no SIMD target: give flags (docs: -march=x86-64-v3 -maes -mpclmul on x86-64), "
    "or -DHWY_COMPILE_ONLY_SCALAR -DBANTAM_SCALAR_BUILD=1"
#endif

// A build for one target whose vectors have no fused multiply-add rounds twice: other scores, without a word.
#if defined(HWY_COMPILE_ONLY_STATIC) && !defined(BANTAM_SCALAR_BUILD)
#if HWY_STATIC_TARGET == HWY_SSE4
#error "SSE4 has no fused multiply-add: give -march=x86-64-v3 -maes -mpclmul, or build without SIMD"
#elif HWY_ARCH_ARM_V7 && !defined(__ARM_VFPV4__)
#error "NEON without VFPv4 has no fused multiply-add: give -mfpu=neon-vfpv4 -D__ARM_VFPV4__=1, or build without SIMD"
#endif
#endif

namespace bantam {

int64_t compiled_targets() noexcept { return int64_t(HWY_TARGETS); }
int64_t best_target() noexcept {
#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0  // one: nothing to ask, and no library to ask with
  return compiled_targets();
#else
  const int64_t usable = int64_t(HWY_TARGETS) & hwy::SupportedTargets();
  return usable & -usable;  // better targets have lower bits
#endif
}
const char* target_name(int64_t target_bit) noexcept { return hwy::TargetName(target_bit); }

}  // namespace bantam
