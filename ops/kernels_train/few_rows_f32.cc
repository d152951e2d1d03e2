#include "ops/kernels_train/few_rows_f32.h"

#include <string.h>

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/few_rows_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

constexpr int kWidth = 16;             // columns side by side in a sum, on every target
constexpr int kVectors = kWidth / kN;  // that hold them; kN divides 16

// The sum of a vector's lanes: halves added, again and again.
template <class D>
HWY_INLINE HWY_ATTR float sum_of_lanes(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    (void)d;
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    // Unqualified: the scalar target has no UpperHalf, and does not come here.
    return sum_of_lanes(half, hn::Add(LowerHalf(half, v), UpperHalf(half, v)));
  }
}
// Of 16 lanes, the same for vectors of any width.
HWY_INLINE HWY_ATTR float sum_of_16(const VF* v) {
  VF sum[kVectors];
  static_for<kVectors>([&](auto i) BANTAM_LAMBDA { sum[i] = v[i]; });
  for (int half = kVectors / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) sum[i] = hn::Add(sum[i], sum[i + half]);
  return sum_of_lanes(DF(), sum[0]);
}

// Outputs in pairs: two chains a vector of columns, so that the additions' latency is half hidden, and two rows of w in
// flight.
template <int J>
HWY_INLINE HWY_ATTR void forward_outputs(int64_t c, const float* HWY_RESTRICT x, const float* HWY_RESTRICT w,
                                         float* out) {
  const DF d;
  VF acc[J * kVectors];
  static_for<J * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  int64_t i = 0;
  for (; i + kWidth <= c; i += kWidth) {
    static_for<kVectors>([&](auto v) BANTAM_LAMBDA {
      const VF xv = hn::LoadU(d, x + i + v * kN);
      static_for<J>([&](auto j) BANTAM_LAMBDA {
        acc[j * kVectors + v] = fused(xv, hn::LoadU(d, w + j * c + i + v * kN), acc[j * kVectors + v]);
      });
    });
  }
  if (i < c) {
    static_for<kVectors>([&](auto v) BANTAM_LAMBDA {
      const int64_t left = c - i - v * kN;
      const VF xv = load_first(x + i + v * kN, left);
      static_for<J>([&](auto j) BANTAM_LAMBDA {
        acc[j * kVectors + v] = fused(xv, load_first(w + j * c + i + v * kN, left), acc[j * kVectors + v]);
      });
    });
  }
  static_for<J>([&](auto j) BANTAM_LAMBDA { out[j] = sum_of_16(acc + j * kVectors); });
}

HWY_ATTR void few_forward(int64_t rows, int64_t c, int64_t k, const float* x, const float* w, const float* bias,
                          float* y, int64_t k_begin, int64_t k_end) {
  constexpr int kOutputs = kVectors == 1 ? 8 : kVectors == 2 ? 4 : 2;
  int64_t j = k_begin;
  for (; j + kOutputs <= k_end; j += kOutputs)
    for (int64_t n = 0; n < rows; ++n) forward_outputs<kOutputs>(c, x + n * c, w + j * c, y + n * k + j);
  for (; j < k_end; ++j)
    for (int64_t n = 0; n < rows; ++n) forward_outputs<1>(c, x + n * c, w + j * c, y + n * k + j);
  if (!bias) return;
  for (int64_t n = 0; n < rows; ++n)
    for (int64_t i = k_begin; i < k_end; ++i) y[n * k + i] += bias[i];
}

// V vectors of columns of one row of dx; `cols` of them exist.
template <int V>
HWY_INLINE HWY_ATTR void input_columns(int64_t c, int64_t k, const float* HWY_RESTRICT dy, const float* HWY_RESTRICT w,
                                       float* dx, int64_t cols) {
  const DF d;
  VF acc[V];
  static_for<V>([&](auto v) BANTAM_LAMBDA { acc[v] = hn::Zero(d); });
  for (int64_t j = 0; j < k; ++j, w += c) {
    const VF g = hn::Set(d, dy[j]);
    static_for<V>([&](auto v) BANTAM_LAMBDA {
      acc[v] = fused(g, V > 1 ? hn::LoadU(d, w + v * kN) : load_first(w, cols), acc[v]);
    });
  }
  static_for<V>([&](auto v) BANTAM_LAMBDA { store_first(acc[v], dx + v * kN, cols - v * kN); });
}

HWY_ATTR void few_input_grad(int64_t rows, int64_t c, int64_t k, const float* dy, const float* w, float* dx,
                             int64_t c_begin, int64_t c_end) {
  constexpr int kWide = 8;
  for (int64_t n = 0; n < rows; ++n) {
    int64_t i = c_begin;
    for (; i + kWide * kN <= c_end; i += kWide * kN)
      input_columns<kWide>(c, k, dy + n * k, w + i, dx + n * c + i, kWide * kN);
    for (; i + 3 * kN <= c_end; i += 3 * kN) input_columns<3>(c, k, dy + n * k, w + i, dx + n * c + i, 3 * kN);
    for (; i < c_end; i += kN) input_columns<1>(c, k, dy + n * k, w + i, dx + n * c + i, c_end - i);
  }
}

HWY_ATTR void few_weight_grad(int64_t rows, int64_t c, int64_t k, const float* x, const float* dy, float* dw,
                              int64_t k_begin, int64_t k_end) {
  const DF d;
  for (int64_t j = k_begin; j < k_end; ++j) {
    float* HWY_RESTRICT out = dw + j * c;
    int64_t i = 0;
    if (rows == 1) {
      const VF g = hn::Set(d, dy[j]);
      for (; i + kN <= c; i += kN) hn::StoreU(fused(g, hn::LoadU(d, x + i), hn::Zero(d)), d, out + i);
    }
    for (; i < c; i += kN) {
      VF acc = hn::Zero(d);
      for (int64_t n = 0; n < rows; ++n) acc = fused(hn::Set(d, dy[n * k + j]), load_first(x + n * c + i, c - i), acc);
      store_first(acc, out + i, c - i);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(few_forward);
HWY_EXPORT(few_input_grad);
HWY_EXPORT(few_weight_grad);

void few_rows_forward_f32(int64_t rows, int64_t c, int64_t k, const float* x, const float* w, const float* bias,
                          float* y, int64_t k_begin, int64_t k_end) noexcept {
  HWY_DYNAMIC_DISPATCH(few_forward)(rows, c, k, x, w, bias, y, k_begin, k_end);
}
void few_rows_input_grad_f32(int64_t rows, int64_t c, int64_t k, const float* dy, const float* w, float* dx,
                             int64_t c_begin, int64_t c_end) noexcept {
  HWY_DYNAMIC_DISPATCH(few_input_grad)(rows, c, k, dy, w, dx, c_begin, c_end);
}
void few_rows_weight_grad_f32(int64_t rows, int64_t c, int64_t k, const float* x, const float* dy, float* dw,
                              int64_t k_begin, int64_t k_end) noexcept {
  HWY_DYNAMIC_DISPATCH(few_weight_grad)(rows, c, k, x, dy, dw, k_begin, k_end);
}

}  // namespace bantam
#endif
