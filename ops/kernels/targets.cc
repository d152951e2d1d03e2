#include "ops/kernels/targets.h"

#include "hwy/highway.h"

namespace bantam {

int64_t compiled_targets() noexcept { return int64_t(HWY_TARGETS); }
int64_t best_target() noexcept {
#ifdef HWY_COMPILE_ONLY_STATIC
  return int64_t(HWY_STATIC_TARGET);
#else
  const int64_t usable = int64_t(HWY_TARGETS) & hwy::SupportedTargets();
  return usable & -usable;  // better targets have lower bits
#endif
}
const char* target_name(int64_t target_bit) noexcept { return hwy::TargetName(target_bit); }

}  // namespace bantam
