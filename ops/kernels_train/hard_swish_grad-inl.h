// The gradient of hard-swish on vectors of f32: of the op, and behind a norm. For inclusion in a foreach_target unit
// after highway.h. Definition: elementwise_grad_ref.h, equal bit for bit on every target.
#if defined(BANTAM_HARD_SWISH_GRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_HARD_SWISH_GRAD_INL_H_
#undef BANTAM_HARD_SWISH_GRAD_INL_H_
#else
#define BANTAM_HARD_SWISH_GRAD_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct HardSwishGrad {
  template <class D, class V> HWY_INLINE V operator()(D d, V x, V dy) const {
    const V three = hn::Set(d, 3.0f);
    const V slope = hn::Mul(hn::Add(hn::Add(x, x), three), hn::Set(d, 1.0f / 6));
    const V inside = hn::IfThenElse(hn::Ge(x, three), dy, hn::Mul(dy, slope));
    return hn::IfThenZeroElse(hn::Le(x, hn::Neg(three)), inside);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard of a target
