// exp, log, tanh, sigmoid of vectors of f32 by polynomials of our own, for inclusion in a foreach_target unit after
// highway.h. No libm: the same code on every target, so results differ between targets only where a target has no fused
// multiply-add (SSE4 and below). Largest errors, held by tests/ops/kernels/elementwise_test.cc against f64:
// exp 1.0 ulp (results below 2^-126: 1 ulp of 2^-149 more), log 1.0, tanh 2.0, sigmoid 2.5. NaN stays NaN. Hard-swish,
// which fuses nothing, is equal on all targets; it stands here because two units need it.
//
// The coefficients are near-minimax fits (Chebyshev interpolation in 60 digits, then rounded to f32); with e the
// largest relative error that the polynomial puts into the result:
//   exp      (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, degree 5 in r:                           e = 8e-10
//   log      (2 atanh(s) - 2 s) / s^3 on |s| <= (sqrt2 - 1) / (sqrt2 + 1), degree 2 in s^2:   e = 3e-9
//   tanh     (tanh(x) / x - 1) / x^2 on |x| <= 0.625, degree 5 in x^2:                        e = 4e-9
// all below a tenth of an ulp (2^-24 = 6e-8): what is left is rounding.
#if defined(BANTAM_OPS_KERNELS_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_MATH_INL_H_
#undef BANTAM_OPS_KERNELS_MATH_INL_H_
#else
#define BANTAM_OPS_KERNELS_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D, class V = hn::Vec<D>> HWY_INLINE V exp_vec(D d, V x) {
  const hn::RebindToSigned<D> di;
  // Beyond these bounds the result is inf or 0 anyway; comparisons, so that NaN passes.
  x = hn::IfThenElse(hn::Gt(x, hn::Set(d, 89.0f)), hn::Set(d, 89.0f), x);
  x = hn::IfThenElse(hn::Lt(x, hn::Set(d, -104.0f)), hn::Set(d, -104.0f), x);
  // n = round(x / ln 2), by adding 1.5 * 2^23, which leaves n in the low bits; x = n ln 2 + r.
  const V shift = hn::Set(d, 12582912.0f);
  const V shifted = fused(x, hn::Set(d, 1.44269504f), shift);
  const V n = hn::Sub(shifted, shift);
  const auto ni = hn::Sub(hn::BitCast(di, shifted), hn::BitCast(di, shift));
  // ln 2 in two parts; the first has 15 bits, so that n times it is exact without a fused multiply-add.
  V r = fused_negated(n, hn::Set(d, 0.693145751953125f), x);
  r = fused_negated(n, hn::Set(d, 1.42860682e-6f), r);
  V p = hn::Set(d, 1.98910798644647e-4f);
  p = fused(p, r, hn::Set(d, 1.3933731243014336e-3f));
  p = fused(p, r, hn::Set(d, 8.33331048488617e-3f));
  p = fused(p, r, hn::Set(d, 4.1666463017463684e-2f));
  p = fused(p, r, hn::Set(d, 1.666666716337204e-1f));
  p = fused(p, r, hn::Set(d, 0.5f));
  const V y = hn::Add(fused(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  // 2^n in two factors: one alone would overflow at n = 128 and could not make a denormal.
  const auto half = hn::ShiftRight<1>(ni);
  const auto bias = hn::Set(di, 127);
  const V a = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const V b = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(ni, half), bias)));
  return hn::Mul(hn::Mul(y, a), b);
}

template <class D, class V = hn::Vec<D>> HWY_INLINE V log_vec(D d, V x) {
  const hn::RebindToSigned<D> di;
  const V one = hn::Set(d, 1.0f);
  // Denormals are scaled up by 2^25.
  const auto tiny = hn::Lt(x, hn::Set(d, 1.17549435e-38f));
  const V scaled = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 33554432.0f)), x);
  // x = 2^e (1 + f), 1 + f in [sqrt(1/2), sqrt(2)): subtract sqrt(1/2)'s bits, and the exponent field is e.
  const auto bits = hn::BitCast(di, scaled);
  const auto kSqrtHalf = hn::Set(di, 0x3F3504F3);
  const auto e = hn::ShiftRight<23>(hn::Sub(bits, kSqrtHalf));
  const V m = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(e)));
  const V ef = hn::Sub(hn::ConvertTo(d, e), hn::IfThenElseZero(tiny, hn::Set(d, 25.0f)));
  const V f = hn::Sub(m, one);
  // ln(1 + f) = 2 atanh(s), s = f / (2 + f); and 2 s = f - s f, so that ln(1 + f) = f - s (f - z q) with z = s^2: f
  // leads.
  const V s = divided(d, f, hn::Add(f, hn::Set(d, 2.0f)));
  const V z = hn::Mul(s, s);
  V q = hn::Set(d, 0.2958005368709564f);
  q = fused(q, z, hn::Set(d, 0.3998877704143524f));
  q = fused(q, z, hn::Set(d, 0.6666668653488159f));
  const V tail = fused_negated(s, fused_negated(z, q, f), hn::Mul(ef, hn::Set(d, 1.42860682e-6f)));
  V y = hn::Add(hn::Mul(ef, hn::Set(d, 0.693145751953125f)), hn::Add(f, tail));
  y = hn::IfThenElse(hn::Eq(x, hn::Inf(d)), x, y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(hn::Inf(d)), y);
  return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), y, hn::NaN(d));  // negative, or NaN
}

template <class D, class V = hn::Vec<D>> HWY_INLINE V tanh_vec(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V a = hn::Abs(x);
  const V z = hn::Mul(x, x);
  V p = hn::Set(d, 2.292744815349579e-3f);
  p = fused(p, z, hn::Set(d, -8.343945257365704e-3f));
  p = fused(p, z, hn::Set(d, 2.176891826093197e-2f));
  p = fused(p, z, hn::Set(d, -5.3959257900714874e-2f));
  p = fused(p, z, hn::Set(d, 1.3333304226398468e-1f));
  p = fused(p, z, hn::Set(d, -3.333333432674408e-1f));
  const V small = fused(hn::Mul(p, z), x, x);
  // tanh(a) = 1 - 2 / (e^2a + 1): no cancellation above 0.625, and 1 once e^2a is large.
  const V big = hn::Sub(one, divided(d, hn::Set(d, 2.0f), hn::Add(exp_vec(d, hn::Add(a, a)), one)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(a, hn::Set(d, 0.625f)), small, big), x);  // so tanh(-0.0) is -0.0
}

// 1 / (1 + e^-x), through e^-|x| so that neither side overflows or cancels.
template <class D, class V = hn::Vec<D>> HWY_INLINE V sigmoid_vec(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V e = exp_vec(d, hn::Neg(hn::Abs(x)));
  return divided(d, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// x <= -3 ? 0 : x (min(x + 3, 6) (1/6)); comparisons, so that NaN passes. The gate is made first: it is exactly 1 from
// 3 up, and x times it cannot overflow.
template <class D, class V = hn::Vec<D>> HWY_INLINE V hard_swish_vec(D d, V x) {
  const V six = hn::Set(d, 6.0f), up = hn::Add(x, hn::Set(d, 3.0f));
  const V gate = hn::Mul(hn::IfThenElse(hn::Gt(up, six), six, up), hn::Set(d, 1.0f / 6));
  return hn::IfThenZeroElse(hn::Le(x, hn::Set(d, -3.0f)), hn::Mul(x, gate));
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard of a target
