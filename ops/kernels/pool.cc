#include "ops/kernels/pool.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/pool_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Stores the first k lanes.
HWY_INLINE void store_some(VF v, float* p, int64_t k) {
  if (k >= kLanes) {
    hn::StoreU(v, DF(), p);
  } else {
    store_part(v, p, k);
  }
}
HWY_INLINE VF load_some(const float* p, int64_t k) { return k >= kLanes ? hn::LoadU(DF(), p) : load_part(p, k); }

// Stores lanes that hold 0..255, the first k of them.
HWY_INLINE void store_bytes(VF v, uint8_t* p, int64_t k) {
  const hn::Rebind<int32_t, DF> di;
  const hn::Rebind<uint8_t, DF> du;
  const auto bytes = hn::DemoteTo(du, hn::ConvertTo(di, v));
  if (k >= kLanes) {
    hn::StoreU(bytes, du, p);
    return;
  }
  HWY_ALIGN uint8_t buffer[kLanes < 16 ? 16 : kLanes] = {};
  hn::StoreU(bytes, du, buffer);
  int64_t i = 0;  // by powers of two: calls of memcpy for a few bytes would cost more than all else
  if (k & 8) memcpy(p, buffer, 8), i = 8;
  if (k & 4) memcpy(p + i, buffer + i, 4), i += 4;
  if (k & 2) memcpy(p + i, buffer + i, 2), i += 2;
  if (k & 1) p[i] = buffer[i];
}

// The largest of a whole window, and where: one vector of channels.
template <class Load>
HWY_INLINE VF window_max(const ConvShape& s, const float* corner, const Load& load, VF* where) {
  const DF d;
  VF best = load(corner);
  *where = hn::Zero(d);
  for (int64_t ky = 0, at = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx, ++at) {
      const VF v = load(corner + (ky * s.w + kx) * s.c);  // the first again: it is not larger than itself
      const auto larger = hn::Gt(v, best);
      best = hn::IfThenElse(larger, v, best);
      *where = hn::IfThenElse(larger, hn::Set(d, float(at)), *where);
    }
  return best;
}

// Without padding every window is whole.
HWY_ATTR void max_pool_whole(const ConvShape& s, const float* x, float* y, uint8_t* argmax, int64_t row_begin, int64_t row_end) {
  const int64_t oh = s.out_h(), ow = s.out_w(), full = s.c / kLanes * kLanes;
  const PartLoad part{s.c - full};
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t n = row / (oh * ow), oy = row / ow % oh, ox = row % ow;
    const int64_t line = ow - ox < row_end - row ? ow - ox : row_end - row;
    const float* corner = x + ((n * s.h + oy * s.stride_h) * s.w + ox * s.stride_w) * s.c;
    for (int64_t i = 0; i < line; ++i, ++row, corner += s.stride_w * s.c) {
      VF where;
      int64_t c = 0;
      for (; c < full; c += kLanes) {
        hn::StoreU(window_max(s, corner + c, WholeLoad(), &where), DF(), y + row * s.c + c);
        if (argmax) store_bytes(where, argmax + row * s.c + c, kLanes);
      }
      if (c < s.c) {
        store_part(window_max(s, corner + c, part, &where), y + row * s.c + c, part.k);
        if (argmax) store_bytes(where, argmax + row * s.c + c, part.k);
      }
    }
  }
}

HWY_ATTR void max_pool(const ConvShape& s, const float* x, float* y, uint8_t* argmax, int64_t row_begin, int64_t row_end) {
  if (s.pad_h == 0 && s.pad_w == 0) return max_pool_whole(s, x, y, argmax, row_begin, row_end);
  const DF d;
  ref::PoolWalk walk(s, row_begin);
  for (int64_t row = row_begin; row < row_end; ++row, walk.next()) {
    const ref::PoolWindow w = walk.window();
    const float* corner = x + ((w.n * s.h + w.y0) * s.w + w.x0) * s.c;
    for (int64_t c = 0; c < s.c; c += kLanes) {
      const int64_t k = s.c - c;
      VF best = hn::Zero(d), where = hn::Zero(d);
      bool first = true;
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx) {
          const VF v = load_some(corner + (ky * s.w + kx) * s.c + c, k);
          const VF at = hn::Set(d, float(ky * s.kw + kx));
          const auto larger = hn::Gt(v, best);
          best = first ? v : hn::IfThenElse(larger, v, best);
          where = first ? at : hn::IfThenElse(larger, at, where);
          first = false;
        }
      store_some(best, y + row * s.c + c, k);
      if (argmax) store_bytes(where, argmax + row * s.c + c, k);
    }
  }
}

HWY_ATTR void avg_pool(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) {
  const DF d;
  const VF area = hn::Set(d, float(s.kh * s.kw));
  for (int64_t row = row_begin; row < row_end; ++row) {
    const ref::PoolWindow w(s, row);
    const float* corner = x + ((w.n * s.h + w.y0) * s.w + w.x0) * s.c;
    for (int64_t c = 0; c < s.c; c += kLanes) {
      VF sum = hn::Zero(d);
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx)
          sum = hn::Add(sum, load_some(corner + (ky * s.w + kx) * s.c + c, s.c - c));
      store_some(hn::Div(sum, area), y + row * s.c + c, s.c - c);
    }
  }
}

HWY_ATTR void global_avg_pool(const float* x, int64_t pixels, int64_t c, float* y, int64_t n_begin, int64_t n_end) {
  const DF d;
  const VF area = hn::Set(d, float(pixels));
  for (int64_t n = n_begin; n < n_end; ++n)
    for (int64_t j = 0; j < c; j += kLanes) {
      VF sum = hn::Zero(d);
      for (int64_t p = 0; p < pixels; ++p) sum = hn::Add(sum, load_some(x + (n * pixels + p) * c + j, c - j));
      store_some(hn::Div(sum, area), y + n * c + j, c - j);
    }
}

HWY_ATTR void adaptive_avg_pool(const AdaptivePool& s, const float* x, float* y, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (s.oh * s.ow);
    const ref::AdaptiveRange ys(row / s.ow % s.oh, s.h, s.oh), xs(row % s.ow, s.w, s.ow);
    const VF area = hn::Set(DF(), float(ys.size() * xs.size()));
    for (int64_t c = 0; c < s.c; c += kLanes) {
      VF sum = hn::Zero(DF());
      for (int64_t iy = ys.begin; iy < ys.end; ++iy)
        for (int64_t ix = xs.begin; ix < xs.end; ++ix)
          sum = hn::Add(sum, load_some(x + ((n * s.h + iy) * s.w + ix) * s.c + c, s.c - c));
      store_some(hn::Div(sum, area), y + row * s.c + c, s.c - c);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(max_pool);
HWY_EXPORT(avg_pool);
HWY_EXPORT(global_avg_pool);
HWY_EXPORT(adaptive_avg_pool);

void max_pool_f32(const ConvShape& s, const float* x, float* y, uint8_t* argmax, int64_t row_begin,
                  int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool)(s, x, y, argmax, row_begin, row_end);
}
void avg_pool_f32(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(avg_pool)(s, x, y, row_begin, row_end);
}
void global_avg_pool_f32(const float* x, int64_t pixels, int64_t c, float* y, int64_t n_begin, int64_t n_end) noexcept {
  HWY_DYNAMIC_DISPATCH(global_avg_pool)(x, pixels, c, y, n_begin, n_end);
}
void adaptive_avg_pool_f32(const AdaptivePool& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(adaptive_avg_pool)(s, x, y, row_begin, row_end);
}

}  // namespace bantam
#endif
