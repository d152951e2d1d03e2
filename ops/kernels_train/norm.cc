#include "ops/kernels_train/norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/columns-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

// NormRows as compile-time choices. `column` counts within the parameters' rows.
template <bool kPre, NormPost kPost> struct Norm {
  NormRows p;

  template <class Load> HWY_INLINE VF deviation(const Load& load, VF x, int64_t column) const {
    const VF mean = load(p.mean + column);
    if constexpr (kPre) {
      const VF low = hn::Mul(x, load(p.slope + column));
      return hn::Sub(hn::IfThenElse(hn::Ge(x, hn::Zero(DF())), x, low), mean);
    } else {
      return hn::Sub(x, mean);
    }
  }
  template <class Load> HWY_INLINE VF affine(const Load& load, VF d, int64_t column) const {
    return fused(d, load(p.scale + column), load(p.shift + column));
  }
  HWY_INLINE static VF post(VF z) {
    if constexpr (kPost == NormPost::kRelu) return hn::IfThenElseZero(hn::Gt(z, hn::Zero(DF())), z);
    if constexpr (kPost == NormPost::kHardtanh) {
      const VF low = hn::Set(DF(), -1.0f), high = hn::Set(DF(), 1.0f);
      const VF y = hn::IfThenElse(hn::Lt(z, low), low, z);
      return hn::IfThenElse(hn::Gt(y, high), high, y);
    }
    return z;
  }
  template <class Load> HWY_INLINE VF passed(const Load& load, VF dy, VF d, int64_t column) const {
    if constexpr (kPost == NormPost::kNone) return dy;
    const VF z = affine(load, d, column);
    if constexpr (kPost == NormPost::kRelu) return keep_where(DF(), hn::Gt(z, hn::Zero(DF())), dy);
    return keep_where(DF(), hn::And(hn::Gt(z, hn::Set(DF(), -1.0f)), hn::Lt(z, hn::Set(DF(), 1.0f))), dy);
  }
};

// f.step(element of the arrays, column, load, store) down rows, a vector at a time; parameters repeated where rows are grouped.
template <class F> HWY_INLINE void for_rows(int64_t at, int64_t rows, int64_t c, const F& f) {
  for (int64_t r = 0; r < rows; ++r, at += c) {
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) f.step(at + i, i, WholeLoad(), WholeStore());
    if (i < c) f.step(at + i, i, PartLoad{c - i}, PartStore{c - i});
  }
}
// Rows repeated for groups; null stays null.
struct RepeatedRow {
  HWY_ALIGN float values[kMaxColumns];
  const float* of(const float* p, int64_t c, int64_t group) {
    if (!p || group == 1) return p;
    repeat_parameters(p, c, group, values);
    return values;
  }
};
struct RepeatedNorm {
  RepeatedRow slope, mean, scale, shift;
  NormRows of(const NormRows& p, int64_t c, int64_t group) {
    return {slope.of(p.slope, c, group), mean.of(p.mean, c, group), scale.of(p.scale, c, group), shift.of(p.shift, c, group)};
  }
};

template <bool kPre, NormPost kPost, bool kResidual> struct Forward {
  Norm<kPre, kPost> norm;
  const float *x, *residual;
  float* y;
  template <class Load, class Store> HWY_INLINE void step(int64_t at, int64_t i, const Load& load, const Store& store) const {
    VF z = norm.affine(load, norm.deviation(load, load(x + at), i), i);
    if constexpr (kResidual) z = hn::Add(z, load(residual + at));
    store(norm.post(z), y + at);
  }
};
template <bool kPre, NormPost kPost, bool kResidual>
HWY_INLINE void forward(const NormRows& p, const float* x, const float* residual, float* y, int64_t rows, int64_t c) {
  using F = Forward<kPre, kPost, kResidual>;
  const int64_t group = row_group(rows, c), whole = rows / group;
  RepeatedNorm repeated;
  for_rows(0, whole, group * c, F{{repeated.of(p, c, group)}, x, residual, y});
  for_rows(whole * group * c, rows - whole * group, c, F{{p}, x, residual, y});
}

template <bool kPre, NormPost kPost> struct Grad {
  Norm<kPre, kPost> norm;
  NormGrad q;
  const float *dy, *x;
  float* dx;
  template <class Load, class Store> HWY_INLINE void step(int64_t at, int64_t i, const Load& load, const Store& store) const {
    const VF v = load(x + at), d = norm.deviation(load, v, i), g = norm.passed(load, load(dy + at), d, i);
    VF r = fused(load(q.a + i), g, fused(load(q.b + i), d, load(q.d + i)));
    if constexpr (kPre) r = hn::IfThenElse(hn::Gt(v, hn::Zero(DF())), r, hn::Mul(r, load(q.back + i)));
    store(r, dx + at);
  }
};
template <bool kPre, NormPost kPost>
HWY_INLINE void grad(const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx, int64_t rows, int64_t c) {
  using F = Grad<kPre, kPost>;
  const int64_t group = row_group(rows, c), whole = rows / group;
  RepeatedNorm repeated;
  RepeatedRow a, b, d, back;
  const NormGrad wide{a.of(q.a, c, group), b.of(q.b, c, group), d.of(q.d, c, group), back.of(q.back, c, group)};
  for_rows(0, whole, group * c, F{{repeated.of(p, c, group)}, wide, dy, x, dx});
  for_rows(whole * group * c, rows - whole * group, c, F{{p}, q, dy, x, dx});
}

template <bool kPre, NormPost kPost> struct Terms {
  Norm<kPre, kPost> norm;
  const float *dy, *x;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    const VF d = norm.deviation(load, load(x + at), column);
    out[0] = norm.passed(load, load(dy + at), d, column);
    out[1] = hn::Mul(out[0], d);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    one(load, at, column, out);
    const VF d = norm.deviation(load, load(x + next), column), g = norm.passed(load, load(dy + next), d, column);
    out[0] = hn::Add(out[0], g);
    out[1] = hn::MulAdd(g, d, out[1]);
  }
};
template <bool kPre, NormPost kPost>
HWY_INLINE void sums(const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c, double* sum_g, double* sum_gd) {
  HWY_ALIGN float acc[2][kMaxColumns];
  RepeatedNorm repeated;
  for (int64_t k = 0; k < c; ++k) sum_g[k] = sum_gd[k] = 0;
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    const int64_t k = b.channel;
    const NormRows here{p.slope ? p.slope + k : nullptr, p.mean + k, p.scale + k, p.shift + k};
    const Norm<kPre, kPost> norm{repeated.of(here, b.channels, b.columns / b.channels)};
    sum_columns<2>(b, Terms<kPre, kPost>{norm, dy, x}, acc);
    add_columns(b, acc[0], sum_g);
    add_columns(b, acc[1], sum_gd);
  });
}

// Calls f.template operator()<has a slope, post>().
#define BANTAM_NORM_SWITCH(CALL)                                          \
  switch (post) {                                                         \
    case NormPost::kNone: return p.slope ? CALL(true, NormPost::kNone) : CALL(false, NormPost::kNone);             \
    case NormPost::kRelu: return p.slope ? CALL(true, NormPost::kRelu) : CALL(false, NormPost::kRelu);             \
    case NormPost::kHardtanh: return p.slope ? CALL(true, NormPost::kHardtanh) : CALL(false, NormPost::kHardtanh); \
  }

void norm_forward_impl(NormPost post, const NormRows& p, const float* x, const float* residual, float* y, int64_t rows, int64_t c) {
#define BANTAM_CALL(PRE, POST) \
  (residual ? forward<PRE, POST, true>(p, x, residual, y, rows, c) : forward<PRE, POST, false>(p, x, residual, y, rows, c))
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
void norm_sums_impl(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c, double* sum_g,
                    double* sum_gd) {
#define BANTAM_CALL(PRE, POST) sums<PRE, POST>(p, dy, x, rows, c, sum_g, sum_gd)
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
void norm_grad_impl(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx, int64_t rows,
                    int64_t c) {
#define BANTAM_CALL(PRE, POST) grad<PRE, POST>(p, q, dy, x, dx, rows, c)
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
#undef BANTAM_NORM_SWITCH

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(norm_forward_impl);
HWY_EXPORT(norm_sums_impl);
HWY_EXPORT(norm_grad_impl);

void norm_forward_f32(NormPost post, const NormRows& p, const float* x, const float* residual, float* y, int64_t rows,
                      int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_forward_impl)(post, p, x, residual, y, rows, c);
}
void norm_sums_f32(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c, double* sum_g,
                   double* sum_gd) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_sums_impl)(post, p, dy, x, rows, c, sum_g, sum_gd);
}
void norm_grad_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx, int64_t rows,
                   int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_grad_impl)(post, p, q, dy, x, dx, rows, c);
}

}  // namespace bantam
#endif  // HWY_ONCE
