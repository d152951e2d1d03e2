#include "ops/kernels/pool.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/max_pool-inl.h"
#include "ops/kernels/pool_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Where nobody asks for the positions.
struct NoPositions {
  HWY_INLINE void put(VI, int64_t) {}
  HWY_INLINE void end() {}
};

// Stores the first k lanes.
HWY_INLINE void store_some(VF v, float* p, int64_t k) {
  if (k >= kLanes) {
    hn::StoreU(v, DF(), p);
  } else {
    store_part(v, p, k);
  }
}
HWY_INLINE VF load_some(const float* p, int64_t k) { return k >= kLanes ? hn::LoadU(DF(), p) : load_part(p, k); }

HWY_ATTR void max_pool(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) {
  const auto rows = [&]<class Whole>(const Whole*) HWY_ATTR {
    NoPositions none;
    max_pool_rows<Whole>(s, x, y, &none, row_begin, row_end);
  };
#ifndef __OPTIMIZE_SIZE__
  if (s.kh == 2 && s.kw == 2) return rows(static_cast<WholeWindow<2, 2>*>(nullptr));
  if (s.kh == 3 && s.kw == 3) return rows(static_cast<WholeWindow<3, 3>*>(nullptr));
#endif
  rows(static_cast<PartWindow*>(nullptr));
}

template <class Load>
HWY_INLINE VF window_sum(const ref::PoolWindow& w, const float* corner, int64_t line, int64_t c, const Load& load) {
  VF sum = hn::Zero(DF());
  for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
    for (int64_t kx = w.kx0; kx < w.kx1; ++kx) sum = hn::Add(sum, load(corner + ky * line + kx * c));
  return sum;
}

HWY_ATTR void avg_pool(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) {
  const VF area = hn::Set(DF(), float(s.kh * s.kw));
  const int64_t oh = s.out_h(), ow = s.out_w(), line = s.w * s.c;
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t n = row / (oh * ow), oy = row / ow % oh, ox0 = row % ow;
    const int64_t end = ow - ox0 < row_end - row ? ow : ox0 + row_end - row;
    for (int64_t ox = ox0; ox < end; ++ox, ++row) {
      const ref::PoolWindow w(s, n, oy, ox);
      const float* corner = x + ((n * s.h + w.y0) * s.w + w.x0) * s.c;
      float* out = y + row * s.c;
      int64_t j = 0;
      for (; j + kLanes <= s.c; j += kLanes)
        hn::StoreU(divided(DF(), window_sum(w, corner + j, line, s.c, FarLoad()), area), DF(), out + j);
      if (j < s.c)
        store_part(divided(DF(), window_sum(w, corner + j, line, s.c, PartLoad{s.c - j}), area), out + j, s.c - j);
    }
  }
}

// Four sums down `pixels` values each, `step` apart: as a chain of additions waits for itself, four side by side are
// four times as fast.
template <class Load>
HWY_INLINE void four_means(const float* const* x, int64_t pixels, int64_t step, VF area, float* const* y,
                           const Load& load) {
  const float *a = x[0], *b = x[1], *c = x[2], *d = x[3];
  VF sa = hn::Zero(DF()), sb = sa, sc = sa, sd = sa;
  for (int64_t at = 0; at < pixels * step; at += step) {
    sa = hn::Add(sa, load.far(a + at));
    sb = hn::Add(sb, load.far(b + at));
    sc = hn::Add(sc, load.far(c + at));
    sd = hn::Add(sd, load.far(d + at));
  }
  const auto store = store_like(load);
  store(divided(DF(), sa, area), y[0]);
  store(divided(DF(), sb, area), y[1]);
  store(divided(DF(), sc, area), y[2]);
  store(divided(DF(), sd, area), y[3]);
}
HWY_ATTR void global_avg_pool(const float* x, int64_t pixels, int64_t c, float* y, int64_t n_begin, int64_t n_end) {
  const VF area = hn::Set(DF(), float(pixels));
  const int64_t whole = c / (4 * kLanes) * 4 * kLanes;
  for (int64_t n = n_begin; n < n_end; ++n)  // four vectors of an image
    for (int64_t j = 0; j < whole; j += 4 * kLanes) {
      const float* p = x + n * pixels * c + j;
      float* q = y + n * c + j;
      const float* const from[] = {p, p + kLanes, p + 2 * kLanes, p + 3 * kLanes};
      float* const to[] = {q, q + kLanes, q + 2 * kLanes, q + 3 * kLanes};
      four_means(from, pixels, c, area, to, WholeLoad());
    }
  // The same vector of four images; at the end some of them are the same.
  for (int64_t n = n_begin; n < n_end; n += 4)
    for (int64_t j = whole; j < c; j += kLanes) {
      const float* from[4];
      float* to[4];
      for (int64_t i = 0; i < 4; ++i) {
        const int64_t image = n + i < n_end ? n + i : n_end - 1;
        from[i] = x + image * pixels * c + j;
        to[i] = y + image * c + j;
      }
      if (c - j >= kLanes)
        four_means(from, pixels, c, area, to, WholeLoad());
      else
        four_means(from, pixels, c, area, to, PartLoad{c - j});
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
      store_some(divided(DF(), sum, area), y + row * s.c + c, s.c - c);
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

void max_pool_f32(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool)(s, x, y, row_begin, row_end);
}
void avg_pool_f32(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(avg_pool)(s, x, y, row_begin, row_end);
}
void global_avg_pool_f32(const float* x, int64_t pixels, int64_t c, float* y, int64_t n_begin, int64_t n_end) noexcept {
  HWY_DYNAMIC_DISPATCH(global_avg_pool)(x, pixels, c, y, n_begin, n_end);
}
void adaptive_avg_pool_f32(const AdaptivePool& s, const float* x, float* y, int64_t row_begin,
                           int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(adaptive_avg_pool)(s, x, y, row_begin, row_end);
}

}  // namespace bantam
#endif
