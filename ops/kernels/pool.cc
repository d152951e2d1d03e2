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

using DI = hn::Rebind<int32_t, DF>;
using VI = hn::Vec<DI>;

// Positions go out as P planes of bits, 32 of each at a time.
template <int P> struct PlaneWriter {
  uint8_t* to;
  uint64_t waiting = 0;
  PlaneWriter<P - 1> lower;

  PlaneWriter(uint8_t* planes, int64_t plane_bytes, int64_t first)
      : to(planes + (P - 1) * plane_bytes + first), lower(planes, plane_bytes, first) {}
  HWY_INLINE void add(VI where, unsigned lanes, int fill) {
    waiting |= uint64_t(bits_of(hn::RebindMask(DF(), hn::TestBit(where, hn::Set(DI(), 1 << (P - 1))))) & lanes) << fill;
    lower.add(where, lanes, fill);
  }
  template <class Word> HWY_INLINE void store() {
    const Word word = Word(waiting);
    memcpy(to, &word, sizeof word);
    to += sizeof word;
    waiting >>= 8 * sizeof word;
    lower.template store<Word>();
  }
};
template <> struct PlaneWriter<0> {
  PlaneWriter(uint8_t*, int64_t, int64_t) {}
  HWY_INLINE void add(VI, unsigned, int) {}
  template <class Word> HWY_INLINE void store() {}
};
template <int P> struct PositionWriter {
  PlaneWriter<P> planes;
  int fill = 0;

  PositionWriter(const ConvShape& s, uint8_t* positions, int64_t output)
      : planes(positions, P ? max_pool_plane_bytes(s) : 0, output / 8) {}
  // Of the first k lanes.
  HWY_INLINE void put(VI where, int64_t k) {
    if constexpr (P > 0) {
      planes.add(where, (1u << k) - 1, fill);
      fill += int(k);
      if (fill < 32) return;
      planes.template store<uint32_t>();
      fill -= 32;
    }
  }
  HWY_INLINE void end() {
    for (; fill > 0; fill -= 8) planes.template store<uint8_t>();
  }
};

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
    where = hn::IfThenElse(hn::RebindMask(DI(), larger), hn::Set(DI(), int32_t(at)), where);
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
template <class Window, int P>
HWY_INLINE void max_pixel(const Window& window, const float* corner, float* y, int64_t c, int64_t room,
                          PositionWriter<P>* positions) {
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

// Whole: the type of windows that lie inside the image, or PartWindow for those, too.
template <class Whole, int P>
HWY_INLINE void max_pool_rows(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                              int64_t row_end) {
  const int64_t oh = s.out_h(), ow = s.out_w(), line = s.w * s.c;
  PositionWriter<P> writer(s, positions, row_begin * s.c);
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
          writer.put(best.where, s.c);
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
          max_pixel(Whole{line, s.c}, corner, y + row * s.c, s.c, room, &writer);
          continue;
        }
      }
      max_pixel(PartWindow{line, s.c, s.kw, ref::PoolWindow(s, n, oy, ox)}, corner, y + row * s.c, s.c, room, &writer);
    }
  }
  writer.end();
}

HWY_ATTR void max_pool(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                       int64_t row_end) {
#define BANTAM_POOL(WHOLE, P)                                                                    \
  return positions ? max_pool_rows<WHOLE, P>(s, x, y, positions, row_begin, row_end)             \
                   : max_pool_rows<WHOLE, 0>(s, x, y, positions, row_begin, row_end)
  using Two = WholeWindow<2, 2>;
  using Three = WholeWindow<3, 3>;
  if (s.kh == 2 && s.kw == 2) BANTAM_POOL(Two, 2);
  if (s.kh == 3 && s.kw == 3) BANTAM_POOL(Three, 4);
  switch (max_pool_planes(s)) {
    case 2: BANTAM_POOL(PartWindow, 2);
    case 4: BANTAM_POOL(PartWindow, 4);
    default: BANTAM_POOL(PartWindow, 8);
  }
#undef BANTAM_POOL
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

void max_pool_f32(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                  int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool)(s, x, y, positions, row_begin, row_end);
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
