#include "ops/kernels_train/elementwise_grad.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/elementwise_grad.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/columns-inl.h"
#include "ops/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

struct ReluGrad {
  template <class D, class V> HWY_INLINE V operator()(D d, V out, V dy) const {
    return keep_where(d, hn::Gt(out, hn::Zero(d)), dy);
  }
};
struct TanhGrad {
  template <class D, class V> HWY_INLINE V operator()(D d, V out, V dy) const {
    return hn::Mul(dy, hn::NegMulAdd(out, out, hn::Set(d, 1.0f)));
  }
};
struct SigmoidGrad {
  template <class D, class V> HWY_INLINE V operator()(D d, V out, V dy) const {
    return hn::Mul(dy, hn::Mul(out, hn::Sub(hn::Set(d, 1.0f), out)));
  }
};
struct PReluGrad {
  float slope;
  template <class D, class V> HWY_INLINE V operator()(D d, V x, V dy) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(d)), dy, hn::Mul(dy, hn::Set(d, slope)));
  }
};
void relu_grad_impl(const float* out, const float* dy, float* dx, int64_t n) { map2(out, dy, dx, n, ReluGrad()); }
void tanh_grad_impl(const float* out, const float* dy, float* dx, int64_t n) { map2(out, dy, dx, n, TanhGrad()); }
void sigmoid_grad_impl(const float* out, const float* dy, float* dx, int64_t n) { map2(out, dy, dx, n, SigmoidGrad()); }
void prelu_grad_impl(const float* x, const float* dy, float slope, float* dx, int64_t n) { map2(x, dy, dx, n, PReluGrad{slope}); }

// dx from dy, x and P parameters a channel, 1 or 4.
struct PReluChannelsGrad {
  HWY_INLINE VF operator()(VF dy, VF x, VF slope, VF, VF, VF) const {
    return hn::IfThenElse(hn::Gt(x, hn::Zero(DF())), dy, hn::Mul(dy, slope));
  }
};
struct NormInputGrad {
  HWY_INLINE VF operator()(VF dy, VF x, VF mean, VF a, VF b, VF d) const {
    return hn::MulAdd(a, dy, hn::MulAdd(b, hn::Sub(x, mean), d));
  }
};
template <int P, class Load, class Store, class F>
HWY_INLINE void grad_step(const float* dy, const float* x, const float* const* p, float* dx, int64_t i, const Load& load,
                          const Store& store, const F& f) {
  static_assert(P == 1 || P == 4);
  constexpr int kLast = P - 1;
  const VF zero = hn::Zero(DF());
  const VF v0 = load(p[0] + i), v1 = P > 1 ? load(p[kLast / 3] + i) : zero, v2 = P > 1 ? load(p[kLast / 3 * 2] + i) : zero,
           v3 = P > 1 ? load(p[kLast] + i) : zero;
  store(f(load(dy + i), load(x + i), v0, v1, v2, v3), dx + i);
}
template <int P, class F>
HWY_INLINE void grad_rows(const float* dy, const float* x, const float* const* p, float* dx, int64_t rows, int64_t c, const F& f) {
  for (int64_t r = 0; r < rows; ++r, dy += c, x += c, dx += c) {
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) grad_step<P>(dy, x, p, dx, i, WholeLoad(), WholeStore(), f);
    if (i < c) grad_step<P>(dy, x, p, dx, i, PartLoad{c - i}, PartStore{c - i}, f);
  }
}
template <int P, class F>
HWY_INLINE void grad_channels(const float* dy, const float* x, const float* const* p, float* dx, int64_t rows, int64_t c, const F& f) {
  const int64_t group = row_group(rows, c);
  if (group == 1) return grad_rows<P>(dy, x, p, dx, rows, c, f);
  HWY_ALIGN float repeated[P][kMaxColumns];
  const float* q[P];
  for (int j = 0; j < P; ++j) {
    repeat_parameters(p[j], c, group, repeated[j]);
    q[j] = repeated[j];
  }
  const int64_t done = rows / group * group * c;
  grad_rows<P>(dy, x, q, dx, rows / group, group * c, f);
  grad_rows<P>(dy + done, x + done, p, dx + done, rows % group, c, f);
}
void prelu_channels_grad_impl(const float* x, const float* dy, const float* slope, float* dx, int64_t rows, int64_t c) {
  grad_channels<1>(dy, x, &slope, dx, rows, c, PReluChannelsGrad());
}
void norm_input_grad_impl(const float* dy, const float* x, const float* mean, const float* a, const float* b, const float* d,
                          float* dx, int64_t rows, int64_t c) {
  const float* p[] = {mean, a, b, d};
  grad_channels<4>(dy, x, p, dx, rows, c, NormInputGrad());
}

struct SlopeTerm {
  const float *x, *dy;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t, VF* out) const {
    const VF v = load(x + at);
    out[0] = hn::IfThenZeroElse(hn::Ge(v, hn::Zero(DF())), hn::Mul(load(dy + at), v));
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    VF second;
    one(load, at, column, out);
    one(load, next, column, &second);
    out[0] = hn::Add(out[0], second);
  }
};
void prelu_slope_sums_impl(const float* x, const float* dy, int64_t rows, int64_t c, double* sums) {
  HWY_ALIGN float acc[1][kMaxColumns];
  for (int64_t k = 0; k < c; ++k) sums[k] = 0;
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    sum_columns<1>(b, SlopeTerm{x, dy}, acc);
    add_columns(b, acc[0], sums);
  });
}

struct NormTerms {
  const float *dy, *x, *mean;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t column, VF* out) const {
    out[0] = load(dy + at);
    out[1] = hn::Mul(out[0], hn::Sub(load(x + at), load(mean + column)));
  }
  template <class Load> HWY_INLINE void two(const Load& load, int64_t at, int64_t next, int64_t column, VF* out) const {
    one(load, at, column, out);
    const VF g = load(dy + next);
    out[0] = hn::Add(out[0], g);
    out[1] = hn::MulAdd(g, hn::Sub(load(x + next), load(mean + column)), out[1]);
  }
};
void norm_sums_impl(const float* dy, const float* x, const float* mean, int64_t rows, int64_t c, double* sum_dy,
                    double* sum_dy_deviation) {
  HWY_ALIGN float acc[2][kMaxColumns];
  HWY_ALIGN float repeated[kMaxColumns];
  for (int64_t k = 0; k < c; ++k) sum_dy[k] = sum_dy_deviation[k] = 0;
  for_column_blocks(rows, c, [&](const ColumnBlock& b) HWY_ATTR {
    const float* m = mean + b.channel;
    if (b.columns > b.channels) {
      repeat_parameters(m, b.channels, b.columns / b.channels, repeated);
      m = repeated;
    }
    sum_columns<2>(b, NormTerms{dy, x, m}, acc);
    add_columns(b, acc[0], sum_dy);
    add_columns(b, acc[1], sum_dy_deviation);
  });
}

// Sum over a row of f(y, dy).
template <class F> HWY_INLINE float row_sum(const float* y, const float* dy, int64_t c, const F& f) {
  const DF d;
  VF sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= c; i += kLanes) sum = hn::Add(sum, f(hn::LoadU(d, y + i), hn::LoadU(d, dy + i)));
  if (i < c) sum = hn::Add(sum, f(load_part(y + i, c - i), load_part(dy + i, c - i)));
  return hn::GetLane(hn::SumOfLanes(d, sum));
}
struct ProductOf { template <class V> HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(y, dy); } };
struct SecondOf { template <class V> HWY_INLINE V operator()(V, V dy) const { return dy; } };
struct SoftmaxGrad {
  float s;
  template <class D, class V> HWY_INLINE V operator()(D d, V y, V dy) const { return hn::Mul(y, hn::Sub(dy, hn::Set(d, s))); }
};
struct LogSoftmaxGrad {
  float s;
  template <class D, class V> HWY_INLINE V operator()(D d, V y, V dy) const {
    return hn::NegMulAdd(exp_vec(d, y), hn::Set(d, s), dy);
  }
};
void softmax_grad_rows_impl(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c) map2(y, dy, dx, c, SoftmaxGrad{row_sum(y, dy, c, ProductOf())});
}
void log_softmax_grad_rows_impl(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c) map2(y, dy, dx, c, LogSoftmaxGrad{row_sum(y, dy, c, SecondOf())});
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(relu_grad_impl);
HWY_EXPORT(tanh_grad_impl);
HWY_EXPORT(sigmoid_grad_impl);
HWY_EXPORT(prelu_grad_impl);
HWY_EXPORT(prelu_channels_grad_impl);
HWY_EXPORT(prelu_slope_sums_impl);
HWY_EXPORT(norm_sums_impl);
HWY_EXPORT(norm_input_grad_impl);
HWY_EXPORT(softmax_grad_rows_impl);
HWY_EXPORT(log_softmax_grad_rows_impl);

void relu_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(relu_grad_impl)(out, dy, dx, n);
}
void tanh_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(tanh_grad_impl)(out, dy, dx, n);
}
void sigmoid_grad_f32(const float* out, const float* dy, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(sigmoid_grad_impl)(out, dy, dx, n);
}
void prelu_grad_f32(const float* x, const float* dy, float slope, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_grad_impl)(x, dy, slope, dx, n);
}
void prelu_channels_grad_f32(const float* x, const float* dy, const float* slope, float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_channels_grad_impl)(x, dy, slope, dx, rows, c);
}
void prelu_slope_sums_f32(const float* x, const float* dy, int64_t rows, int64_t c, double* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_slope_sums_impl)(x, dy, rows, c, sums);
}
void norm_sums_f32(const float* dy, const float* x, const float* mean, int64_t rows, int64_t c, double* sum_dy,
                   double* sum_dy_deviation) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_sums_impl)(dy, x, mean, rows, c, sum_dy, sum_dy_deviation);
}
void norm_input_grad_f32(const float* dy, const float* x, const float* mean, const float* a, const float* b, const float* d,
                         float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(norm_input_grad_impl)(dy, x, mean, a, b, d, dx, rows, c);
}
void softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(softmax_grad_rows_impl)(y, dy, dx, rows, c);
}
void log_softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(log_softmax_grad_rows_impl)(y, dy, dx, rows, c);
}

}  // namespace bantam
#endif  // HWY_ONCE
