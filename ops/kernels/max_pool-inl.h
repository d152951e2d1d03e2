// The largest value of each window, and where it lies for who wants to know: for units of kernels, once a target.
#if defined(BANTAM_OPS_KERNELS_MAX_POOL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_MAX_POOL_INL_H_
#undef BANTAM_OPS_KERNELS_MAX_POOL_INL_H_
#else
#define BANTAM_OPS_KERNELS_MAX_POOL_INL_H_
#endif

#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/pool_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

using DI = hn::Rebind<int32_t, DF>;
using VI = hn::Vec<DI>;

struct Largest {
  VF value;
  VI where;
  HWY_INLINE void take(VF v, int64_t at) {
    const auto larger = hn::Gt(v, value);
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR
    value = hn::Max(v, value);  // the second where they are equal or one is NaN; does not wait for the comparison
#else
    value = hn::IfThenElse(larger, v, value);
#endif
    where = hn::IfThenElse(hn::RebindMask(DI(), larger), hn::Set(DI(), int32_t(at)), where);  // dropped if unused
  }
};

struct FarLoad {
  HWY_INLINE VF operator()(const float* p) const { return WholeLoad().far(p); }
};

// Windows, from the address of their first pixel's channels: whole ones of KH x KW pixels, and those of which a part
// lies inside.
template <int KH, int KW> struct WholeWindow {
  int64_t line, c;

  template <int kAt, class Load> HWY_INLINE void rest(const float* corner, const Load& load, Largest* best) const {
    if constexpr (kAt < KH * KW) {
      best->take(load(corner + kAt / KW * line + kAt % KW * c), kAt);
      rest<kAt + 1>(corner, load, best);
    }
  }
  template <class Load> HWY_INLINE Largest largest(const float* corner, const Load& load) const {
    Largest best{load(corner), hn::Zero(DI())};
    rest<1>(corner, load, &best);
    return best;
  }
};
struct PartWindow {
  int64_t line, c, kw;
  ref::PoolWindow w;

  template <class Load> HWY_INLINE Largest largest(const float* corner, const Load& load) const {
    const float* first = corner + w.ky0 * line + w.kx0 * c;
    Largest best{load(first), hn::Set(DI(), int32_t(w.ky0 * kw + w.kx0))};
    for (int64_t ky = w.ky0; ky < w.ky1; ++ky)  // the first again: it is not larger than itself
      for (int64_t kx = w.kx0; kx < w.kx1; ++kx) best.take(load(corner + ky * line + kx * c), ky * kw + kx);
    return best;
  }
};

// One output pixel. `room`: floats from x's and y's channel on that may be read in each of the window's lines, and
// written.
template <class Window, class Positions>
HWY_INLINE void max_pixel(const Window& window, const float* corner, float* y, int64_t c, int64_t room,
                          Positions* positions) {
  int64_t j = 0;
  for (; j + kLanes <= c; j += kLanes) {
    const Largest best = window.largest(corner + j, FarLoad());
    hn::StoreU(best.value, DF(), y + j);
    positions->put(best.where, kLanes);
  }
  if (j == c) return;
  if (j + kLanes <= room) {  // lanes beyond the pixel are the next one's, which is written later
    const Largest best = window.largest(corner + j, WholeLoad());
    hn::StoreU(best.value, DF(), y + j);
    positions->put(best.where, c - j);
  } else {
    const Largest best = window.largest(corner + j, PartLoad{c - j});
    store_part(best.value, y + j, c - j);
    positions->put(best.where, c - j);
  }
}

// Whole: the type of windows that lie inside the image, or PartWindow for those, too. Positions: takes where each
// lane's largest value lies, of the first k lanes at a time.
template <class Whole, class Positions>
HWY_INLINE void max_pool_rows(const ConvShape& s, const float* x, float* y, Positions* positions, int64_t row_begin,
                              int64_t row_end) {
  const int64_t oh = s.out_h(), ow = s.out_w(), line = s.w * s.c;
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t n = row / (oh * ow), oy = row / ow % oh, ox0 = row % ow;
    const int64_t end = ow - ox0 < row_end - row ? ow : ox0 + row_end - row;
    int64_t ox = ox0;
    if constexpr (!__is_same(Whole, PartWindow)) {
      if (s.c < kLanes && s.pad_h == 0 &&
          s.pad_w == 0) {  // a vector a pixel, as long as there are as many floats in the lines
        const int64_t in_line = (line - kLanes) / s.c - s.kw + 1, left = row_end - row - (kLanes + s.c - 1) / s.c;
        const int64_t last = in_line < 0 ? -1 : in_line / s.stride_w;
        const int64_t stop = last + 1 < end ? last + 1 : end, few = stop - ox < left ? stop - ox : left;
        const float* corner = x + ((n * s.h + oy * s.stride_h) * s.w + ox * s.stride_w) * s.c;
        const Whole window{line, s.c};
        for (int64_t i = 0; i < few; ++i, ++ox, ++row, corner += s.stride_w * s.c) {
          const Largest best = window.largest(corner, WholeLoad());
          hn::StoreU(best.value, DF(), y + row * s.c);
          positions->put(best.where, s.c);
        }
      }
    }
    for (; ox < end; ++ox, ++row) {
      const int64_t x0 = ox * s.stride_w - s.pad_w, y0 = oy * s.stride_h - s.pad_h;
      const float* corner = x + ((n * s.h + y0) * s.w + x0) * s.c;
      const int64_t in_line = line - (x0 + s.kw - 1) * s.c, left = (row_end - row) * s.c,
                    room = in_line < left ? in_line : left;
      if constexpr (!__is_same(Whole, PartWindow)) {
        if (y0 >= 0 && x0 >= 0 && y0 + s.kh <= s.h && x0 + s.kw <= s.w) {
          max_pixel(Whole{line, s.c}, corner, y + row * s.c, s.c, room, positions);
          continue;
        }
      }
      const PartWindow part{line, s.c, s.kw, ref::PoolWindow(s, n, oy, ox)};
      max_pixel(part, corner, y + row * s.c, s.c, room, positions);
    }
  }
  positions->end();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif
