#include "ops/kernels_train/norm.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/norm.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/columns-inl.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/math-inl.h"
#include "ops/kernels_train/hard_swish_grad-inl.h"

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
    const VF low = hn::Set(DF(), -1.0f), high = hn::Set(DF(), 1.0f);
    switch (kPost) {
      case NormPost::kNone: return z;
      case NormPost::kRelu: return hn::IfThenElseZero(hn::Gt(z, hn::Zero(DF())), z);
      case NormPost::kHardtanh: {
        const VF y = hn::IfThenElse(hn::Lt(z, low), low, z);
        return hn::IfThenElse(hn::Gt(y, high), high, y);
      }
      case NormPost::kHardSwish: return hard_swish_vec(DF(), z);
    }
    return z;
  }
  template <class Load> HWY_INLINE VF passed(const Load& load, VF dy, VF d, int64_t column) const {
    if constexpr (kPost == NormPost::kNone) return dy;
    const VF z = affine(load, d, column), low = hn::Set(DF(), -1.0f), high = hn::Set(DF(), 1.0f);
    switch (kPost) {
      case NormPost::kNone: return dy;
      case NormPost::kRelu: return keep_where(DF(), hn::Gt(z, hn::Zero(DF())), dy);
      case NormPost::kHardtanh: return keep_where(DF(), hn::And(hn::Gt(z, low), hn::Lt(z, high)), dy);
      case NormPost::kHardSwish: return HardSwishGrad()(DF(), z, dy);
    }
    return dy;
  }
};

// f.put(f.value(load, element, column), element, store) down rows, a vector at a time, of two rows at once: whoever
// writes between them must read the parameters again, and those are up to eight loads. Parameters repeated where rows
// are grouped.
template <class F, class Store = WholeStore>
HWY_INLINE void for_rows(int64_t at, int64_t rows, int64_t c, const F& f, const Store& store = {}) {
  int64_t r = 0;
  for (; r + 2 <= rows; r += 2, at += 2 * c) {
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) {
      const VF v = f.value(WholeLoad(), at + i, i), w = f.value(WholeLoad(), at + c + i, i);
      f.put(v, at + i, store);
      f.put(w, at + c + i, store);
    }
    if (i == c) continue;
    const PartLoad part{c - i};
    f.put(f.value(part, at + i, i), at + i, store_like(part));
    f.put(f.value(part, at + c + i, i), at + c + i, store_like(part));
  }
  for (; r < rows; ++r, at += c) {
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) f.put(f.value(WholeLoad(), at + i, i), at + i, store);
    if (i < c) f.put(f.value(PartLoad{c - i}, at + i, i), at + i, PartStore{c - i});
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
    return {slope.of(p.slope, c, group), mean.of(p.mean, c, group), scale.of(p.scale, c, group),
            shift.of(p.shift, c, group)};
  }
};

template <bool kPre, NormPost kPost, bool kResidual, bool kBits> struct Forward {
  Norm<kPre, kPost> norm;
  const float *x, *residual;
  float* y;
  uint8_t* passed;
  template <class Load> HWY_INLINE VF value(const Load& load, int64_t at, int64_t i) const {
    VF z = norm.affine(load, norm.deviation(load, load.far(x + at), i), i);
    if constexpr (kResidual) z = hn::Add(z, load.far(residual + at));
    return norm.post(z);
  }
  template <class Store> HWY_INLINE void put(VF z, int64_t at, const Store& store) const {
    store(z, y + at);
    if constexpr (kBits) {
      const auto mask = hn::Gt(z, hn::Zero(DF()));
      if constexpr (kLanes >= 8) {
        hn::StoreMaskBits(DF(), mask, passed + at / 8);
      } else {
        const unsigned half = bits_of(mask);
        passed[at / 8] = uint8_t(at % 8 ? passed[at / 8] | half << 4 : half);
      }
    }
  }
};
template <bool kPre, NormPost kPost, bool kResidual, bool kBits>
HWY_INLINE void forward_rows(const NormRows& p, const float* x, const float* residual, const NormOut& out, int64_t rows,
                             int64_t c) {
  const Forward<kPre, kPost, kResidual, kBits> f{{p}, x, residual, out.y, out.passed};
  // What lies in the cache already, because it is read, is not for writing past it.
  if (out.y != x && out.y != residual && streams(out.y, c, out.whole)) {
    for_rows(0, rows, c, f, StreamStore());
    hwy::FlushStream();
  } else {
    for_rows(0, rows, c, f);
  }
}
template <bool kPre, NormPost kPost, bool kResidual>
HWY_INLINE void forward(const NormRows& p, const float* x, const float* residual, const NormOut& out, int64_t rows,
                        int64_t c) {
  const int64_t group = row_group(rows, c), whole = rows / group, done = whole * group * c;
  RepeatedNorm repeated;
  const NormRows wide = repeated.of(p, c, group);
  // Bits come with the vectors where these begin on bytes, else from another look at y.
  const bool bits = kPost == NormPost::kRelu && kResidual && kLanes >= 4 && out.passed && group * c % 16 == 0;
  if (bits)
    forward_rows<kPre, kPost, kResidual, kPost == NormPost::kRelu && kResidual && kLanes >= 4>(wide, x, residual, out,
                                                                                               whole, group * c);
  else
    forward_rows<kPre, kPost, kResidual, false>(wide, x, residual, out, whole, group * c);
  const Forward<kPre, kPost, kResidual, false> f{{p}, x, residual, out.y, nullptr};
  for_rows(done, rows - whole * group, c, f);
  if (const int64_t at = bits ? done : 0; out.passed) gt_bits_f32(out.y + at, 0, out.passed + at / 8, rows * c - at);
}

template <bool kPre, NormPost kPost> struct Grad {
  Norm<kPre, kPost> norm;
  NormGrad q;
  const float *dy, *x;
  float* dx;
  template <class Load> HWY_INLINE VF dpre(const Load& load, VF v, int64_t at, int64_t i) const {
    const VF d = norm.deviation(load, v, i), g = norm.passed(load, load.far(dy + at), d, i);
    return fused(load(q.a + i), g, fused(load(q.b + i), d, load(q.d + i)));
  }
  template <class Load> HWY_INLINE VF pre(const Load& load, VF v, VF r, int64_t i) const {
    return hn::IfThenElse(hn::Gt(v, hn::Zero(DF())), r, hn::Mul(r, load(q.back + i)));
  }
  template <class Load> HWY_INLINE VF value(const Load& load, int64_t at, int64_t i) const {
    const VF v = load.far(x + at), r = dpre(load, v, at, i);
    return kPre ? pre(load, v, r, i) : r;
  }
  template <class Store> HWY_INLINE void put(VF r, int64_t at, const Store& store) const { store(r, dx + at); }
};
struct RepeatedGrad {
  RepeatedRow a, b, d, back;
  NormGrad of(const NormGrad& q, int64_t c, int64_t group) {
    return {a.of(q.a, c, group), b.of(q.b, c, group), d.of(q.d, c, group), back.of(q.back, c, group)};
  }
};
template <bool kPre, NormPost kPost>
HWY_INLINE void grad(const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx, int64_t rows,
                     int64_t c, int64_t whole) {
  using F = Grad<kPre, kPost>;
  const int64_t group = row_group(rows, c), long_rows = rows / group;
  RepeatedNorm repeated;
  RepeatedGrad wide;
  const F f{{repeated.of(p, c, group)}, wide.of(q, c, group), dy, x, dx};
  if (dx != dy && dx != x && streams(dx, group * c, whole)) {
    for_rows(0, long_rows, group * c, f, StreamStore());
    hwy::FlushStream();
  } else {
    for_rows(0, long_rows, group * c, f);
  }
  for_rows(long_rows * group * c, rows - long_rows * group, c, F{{p}, q, dy, x, dx});
}

template <bool kPre, NormPost kPost> struct Terms {
  Norm<kPre, kPost> norm;
  const float *dy, *x;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    const VF d = norm.deviation(load, load.far(x + at), column);
    out[0] = norm.passed(load, load.far(dy + at), d, column);
    out[1] = hn::Mul(out[0], d);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    one(load, at, column, out);
    const VF d = norm.deviation(load, load.far(x + next), column),
             g = norm.passed(load, load.far(dy + next), d, column);
    out[0] = hn::Add(out[0], g);
    out[1] = hn::MulAdd(g, d, out[1]);
  }
};
// As Terms, with bits for post; g goes out.
template <bool kPre> struct MaskedTerms {
  Norm<kPre, NormPost::kNone> norm;
  const float *dy, *x;
  NormMask mask;
  float* g;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    const VF d = norm.deviation(load, load.far(x + at), column);
    const unsigned bits = bits_at(mask.bits, mask.bits + (mask.size + 7) / 8, mask.first + at);
    out[0] = keep_where(DF(), mask_of(bits), load.far(dy + at));
    store_like(load)(out[0], g + at);
    out[1] = hn::Mul(out[0], d);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    VF second[2];
    one(load, at, column, out);
    one(load, next, column, second);
    const VF d = norm.deviation(load, load.far(x + next), column);
    out[0] = hn::Add(out[0], second[0]);
    out[1] = hn::MulAdd(second[0], d, out[1]);
  }
};
// dx, and its share in the slope's gradient.
template <NormPost kPost> struct SlopeTerms {
  Grad<true, kPost> grad;
  bool stream;
  template <class Load> HWY_INLINE void put(const Load& load, VF dx, int64_t at) const {
    if (std::is_same_v<Load, WholeLoad> && stream)
      StreamStore()(dx, grad.dx + at);
    else
      store_like(load)(dx, grad.dx + at);
  }
  HWY_INLINE static VF term(VF v, VF dpre) { return hn::IfThenZeroElse(hn::Ge(v, hn::Zero(DF())), hn::Mul(dpre, v)); }
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    const VF v = load.far(grad.x + at), r = grad.dpre(load, v, at, column);
    put(load, grad.pre(load, v, r, column), at);
    out[0] = term(v, r);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    const VF v = load.far(grad.x + at), r = grad.dpre(load, v, at, column), dx = grad.pre(load, v, r, column);
    const VF w = load.far(grad.x + next), q = grad.dpre(load, w, next, column);
    put(load, grad.pre(load, w, q, column), next);
    put(load, dx, at);
    out[0] = hn::Add(term(v, r), term(w, q));
  }
};

// sums[a][channel] = sum over rows of term a; terms_of(block, group): what has one() and two(), for its channels.
template <int A, class TermsOf>
HWY_INLINE void channel_sums(int64_t rows, int64_t c, double* const* sums, const TermsOf& terms_of) {
  HWY_ALIGN float acc[A][kMaxColumns];
  for (int a = 0; a < A; ++a)
    for (int64_t k = 0; k < c; ++k) sums[a][k] = 0;
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    sum_columns<A>(b, terms_of(b, b.columns / b.channels), acc);
    for (int a = 0; a < A; ++a) add_columns(b, acc[a], sums[a]);
  });
}
HWY_INLINE NormRows rows_from(const NormRows& p, int64_t k) {
  return {p.slope ? p.slope + k : nullptr, p.mean + k, p.scale + k, p.shift + k};
}
template <bool kPre, NormPost kPost>
HWY_INLINE void sums(const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c, double* sum_g,
                     double* sum_gd) {
  RepeatedNorm repeated;
  double* const to[] = {sum_g, sum_gd};
  channel_sums<2>(rows, c, to, [&](const ColumnBlock& b, int64_t group) HWY_ATTR {
    return Terms<kPre, kPost>{{repeated.of(rows_from(p, b.channel), b.channels, group)}, dy, x};
  });
}
template <bool kPre>
HWY_INLINE void masked_sums(const NormRows& p, const float* dy, const NormMask& mask, const float* x, float* g,
                            int64_t rows, int64_t c, double* sum_g, double* sum_gd) {
  RepeatedNorm repeated;
  double* const to[] = {sum_g, sum_gd};
  channel_sums<2>(rows, c, to, [&](const ColumnBlock& b, int64_t group) HWY_ATTR {
    return MaskedTerms<kPre>{{repeated.of(rows_from(p, b.channel), b.channels, group)}, dy, x, mask, g};
  });
}
template <NormPost kPost>
HWY_INLINE void grad_slope(const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx,
                           int64_t rows, int64_t c, double* sums, int64_t whole) {
  RepeatedNorm repeated;
  RepeatedGrad wide;
  const bool stream = dx != dy && dx != x && streams(dx, c, whole);
  channel_sums<1>(rows, c, &sums, [&](const ColumnBlock& b, int64_t group) HWY_ATTR {
    const int64_t k = b.channel;
    return SlopeTerms<kPost>{{{repeated.of(rows_from(p, k), b.channels, group)},
                              wide.of({q.a + k, q.b + k, q.d + k, q.back + k}, b.channels, group), dy, x, dx}, stream};
  });
  if (stream) hwy::FlushStream();
}

// Calls f.template operator()<has a slope, post>().
#define BANTAM_NORM_SWITCH(CALL)                                          \
  switch (post) {                                                         \
    case NormPost::kNone: return p.slope ? CALL(true, NormPost::kNone) : CALL(false, NormPost::kNone);             \
    case NormPost::kRelu: return p.slope ? CALL(true, NormPost::kRelu) : CALL(false, NormPost::kRelu);             \
    case NormPost::kHardtanh: return p.slope ? CALL(true, NormPost::kHardtanh) : CALL(false, NormPost::kHardtanh); \
    case NormPost::kHardSwish:                                                                                     \
      return p.slope ? CALL(true, NormPost::kHardSwish) : CALL(false, NormPost::kHardSwish);                       \
  }

void norm_forward_impl(NormPost post, const NormRows& p, const float* x, const float* residual, const NormOut& y,
                       int64_t rows, int64_t c) {
#define BANTAM_CALL(PRE, POST)                                     \
  (residual ? forward<PRE, POST, true>(p, x, residual, y, rows, c) \
            : forward<PRE, POST, false>(p, x, residual, y, rows, c))
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
void norm_sums_impl(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c,
                    double* sum_g, double* sum_gd) {
#define BANTAM_CALL(PRE, POST) sums<PRE, POST>(p, dy, x, rows, c, sum_g, sum_gd)
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
void norm_grad_impl(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx,
                    int64_t rows, int64_t c, int64_t whole) {
#define BANTAM_CALL(PRE, POST) grad<PRE, POST>(p, q, dy, x, dx, rows, c, whole)
  BANTAM_NORM_SWITCH(BANTAM_CALL)
#undef BANTAM_CALL
}
#undef BANTAM_NORM_SWITCH
void norm_masked_sums_impl(const NormRows& p, const float* dy, const NormMask& mask, const float* x, float* g,
                           int64_t rows, int64_t c, double* sum_g, double* sum_gd) {
  return p.slope ? masked_sums<true>(p, dy, mask, x, g, rows, c, sum_g, sum_gd)
                 : masked_sums<false>(p, dy, mask, x, g, rows, c, sum_g, sum_gd);
}
void norm_grad_slope_impl(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x,
                          float* dx, int64_t rows, int64_t c, double* sums, int64_t whole) {
  switch (post) {
    case NormPost::kNone: return grad_slope<NormPost::kNone>(p, q, dy, x, dx, rows, c, sums, whole);
    case NormPost::kRelu: return grad_slope<NormPost::kRelu>(p, q, dy, x, dx, rows, c, sums, whole);
    case NormPost::kHardtanh: return grad_slope<NormPost::kHardtanh>(p, q, dy, x, dx, rows, c, sums, whole);
    case NormPost::kHardSwish: return grad_slope<NormPost::kHardSwish>(p, q, dy, x, dx, rows, c, sums, whole);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(norm_forward_impl);
HWY_EXPORT(norm_sums_impl);
HWY_EXPORT(norm_grad_impl);
HWY_EXPORT(norm_masked_sums_impl);
HWY_EXPORT(norm_grad_slope_impl);

void norm_forward_f32(NormPost post, const NormRows& p, const float* x, const float* residual, const NormOut& out,
                      int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_forward_impl)(post, p, x, residual, out, rows, c);
}
void norm_sums_f32(NormPost post, const NormRows& p, const float* dy, const float* x, int64_t rows, int64_t c,
                   double* sum_g, double* sum_gd) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_sums_impl)(post, p, dy, x, rows, c, sum_g, sum_gd);
}
void norm_grad_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x, float* dx,
                   int64_t rows, int64_t c, int64_t whole) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_grad_impl)(post, p, q, dy, x, dx, rows, c, whole);
}

void norm_masked_sums_f32(const NormRows& p, const float* dy, const NormMask& mask, const float* x, float* g,
                          int64_t rows, int64_t c, double* sum_g, double* sum_gd) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_masked_sums_impl)(p, dy, mask, x, g, rows, c, sum_g, sum_gd);
}
void norm_grad_slope_f32(NormPost post, const NormRows& p, const NormGrad& q, const float* dy, const float* x,
                         float* dx, int64_t rows, int64_t c, double* sums, int64_t whole) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_grad_slope_impl)(post, p, q, dy, x, dx, rows, c, sums, whole);
}

}  // namespace bantam
#endif  // HWY_ONCE
