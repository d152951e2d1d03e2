// Runs a test body once for every SIMD target that this machine has and the build contains.
#pragma once

#include <hwy/targets.h>

#include <string>

namespace bantam {

template <class Body> void for_each_target(Body&& body) {
#if defined(HWY_COMPILE_ONLY_STATIC) || defined(HWY_COMPILE_ONLY_SCALAR)
  body(std::string(hwy::TargetName(HWY_STATIC_TARGET)));
#else
  const int64_t supported = hwy::SupportedTargets();
  for (int64_t rest = supported & HWY_TARGETS; rest != 0; rest &= rest - 1) {
    const int64_t target = rest & -rest;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    body(std::string(hwy::TargetName(target)));
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
#endif
}

}  // namespace bantam
