// The largest of a row and its sum of exponentials, for inclusion in a foreach_target unit after highway.h.
#if defined(BANTAM_OPS_KERNELS_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_SOFTMAX_INL_H_
#undef BANTAM_OPS_KERNELS_SOFTMAX_INL_H_
#else
#define BANTAM_OPS_KERNELS_SOFTMAX_INL_H_
#endif

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

HWY_INLINE float row_max(const float* x, int64_t c) {
  const DF d;
  VF m = hn::Set(d, x[0]);
  int64_t i = 0;
  for (; i + kLanes <= c; i += kLanes) m = hn::Max(m, hn::LoadU(d, x + i));
  if (i < c) m = hn::Max(m, hn::IfThenElse(hn::FirstN(d, size_t(c - i)), load_part(x + i, c - i), m));
  return hn::GetLane(hn::MaxOfLanes(d, m));
}
// Sum of e^(x - max); the terms go to `out` if it is not null.
HWY_INLINE float row_exp_sum(const float* x, int64_t c, float max, float* out) {
  const DF d;
  const VF m = hn::Set(d, max);
  VF sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= c; i += kLanes) {
    const VF e = exp_vec(d, hn::Sub(hn::LoadU(d, x + i), m));
    if (out) hn::StoreU(e, d, out + i);
    sum = hn::Add(sum, e);
  }
  if (i < c) {
    const VF e = exp_vec(d, hn::Sub(load_part(x + i, c - i), m));
    if (out) store_part(e, out + i, c - i);
    sum = hn::Add(sum, hn::IfThenElseZero(hn::FirstN(d, size_t(c - i)), e));
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard of a target
