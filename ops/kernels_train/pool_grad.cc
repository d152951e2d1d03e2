#include "ops/kernels_train/pool_grad.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/pool_grad.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/pool_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Outputs [begin, end) along one axis whose windows hold input position p.
struct Holders {
  int64_t begin, end;
  Holders(int64_t p, int64_t pad, int64_t kernel, int64_t stride, int64_t outputs) {
    const int64_t low = p + pad - kernel + 1;
    begin = low > 0 ? (low + stride - 1) / stride : 0;
    end = (p + pad) / stride + 1;
    if (end > outputs) end = outputs;
  }
};

// Calls f(offset of the output pixel's channel 0, position in its window) for the windows that hold input pixel `row`.
template <class F>
HWY_INLINE void for_each_holder(const ConvShape& s, int64_t row, const F& f) {
  const int64_t n = row / (s.h * s.w), y = row / s.w % s.h, x = row % s.w, oh = s.out_h(), ow = s.out_w();
  const Holders ys(y, s.pad_h, s.kh, s.stride_h, oh), xs(x, s.pad_w, s.kw, s.stride_w, ow);
  for (int64_t oy = ys.begin; oy < ys.end; ++oy)
    for (int64_t ox = xs.begin; ox < xs.end; ++ox)
      f(((n * oh + oy) * ow + ox) * s.c, (y - oy * s.stride_h + s.pad_h) * s.kw + x - ox * s.stride_w + s.pad_w);
}

// dy where argmax is `at`, 0 elsewhere. No branches: which is the largest, nobody can predict.
HWY_INLINE HWY_ATTR VF keep_hits(VF dy, const uint8_t* HWY_RESTRICT argmax, int64_t at) {
  const DF d;
  const hn::Rebind<int32_t, DF> di;
  const hn::Rebind<uint8_t, DF> du;
  const auto hit = hn::Eq(hn::PromoteTo(di, hn::LoadU(du, argmax)), hn::Set(di, int32_t(at)));
  return hn::IfThenElseZero(hn::RebindMask(d, hit), dy);
}
HWY_INLINE HWY_ATTR VF where_at(const float* HWY_RESTRICT dy, const uint8_t* HWY_RESTRICT argmax, int64_t at) {
  return keep_hits(hn::LoadU(DF(), dy), argmax, at);
}
HWY_INLINE float where_at_one(const float* dy, const uint8_t* argmax, int64_t at) {
  uint32_t bits;
  memcpy(&bits, dy, sizeof bits);
  bits &= 0u - uint32_t(*argmax == at);
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// dx += dy where argmax is `at`.
HWY_INLINE HWY_ATTR void add_where(const float* HWY_RESTRICT dy, const uint8_t* HWY_RESTRICT argmax, int64_t at,
                                   float* HWY_RESTRICT dx, int64_t c) {
  const DF d;
  int64_t j = 0;
  for (; j + kLanes <= c; j += kLanes) hn::StoreU(hn::Add(hn::LoadU(d, dx + j), where_at(dy + j, argmax + j, at)), d, dx + j);
  for (; j < c; ++j) dx[j] += where_at_one(dy + j, argmax + j, at);
}

// The next input pixel of a line: the window's next column, or the next window.
HWY_INLINE void continue_at(int64_t* ox, int64_t* kx, int64_t kw) {
  if (++*kx < kw) return;
  *kx = 0;
  ++*ox;
}

// Where windows neither overlap nor reach outside, an input pixel has one window or none: rows are walked without a division.
HWY_ATTR void max_pool_grad_apart(const ConvShape& s, const float* dy, const uint8_t* argmax, float* dx, int64_t row_begin,
                                  int64_t row_end) {
  const DF d;
  const int64_t oh = s.out_h(), ow = s.out_w(), covered = ow * s.kw;
  const uint8_t* argmax_end = argmax + s.n * oh * ow * s.c;
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t n = row / (s.h * s.w), y = row / s.w % s.h, x0 = row % s.w, oy = y / s.kh;
    const int64_t x1 = s.w - x0 < row_end - row ? s.w : x0 + row_end - row;
    float* HWY_RESTRICT out = dx + row * s.c;
    row += x1 - x0;
    const int64_t end = oy < oh ? (x1 < covered ? x1 : covered) : x0;
    int64_t ox = x0 / s.kw, kx = x0 % s.kw;
    const int64_t first = ((n * oh + oy) * ow) * s.c, line = y % s.kh * s.kw;
    int64_t x = x0;
    for (; x < end; ++x, out += s.c) {
      const float* HWY_RESTRICT g = dy + first + ox * s.c;
      const uint8_t* HWY_RESTRICT a = argmax + first + ox * s.c;
      const int64_t at = line + kx;
      int64_t j = 0;
      // 0 is added, as where windows overlap: it makes +0 of -0.
      for (; j + kLanes <= s.c; j += kLanes) hn::StoreU(hn::Add(where_at(g + j, a + j, at), hn::Zero(d)), d, out + j);
      if (j < s.c && a + j + kLanes <= argmax_end) {  // positions may be read beyond the pixel's
        store_part(hn::Add(keep_hits(load_part(g + j, s.c - j), a + j, at), hn::Zero(d)), out + j, s.c - j);
        continue_at(&ox, &kx, s.kw);
        continue;
      }
      for (; j < s.c; ++j) out[j] = where_at_one(g + j, a + j, at) + 0.0f;
      continue_at(&ox, &kx, s.kw);
    }
    if (x < x1) memset(out, 0, size_t((x1 - x) * s.c) * sizeof(float));
  }
}

HWY_ATTR void max_pool_grad(const ConvShape& s, const float* dy, const uint8_t* argmax, float* dx, int64_t row_begin,
                            int64_t row_end) {
  if (s.stride_h == s.kh && s.stride_w == s.kw && s.pad_h == 0 && s.pad_w == 0)
    return max_pool_grad_apart(s, dy, argmax, dx, row_begin, row_end);
  for (int64_t row = row_begin; row < row_end; ++row) {
    float* out = dx + row * s.c;
    memset(out, 0, size_t(s.c) * sizeof(float));
    for_each_holder(s, row, [&](int64_t at, int64_t position) HWY_ATTR {
      add_where(dy + at, argmax + at, position, out, s.c);
    });
  }
}

HWY_ATTR void avg_pool_grad(const ConvShape& s, const float* dy, float* dx, int64_t row_begin, int64_t row_end) {
  const DF d;
  const float area = float(s.kh * s.kw);
  for (int64_t row = row_begin; row < row_end; ++row) {
    float* HWY_RESTRICT out = dx + row * s.c;
    memset(out, 0, size_t(s.c) * sizeof(float));
    for_each_holder(s, row, [&](int64_t at, int64_t) HWY_ATTR {
      int64_t j = 0;
      for (; j + kLanes <= s.c; j += kLanes)
        hn::StoreU(hn::Add(hn::LoadU(d, out + j), hn::LoadU(d, dy + at + j)), d, out + j);
      for (; j < s.c; ++j) out[j] += dy[at + j];
    });
    int64_t j = 0;
    for (; j + kLanes <= s.c; j += kLanes) hn::StoreU(hn::Div(hn::LoadU(d, out + j), hn::Set(d, area)), d, out + j);
    for (; j < s.c; ++j) out[j] /= area;
  }
}

HWY_ATTR void global_avg_pool_grad(const float* dy, int64_t pixels, int64_t c, float* dx, int64_t n_begin, int64_t n_end) {
  const DF d;
  const float area = float(pixels);
  for (int64_t n = n_begin; n < n_end; ++n) {
    // The first pixel is computed, the others are copies of it.
    float* first = dx + n * pixels * c;
    int64_t j = 0;
    for (; j + kLanes <= c; j += kLanes)
      hn::StoreU(hn::Div(hn::LoadU(d, dy + n * c + j), hn::Set(d, area)), d, first + j);
    for (; j < c; ++j) first[j] = dy[n * c + j] / area;
    for (int64_t p = 1; p < pixels; ++p) memcpy(first + p * c, first, size_t(c) * sizeof(float));
  }
}

HWY_ATTR void adaptive_avg_pool_grad(const AdaptivePool& s, const float* dy, float* dx, int64_t row_begin, int64_t row_end) {
  using ref::AdaptiveRange;
  const DF d;
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (s.h * s.w);
    const AdaptiveRange ys(row / s.w % s.h, s.oh, s.h), xs(row % s.w, s.ow, s.w);
    float* HWY_RESTRICT out = dx + row * s.c;
    memset(out, 0, size_t(s.c) * sizeof(float));
    for (int64_t oy = ys.begin; oy < ys.end; ++oy)
      for (int64_t ox = xs.begin; ox < xs.end; ++ox) {
        const float* HWY_RESTRICT g = dy + ((n * s.oh + oy) * s.ow + ox) * s.c;
        const float area = float(AdaptiveRange(oy, s.h, s.oh).size() * AdaptiveRange(ox, s.w, s.ow).size());
        int64_t j = 0;
        for (; j + kLanes <= s.c; j += kLanes)
          hn::StoreU(hn::Add(hn::LoadU(d, out + j), hn::Div(hn::LoadU(d, g + j), hn::Set(d, area))), d, out + j);
        for (; j < s.c; ++j) out[j] += g[j] / area;
      }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(max_pool_grad);
HWY_EXPORT(avg_pool_grad);
HWY_EXPORT(global_avg_pool_grad);
HWY_EXPORT(adaptive_avg_pool_grad);

void max_pool_grad_f32(const ConvShape& s, const float* dy, const uint8_t* argmax, float* dx, int64_t row_begin,
                       int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool_grad)(s, dy, argmax, dx, row_begin, row_end);
}
void avg_pool_grad_f32(const ConvShape& s, const float* dy, float* dx, int64_t row_begin, int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(avg_pool_grad)(s, dy, dx, row_begin, row_end);
}
void global_avg_pool_grad_f32(const float* dy, int64_t pixels, int64_t c, float* dx, int64_t n_begin,
                              int64_t n_end) noexcept {
  HWY_DYNAMIC_DISPATCH(global_avg_pool_grad)(dy, pixels, c, dx, n_begin, n_end);
}
void adaptive_avg_pool_grad_f32(const AdaptivePool& s, const float* dy, float* dx, int64_t row_begin,
                                int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(adaptive_avg_pool_grad)(s, dy, dx, row_begin, row_end);
}

}  // namespace bantam
#endif
