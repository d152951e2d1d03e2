#include "ops/kernels_train/elementwise_grad.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/elementwise_grad.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/columns-inl.h"
#include "ops/kernels/math-inl.h"
#include "ops/kernels_train/hard_swish_grad-inl.h"

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
void hard_swish_grad_impl(const float* x, const float* dy, float* dx, int64_t n) {
  map2(x, dy, dx, n, HardSwishGrad());
}
void prelu_grad_impl(const float* x, const float* dy, float slope, float* dx, int64_t n) {
  map2(x, dy, dx, n, PReluGrad{slope});
}

// `slope` holds c values: one a channel, or those of several rows.
HWY_INLINE void prelu_grad_rows(const float* x, const float* dy, const float* slope, float* dx, int64_t rows,
                                int64_t c) {
  const auto grad = [](VF v, VF g, VF s)
                        HWY_ATTR { return hn::IfThenElse(hn::Gt(v, hn::Zero(DF())), g, hn::Mul(g, s)); };
  for (int64_t r = 0; r < rows; ++r, dy += c, x += c, dx += c) {
    const WholeLoad load;
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) WholeStore()(grad(load(x + i), load(dy + i), load(slope + i)), dx + i);
    if (i == c) continue;
    const PartLoad part{c - i};
    PartStore{c - i}(grad(part(x + i), part(dy + i), part(slope + i)), dx + i);
  }
}
void prelu_channels_grad_impl(const float* x, const float* dy, const float* slope, float* dx, int64_t rows, int64_t c) {
  const int64_t group = row_group(rows, c);
  if (group == 1) return prelu_grad_rows(x, dy, slope, dx, rows, c);
  HWY_ALIGN float repeated[kMaxColumns];
  repeat_parameters(slope, c, group, repeated);
  const int64_t done = rows / group * group * c;
  prelu_grad_rows(x, dy, repeated, dx, rows / group, group * c);
  prelu_grad_rows(x + done, dy + done, slope, dx + done, rows % group, c);
}

struct SlopeTerm {
  const float *x, *dy;
  template <class Load> HWY_INLINE void one(const Load& load, int64_t at, int64_t, VF* out) const {
    const VF v = load.far(x + at);
    out[0] = hn::IfThenZeroElse(hn::Ge(v, hn::Zero(DF())), hn::Mul(load.far(dy + at), v));
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
  template <class D, class V> HWY_INLINE V operator()(D d, V y, V dy) const {
    return hn::Mul(y, hn::Sub(dy, hn::Set(d, s)));
  }
};
struct LogSoftmaxGrad {
  float s;
  template <class D, class V> HWY_INLINE V operator()(D d, V y, V dy) const {
    return hn::NegMulAdd(exp_vec(d, y), hn::Set(d, s), dy);
  }
};
void softmax_grad_rows_impl(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c)
    map2(y, dy, dx, c, SoftmaxGrad{row_sum(y, dy, c, ProductOf())});
}
void log_softmax_grad_rows_impl(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c)
    map2(y, dy, dx, c, LogSoftmaxGrad{row_sum(y, dy, c, SecondOf())});
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(relu_grad_impl);
HWY_EXPORT(tanh_grad_impl);
HWY_EXPORT(sigmoid_grad_impl);
HWY_EXPORT(hard_swish_grad_impl);
HWY_EXPORT(prelu_grad_impl);
HWY_EXPORT(prelu_channels_grad_impl);
HWY_EXPORT(prelu_slope_sums_impl);
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
void hard_swish_grad_f32(const float* x, const float* dy, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(hard_swish_grad_impl)(x, dy, dx, n);
}
void prelu_grad_f32(const float* x, const float* dy, float slope, float* dx, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_grad_impl)(x, dy, slope, dx, n);
}
void prelu_channels_grad_f32(const float* x, const float* dy, const float* slope, float* dx, int64_t rows,
                             int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_channels_grad_impl)(x, dy, slope, dx, rows, c);
}
void prelu_slope_sums_f32(const float* x, const float* dy, int64_t rows, int64_t c, double* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_slope_sums_impl)(x, dy, rows, c, sums);
}
void softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(softmax_grad_rows_impl)(y, dy, dx, rows, c);
}
void log_softmax_grad_rows_f32(const float* y, const float* dy, float* dx, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(log_softmax_grad_rows_impl)(y, dy, dx, rows, c);
}

}  // namespace bantam
#endif  // HWY_ONCE
