#include "ops/kernels/reduce.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/reduce.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/columns-inl.h"
#include "ops/kernels/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

struct SumTerm {
  const float* x;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t, VF* out) const {
    out[0] = load.far(x + at);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t, VF* out) const {
    out[0] = sum_of_two(load, x, at, next);
  }
};
struct DotTerm {
  const float *a, *b;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t, VF* out) const {
    out[0] = hn::Mul(load.far(a + at), load.far(b + at));
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    one(load, at, column, out);
    out[0] = hn::MulAdd(load.far(a + next), load.far(b + next), out[0]);
  }
};
// x, or x >= 0 ? x : x slope.
struct AsItIs {
  const float* x;
  template <class Load> HWY_INLINE VF operator()(const Load& load, int64_t at, int64_t) const {
    return load.far(x + at);
  }
};
struct WithSlope {
  const float *x, *slope;
  template <class Load> HWY_INLINE VF operator()(const Load& load, int64_t at, int64_t column) const {
    const VF v = load.far(x + at), low = hn::Mul(v, load(slope + column));
    return hn::IfThenElse(hn::Ge(v, hn::Zero(DF())), v, low);
  }
};
template <class Pre> struct PreTerm {
  Pre pre;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    out[0] = pre(load, at, column);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    out[0] = hn::Add(pre(load, at, column), pre(load, next, column));
  }
};
// d = pre(x) - shift and d^2.
template <class Pre> struct DeviationTerms {
  Pre pre;
  const float* shift;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    out[0] = hn::Sub(pre(load, at, column), load(shift + column));
    out[1] = hn::Mul(out[0], out[0]);
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    one(load, at, column, out);
    const VF d = hn::Sub(pre(load, next, column), load(shift + column));
    out[0] = hn::Add(out[0], d);
    out[1] = hn::MulAdd(d, d, out[1]);
  }
};

template <class F> HWY_INLINE void channel_totals(const F& f, int64_t rows, int64_t c, double* total) {
  HWY_ALIGN float acc[1][kMaxColumns];
  for (int64_t k = 0; k < c; ++k) total[k] = 0;
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    sum_columns<1>(b, f, acc);
    add_columns(b, acc[0], total);
  });
}
void channel_sums_impl(const float* x, int64_t rows, int64_t c, double* sums) {
  channel_totals(SumTerm{x}, rows, c, sums);
}
void channel_dots_impl(const float* a, const float* b, int64_t rows, int64_t c, double* dots) {
  channel_totals(DotTerm{a, b}, rows, c, dots);
}

// A flat array is rows of 64 columns and a rest.
HWY_INLINE double add_pairwise(double* v, int64_t n) {
  for (; n > 1; n /= 2)
    for (int64_t i = 0; i < n / 2; ++i) v[i] += v[i + n / 2];
  return v[0];
}
double sum_impl(const float* x, int64_t n) {
  double columns[64], rest[64] = {};
  channel_sums_impl(x, n / 64, 64, columns);
  channel_sums_impl(x + n / 64 * 64, 1, n % 64, rest);
  for (int i = 0; i < 64; ++i) columns[i] += rest[i];
  return add_pairwise(columns, 64);
}
double dot_impl(const float* a, const float* b, int64_t n) {
  double columns[64], rest[64] = {};
  const int64_t whole = n / 64 * 64;
  channel_dots_impl(a, b, n / 64, 64, columns);
  channel_dots_impl(a + whole, b + whole, 1, n % 64, rest);
  for (int i = 0; i < 64; ++i) columns[i] += rest[i];
  return add_pairwise(columns, 64);
}

// Deviations are taken from a guess g of the mean, the mean of the first rows: s1 = sum (x - g) and s2 = sum (x - g)^2
// give the mean g + s1 / n and m2 = s2 - s1^2 / n. What that loses is s2 / m2 - 1 times the rounding of s2, and s2
// cannot be much larger than m2: if the first 16 rows are d away from the rest, d^2 is in m2 16 times and in s2 n
// times. pre_of(block): the functor for its columns.
template <class PreOf>
HWY_INLINE void channel_moments(const PreOf& pre_of, int64_t rows, int64_t c, double* mean, double* m2) {
  HWY_ALIGN float acc[2][kMaxColumns];
  HWY_ALIGN float guess[kMaxColumns];
  for (int64_t k = 0; k < c; ++k) mean[k] = m2[k] = 0;  // s1 and s2 until the last block
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    const int64_t group = b.columns / b.channels, done = (b.offset - b.channel) / c;
    double *s1 = mean + b.channel, *s2 = m2 + b.channel;
    const auto pre = pre_of(b);
    using Pre = std::remove_const_t<decltype(pre)>;
    if (done == 0) {
      ColumnBlock first = b;
      first.rows = b.rows < 16 ? b.rows : 16;
      sum_columns<1>(first, PreTerm<Pre>{pre}, acc);
      add_columns(first, acc[0], mean);
      for (int64_t k = 0; k < b.channels; ++k) {
        guess[k] = float(s1[k] / double(first.rows * group));
        s1[k] = 0;
      }
      repeat_parameters(guess, b.channels, group, guess);
    }
    sum_columns<2>(b, DeviationTerms<Pre>{pre, guess}, acc);
    add_columns(b, acc[0], mean);
    add_columns(b, acc[1], m2);
    if (done + b.rows * group < rows) return;
    for (int64_t k = 0; k < b.channels; ++k) {
      const double offset = s1[k] / double(rows), spread = s2[k] - s1[k] * offset;
      s1[k] = double(guess[k]) + offset;
      s2[k] = spread < 0 ? 0 : spread;
    }
  });
}

struct PlainColumns {
  const float* x;
  HWY_INLINE AsItIs operator()(const ColumnBlock&) const { return {x}; }
};
struct SlopeColumns {
  const float *x, *slope;
  float* repeated;
  HWY_INLINE WithSlope operator()(const ColumnBlock& b) const {
    repeat_parameters(slope + b.channel, b.channels, b.columns / b.channels, repeated);
    return {x, repeated};
  }
};
void channel_moments_impl(const float* x, int64_t rows, int64_t c, double* mean, double* m2, const float* slope) {
  if (!slope) return channel_moments(PlainColumns{x}, rows, c, mean, m2);
  HWY_ALIGN float repeated[kMaxColumns];
  channel_moments(SlopeColumns{x, slope, repeated}, rows, c, mean, m2);
}

struct DivideBy {
  float s;
  template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return divided(d, x, hn::Set(d, s)); }
};
struct SubtractTwice {
  float max, log_sum;
  template <class D, class V> HWY_INLINE V operator()(D d, V x) const {
    return hn::Sub(hn::Sub(x, hn::Set(d, max)), hn::Set(d, log_sum));
  }
};
// The sum of out = e^(x - max) in an order that is the same on every target: element i goes to sum i % 16, and those
// are folded by halves.
HWY_INLINE float sixteen_exp_sums(const float* x, int64_t c, float max, float* out) {
  constexpr int64_t kSums = 16;
  static_assert(kSums % kLanes == 0);
  const DF d;
  const VF m = hn::Set(d, max);
  HWY_ALIGN float sums[kSums] = {};
  for (int64_t i = 0; i < c; i += kSums)
    for (int64_t at = i; at < c && at < i + kSums; at += kLanes) {
      VF e = exp_vec(d, hn::Sub(load_first(x + at, c - at), m));
      store_first(e, out + at, c - at);
      if (c - at < kLanes) e = hn::IfThenElseZero(hn::FirstN(d, size_t(c - at)), e);
      hn::Store(hn::Add(hn::Load(d, sums + (at - i)), e), d, sums + (at - i));
    }
  for (int64_t half = kSums / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) sums[i] += sums[i + half];
  return sums[0];
}
void softmax_rows_impl(const float* x, float* out, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, x += c, out += c) {
    const float sum = sixteen_exp_sums(x, c, row_max(x, c), out);
    map(out, out, c, DivideBy{sum});
  }
}
void log_softmax_rows_impl(const float* x, float* out, int64_t rows, int64_t c) {
  const DF d;
  for (int64_t r = 0; r < rows; ++r, x += c, out += c) {
    const float max = row_max(x, c);
    const float sum = row_exp_sum(x, c, max, nullptr);
    map(x, out, c, SubtractTwice{max, hn::GetLane(log_vec(d, hn::Set(d, sum)))});
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(sum_impl);
HWY_EXPORT(dot_impl);
HWY_EXPORT(channel_sums_impl);
HWY_EXPORT(channel_dots_impl);
HWY_EXPORT(channel_moments_impl);
HWY_EXPORT(softmax_rows_impl);
HWY_EXPORT(log_softmax_rows_impl);

double sum_f32(const float* x, int64_t n) noexcept { return HWY_DYNAMIC_DISPATCH(sum_impl)(x, n); }
double dot_f32(const float* a, const float* b, int64_t n) noexcept { return HWY_DYNAMIC_DISPATCH(dot_impl)(a, b, n); }
void channel_sums_f32(const float* x, int64_t rows, int64_t c, double* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(channel_sums_impl)(x, rows, c, sums);
}
void channel_dots_f32(const float* a, const float* b, int64_t rows, int64_t c, double* dots) noexcept {
  HWY_DYNAMIC_DISPATCH(channel_dots_impl)(a, b, rows, c, dots);
}
void channel_moments_f32(const float* x, int64_t rows, int64_t c, double* mean, double* m2,
                         const float* slope) noexcept {
  HWY_DYNAMIC_DISPATCH(channel_moments_impl)(x, rows, c, mean, m2, slope);
}
void softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(softmax_rows_impl)(x, out, rows, c);
}
void log_softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(log_softmax_rows_impl)(x, out, rows, c);
}

}  // namespace bantam
#endif  // HWY_ONCE
