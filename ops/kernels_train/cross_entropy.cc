#include "ops/kernels_train/cross_entropy.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/cross_entropy.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

LogSum log_sum_impl(const float* x, int64_t c) {
  const DF d;
  const float max = row_max(x, c);
  return {max, hn::GetLane(log_vec(d, hn::Set(d, row_exp_sum(x, c, max, nullptr))))};
}

struct Shifted {
  float sum, rest, factor;
  template <class D, class V> HWY_INLINE V operator()(D d, V e) const {
    return hn::Mul(hn::Sub(hn::Div(e, hn::Set(d, sum)), hn::Set(d, rest)), hn::Set(d, factor));
  }
};
void cross_entropy_grad_impl(const float* x, int64_t c, int64_t label, float hit, float rest, float factor, float* dx) {
  const float sum = row_exp_sum(x, c, row_max(x, c), dx);
  const float at_label = dx[label];
  map(dx, dx, c, Shifted{sum, rest, factor});
  dx[label] = (at_label / sum - hit - rest) * factor;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(log_sum_impl);
HWY_EXPORT(cross_entropy_grad_impl);

LogSum log_sum_f32(const float* x, int64_t c) noexcept { return HWY_DYNAMIC_DISPATCH(log_sum_impl)(x, c); }
void cross_entropy_grad_f32(const float* x, int64_t c, int64_t label, float hit, float rest, float factor,
                            float* dx) noexcept {
  HWY_DYNAMIC_DISPATCH(cross_entropy_grad_impl)(x, c, label, hit, rest, factor, dx);
}

}  // namespace bantam
#endif  // HWY_ONCE
