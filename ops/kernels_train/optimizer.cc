#include "ops/kernels_train/optimizer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/optimizer.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include "ops/kernels_train/optimizer_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;

void SgdUpdate(float* theta, const float* g, float* v, size_t n, float lr, float momentum, bool nesterov,
               float weight_decay, bool first) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  const auto wd = hn::Set(d, weight_decay), mom = hn::Set(d, momentum), minus_lr = hn::Set(d, -lr);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto w = hn::LoadU(d, theta + i);
    const auto grad = hn::MulAdd(wd, w, hn::LoadU(d, g + i));
    auto move = grad;
    if (v) {
      const auto vel = first ? grad : hn::MulAdd(mom, hn::LoadU(d, v + i), grad);
      hn::StoreU(vel, d, v + i);
      move = nesterov ? hn::MulAdd(mom, vel, grad) : vel;
    }
    hn::StoreU(hn::MulAdd(minus_lr, move, w), d, theta + i);
  }
  ref::sgd_update(theta + i, g + i, v ? v + i : v, n - i, lr, momentum, nesterov, weight_decay, first);
}

void AdamUpdate(float* theta, const float* g, float* s, float* r, size_t n, float b1, float b2, float step, float root,
                float delta, float weight_decay) {
  const D d;
  const size_t lanes = hn::Lanes(d);
  const auto wd = hn::Set(d, weight_decay), vb1 = hn::Set(d, b1), vb2 = hn::Set(d, b2), c1 = hn::Set(d, 1.0f - b1),
             c2 = hn::Set(d, 1.0f - b2), vstep = hn::Set(d, step), vroot = hn::Set(d, root), vdelta = hn::Set(d, delta);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto w = hn::LoadU(d, theta + i);
    const auto grad = hn::MulAdd(wd, w, hn::LoadU(d, g + i));
    const auto m = hn::MulAdd(vb1, hn::LoadU(d, s + i), hn::Mul(c1, grad));
    const auto q = hn::MulAdd(vb2, hn::LoadU(d, r + i), hn::Mul(hn::Mul(c2, grad), grad));
    hn::StoreU(m, d, s + i);
    hn::StoreU(q, d, r + i);
    const auto denominator = hn::Add(hn::Mul(hn::Sqrt(q), vroot), vdelta);
    hn::StoreU(hn::Sub(w, hn::Div(hn::Mul(vstep, m), denominator)), d, theta + i);
  }
  ref::adam_update(theta + i, g + i, s + i, r + i, n - i, b1, b2, step, root, delta, weight_decay);
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(SgdUpdate);
HWY_EXPORT(AdamUpdate);

void sgd_update(float* theta, const float* g, float* v, size_t n, float lr, float momentum, bool nesterov,
                float weight_decay, bool first) noexcept {
  HWY_DYNAMIC_DISPATCH(SgdUpdate)(theta, g, v, n, lr, momentum, nesterov, weight_decay, first);
}
void adam_update(float* theta, const float* g, float* s, float* r, size_t n, float b1, float b2, float step, float root,
                 float delta, float weight_decay) noexcept {
  HWY_DYNAMIC_DISPATCH(AdamUpdate)(theta, g, s, r, n, b1, b2, step, root, delta, weight_decay);
}

}  // namespace bantam
#endif
