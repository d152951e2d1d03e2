#include "ops/kernels/elementwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/elementwise.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/math-inl.h"
#include "ops/kernels/static_for-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

// Functors, not lambdas: a lambda does not inherit the target attribute.
struct AddF { template <class D, class V> HWY_INLINE V operator()(D, V a, V b) const { return hn::Add(a, b); } };
struct SubF { template <class D, class V> HWY_INLINE V operator()(D, V a, V b) const { return hn::Sub(a, b); } };
struct MulF { template <class D, class V> HWY_INLINE V operator()(D, V a, V b) const { return hn::Mul(a, b); } };
struct DivF { template <class D, class V> HWY_INLINE V operator()(D d, V a, V b) const { return divided(d, a, b); } };
template <class F> struct FirstIs {
  float a;
  template <class D, class V> HWY_INLINE V operator()(D d, V b) const { return F()(d, hn::Set(d, a), b); }
};
template <class F> struct SecondIs {
  float b;
  template <class D, class V> HWY_INLINE V operator()(D d, V a) const { return F()(d, a, hn::Set(d, b)); }
};
struct AxpyF {
  float a;
  template <class D, class V> HWY_INLINE V operator()(D d, V y, V x) const { return fused(hn::Set(d, a), x, y); }
};
struct ReluF {
  template <class D, class V> HWY_INLINE V operator()(D d, V x) const {
    return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), x);
  }
};
struct PReluF {
  template <class D, class V> HWY_INLINE V operator()(D d, V x, V slope) const {
    return hn::IfThenElse(hn::Ge(x, hn::Zero(d)), x, hn::Mul(x, slope));
  }
};
struct ClampF {
  float lo, hi;
  template <class D, class V> HWY_INLINE V operator()(D d, V x) const {
    const V y = hn::IfThenElse(hn::Lt(x, hn::Set(d, lo)), hn::Set(d, lo), x);
    return hn::IfThenElse(hn::Gt(x, hn::Set(d, hi)), hn::Set(d, hi), y);
  }
};
struct HardSwishF {
  template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return hard_swish_vec(d, x); }
};
struct ExpF { template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return exp_vec(d, x); } };
struct LogF { template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return log_vec(d, x); } };
struct TanhF { template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return tanh_vec(d, x); } };
struct SigmoidF { template <class D, class V> HWY_INLINE V operator()(D d, V x) const { return sigmoid_vec(d, x); } };

template <class F>
HWY_INLINE void broadcast_map2(const float* a, int64_t a_step, const float* b, int64_t b_step, float* out, int64_t n) {
  if (n <= 0) return;
  if (a_step != 0 && b_step != 0) return map2(a, b, out, n, F());
  if (a_step != 0) return map(a, out, n, SecondIs<F>{*b});
  if (b_step != 0) return map(b, out, n, FirstIs<F>{*a});
  const DF d;
  float value[1];
  store_part(F()(d, hn::Set(d, *a), hn::Set(d, *b)), value, 1);
  for (int64_t i = 0; i < n; ++i) out[i] = value[0];
}
void binary_impl(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* out, int64_t n) {
  switch (op) {
    case Binary::kAdd: return broadcast_map2<AddF>(a, a_step, b, b_step, out, n);
    case Binary::kSub: return broadcast_map2<SubF>(a, a_step, b, b_step, out, n);
    case Binary::kMul: return broadcast_map2<MulF>(a, a_step, b, b_step, out, n);
    case Binary::kDiv: return broadcast_map2<DivF>(a, a_step, b, b_step, out, n);
  }
}
void axpy_impl(float* dst, float a, const float* src, int64_t n) { map2(dst, src, dst, n, AxpyF{a}); }

void relu_impl(const float* x, float* out, int64_t n) { map(x, out, n, ReluF()); }
void prelu_impl(const float* x, float slope, float* out, int64_t n) { map(x, out, n, SecondIs<PReluF>{slope}); }
void clamp_impl(const float* x, float lo, float hi, float* out, int64_t n) { map(x, out, n, ClampF{lo, hi}); }
void hard_swish_impl(const float* x, float* out, int64_t n) { map(x, out, n, HardSwishF()); }
void exp_impl(const float* x, float* out, int64_t n) { map(x, out, n, ExpF()); }
void log_impl(const float* x, float* out, int64_t n) { map(x, out, n, LogF()); }
void tanh_impl(const float* x, float* out, int64_t n) { map(x, out, n, TanhF()); }
void sigmoid_impl(const float* x, float* out, int64_t n) { map(x, out, n, SigmoidF()); }

// Bits. A byte takes one vector or several: kLanes is 1, 4, 8 or 16.
struct GtF {
  float bound, unused;
  template <class D, class V> HWY_INLINE hn::Mask<D> operator()(D d, V x) const { return hn::Gt(x, hn::Set(d, bound)); }
};
struct InsideF {
  float lo, hi;
  template <class D, class V> HWY_INLINE hn::Mask<D> operator()(D d, V x) const {
    return hn::And(hn::Gt(x, hn::Set(d, lo)), hn::Lt(x, hn::Set(d, hi)));
  }
};
struct WithinF {
  float lo, hi;
  template <class D, class V> HWY_INLINE hn::Mask<D> operator()(D d, V x) const {
    return hn::And(hn::Ge(x, hn::Set(d, lo)), hn::Le(x, hn::Set(d, hi)));
  }
};
template <class F> HWY_INLINE void to_bits(const float* x, uint8_t* bits, int64_t n, const F& f) {
  const DF d;
  constexpr int64_t kStep = kLanes < 8 ? 8 : kLanes;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    if constexpr (kLanes >= 8) {
      hn::StoreMaskBits(d, f(d, hn::LoadU(d, x + i)), bits + i / 8);
    } else {
      unsigned byte = 0;
      for (int64_t j = 0; j < 8; j += kLanes) byte |= bits_of(f(d, hn::LoadU(d, x + i + j))) << j;
      bits[i / 8] = uint8_t(byte);
    }
  }
  unsigned word = 0;
  for (int64_t j = 0; i + j < n; j += kLanes) {
    const int64_t k = n - i - j < kLanes ? n - i - j : kLanes;
    word |= (bits_of(f(d, load_part(x + i + j, k))) & ((1u << k) - 1)) << j;
  }
  for (int64_t j = 0; i + j < n; j += 8) bits[(i + j) / 8] = uint8_t(word >> j);
}
void gt_bits_impl(const float* x, float bound, uint8_t* bits, int64_t n) { to_bits(x, bits, n, GtF{bound, 0}); }
void inside_bits_impl(const float* x, float lo, float hi, uint8_t* bits, int64_t n) {
  to_bits(x, bits, n, InsideF{lo, hi});
}
void within_bits_impl(const float* x, float lo, float hi, uint8_t* bits, int64_t n) {
  to_bits(x, bits, n, WithinF{lo, hi});
}

void select_bits_impl(const float* x, const uint8_t* bits, float s, float* out, int64_t n) {
  const DF d;
  const VF scale = hn::Set(d, s);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    hn::Mask<DF> mask;
    if constexpr (kLanes >= 8)
      mask = hn::LoadMaskBits(d, bits + i / 8);  // reads kLanes bits, no more
    else
      mask = mask_of(unsigned(bits[i / 8]) >> (i % 8));
    hn::StoreU(keep_where(d, mask, hn::Mul(hn::LoadU(d, x + i), scale)), d, out + i);
  }
  if (const int64_t k = n - i; k > 0) {
    unsigned word = bits[i / 8];
    if (k > 8) word |= unsigned(bits[i / 8 + 1]) << 8;
    store_part(hn::IfThenElseZero(mask_of(word >> (i % 8)), hn::Mul(load_part(x + i, k), scale)), out + i, k);
  }
}

// Per channel.
struct AffineF {
  template <class V> HWY_INLINE V operator()(V x, V scale, V shift) const { return fused(x, scale, shift); }
};
struct BiasF {
  template <class V> HWY_INLINE V operator()(V x, V bias, V) const { return hn::Add(x, bias); }
};
struct ScaleF {
  template <class V> HWY_INLINE V operator()(V x, V scale, V) const { return hn::Mul(x, scale); }
};
struct PReluChannelsF {
  template <class V> HWY_INLINE V operator()(V x, V slope, V) const { return PReluF()(DF(), x, slope); }
};

// One row of parameters against all rows. P: how many of them F reads; written out, because g++ 12 at -O2 keeps vectors
// that a loop indexes in memory.
template <int P, class Load, class Store, class F>
HWY_INLINE void map_step(const float* x, const float* const* p, float* out, int64_t i, const Load& load,
                         const Store& store, const F& f) {
  const VF v0 = load(p[0] + i), v1 = P > 1 ? load(p[P > 1 ? 1 : 0] + i) : hn::Zero(DF());
  store(f(load(x + i), v0, v1), out + i);
}
template <int P, class F>
HWY_INLINE void map_rows(const float* x, const float* const* p, float* out, int64_t rows, int64_t c, const F& f) {
  for (int64_t r = 0; r < rows; ++r, x += c, out += c) {
    int64_t i = 0;
    for (; i + kLanes <= c; i += kLanes) map_step<P>(x, p, out, i, WholeLoad(), WholeStore(), f);
    if (i < c) map_step<P>(x, p, out, i, PartLoad{c - i}, PartStore{c - i}, f);
  }
}
template <int P, class F>
HWY_INLINE void map_channels(const float* x, const float* const* p, float* out, int64_t rows, int64_t c, const F& f) {
  const int64_t group = row_group(rows, c);
  if (kFewTiles || group == 1) return map_rows<P>(x, p, out, rows, c, f);
  HWY_ALIGN float repeated[P][kMaxColumns];
  const float* q[P];
  for (int j = 0; j < P; ++j) {
    repeat_parameters(p[j], c, group, repeated[j]);
    q[j] = repeated[j];
  }
  const int64_t whole = rows / group * group;
  map_rows<P>(x, q, out, rows / group, group * c, f);
  map_rows<P>(x + whole * c, p, out + whole * c, rows - whole, c, f);
}
void affine_channels_impl(const float* x, const float* scale, const float* shift, float* out, int64_t rows, int64_t c) {
  const float* p[] = {scale, shift};
  map_channels<2>(x, p, out, rows, c, AffineF());
}
void bias_channels_impl(const float* x, const float* bias, float* out, int64_t rows, int64_t c) {
  map_channels<1>(x, &bias, out, rows, c, BiasF());
}
void scale_channels_impl(const float* x, const float* scale, float* out, int64_t rows, int64_t c) {
  map_channels<1>(x, &scale, out, rows, c, ScaleF());
}
void prelu_channels_impl(const float* x, const float* slope, float* out, int64_t rows, int64_t c) {
  map_channels<1>(x, &slope, out, rows, c, PReluChannelsF());
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(binary_impl);
HWY_EXPORT(axpy_impl);
HWY_EXPORT(relu_impl);
HWY_EXPORT(prelu_impl);
HWY_EXPORT(clamp_impl);
HWY_EXPORT(hard_swish_impl);
HWY_EXPORT(exp_impl);
HWY_EXPORT(log_impl);
HWY_EXPORT(tanh_impl);
HWY_EXPORT(sigmoid_impl);
HWY_EXPORT(gt_bits_impl);
HWY_EXPORT(inside_bits_impl);
HWY_EXPORT(within_bits_impl);
HWY_EXPORT(select_bits_impl);
HWY_EXPORT(affine_channels_impl);
HWY_EXPORT(bias_channels_impl);
HWY_EXPORT(scale_channels_impl);
HWY_EXPORT(prelu_channels_impl);

void binary_f32(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* out,
                int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(binary_impl)(op, a, a_step, b, b_step, out, n);
}
void add_f32(const float* a, const float* b, float* out, int64_t n) noexcept {
  binary_f32(Binary::kAdd, a, 1, b, 1, out, n);
}
void mul_f32(const float* a, const float* b, float* out, int64_t n) noexcept {
  binary_f32(Binary::kMul, a, 1, b, 1, out, n);
}
void scale_f32(const float* x, float s, float* out, int64_t n) noexcept {
  binary_f32(Binary::kMul, x, 1, &s, 0, out, n);
}
void add_into(float* dst, const float* src, int64_t n) noexcept { binary_f32(Binary::kAdd, dst, 1, src, 1, dst, n); }
void axpy_f32(float* dst, float a, const float* src, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(axpy_impl)(dst, a, src, n);
}
void relu_f32(const float* x, float* out, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(relu_impl)(x, out, n); }
void prelu_f32(const float* x, float slope, float* out, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_impl)(x, slope, out, n);
}
void clamp_f32(const float* x, float lo, float hi, float* out, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(clamp_impl)(x, lo, hi, out, n);
}
void hard_swish_f32(const float* x, float* out, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(hard_swish_impl)(x, out, n);
}
void exp_f32(const float* x, float* out, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(exp_impl)(x, out, n); }
void log_f32(const float* x, float* out, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(log_impl)(x, out, n); }
void tanh_f32(const float* x, float* out, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(tanh_impl)(x, out, n); }
void sigmoid_f32(const float* x, float* out, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(sigmoid_impl)(x, out, n); }
void gt_bits_f32(const float* x, float bound, uint8_t* bits, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(gt_bits_impl)(x, bound, bits, n);
}
void inside_bits_f32(const float* x, float lo, float hi, uint8_t* bits, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(inside_bits_impl)(x, lo, hi, bits, n);
}
void within_bits_f32(const float* x, float lo, float hi, uint8_t* bits, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(within_bits_impl)(x, lo, hi, bits, n);
}
void select_bits_f32(const float* x, const uint8_t* bits, float s, float* out, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(select_bits_impl)(x, bits, s, out, n);
}
void affine_channels_f32(const float* x, const float* scale, const float* shift, float* out, int64_t rows,
                         int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(affine_channels_impl)(x, scale, shift, out, rows, c);
}
void bias_channels_f32(const float* x, const float* bias, float* out, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(bias_channels_impl)(x, bias, out, rows, c);
}
void scale_channels_f32(const float* x, const float* scale, float* out, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(scale_channels_impl)(x, scale, out, rows, c);
}
void prelu_channels_f32(const float* x, const float* slope, float* out, int64_t rows, int64_t c) noexcept {
  HWY_DYNAMIC_DISPATCH(prelu_channels_impl)(x, slope, out, rows, c);
}

}  // namespace bantam
#endif  // HWY_ONCE
