#include "bench/fma_peak.h"

#include <chrono>
#include <cstdint>

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // those of the kernels that are measured
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/fma_peak.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Returns the fused multiply-adds done.
HWY_NOINLINE HWY_ATTR int64_t registers_only(int64_t turns, float* out) {
  constexpr int kChains = 12;
  const DF d;
  const VF a = hn::Set(d, out[0]), b = hn::Set(d, out[1]);
  VF acc[kChains];
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Set(d, float(i)); });
  for (int64_t t = 0; t < turns; ++t)
    static_for<kChains>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::MulAdd(a, b, acc[i]); });
  VF sum = hn::Zero(d);
  static_for<kChains>([&](auto i) BANTAM_LAMBDA { sum = hn::Add(sum, acc[i]); });
  out[0] = hn::GetLane(sum);
  return turns * kChains * kN;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(registers_only);

double fma_peak() {
  double best = 0;
  for (int run = 0; run < 20; ++run) {
    float values[2] = {0.5f, 0.25f};
    const auto start = std::chrono::steady_clock::now();
    const int64_t done = HWY_DYNAMIC_DISPATCH(registers_only)(100000, values);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (values[0] == values[0] && double(done) / seconds > best) best = double(done) / seconds;
  }
  return best;
}

}  // namespace bantam
#endif
