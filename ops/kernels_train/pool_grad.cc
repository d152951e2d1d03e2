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
  int64_t begin, end, p, pad, kernel, stride, outputs;
  Holders(int64_t at, int64_t pad_, int64_t kernel_, int64_t stride_, int64_t outputs_)
      : p(at), pad(pad_), kernel(kernel_), stride(stride_), outputs(outputs_) {
    const int64_t low = p + pad - kernel + 1;
    begin = low > 0 ? (low + stride - 1) / stride : 0;
    end = (p + pad) / stride + 1;
    if (end > outputs) end = outputs;
  }
  // Those of position p + 1, without a division.
  HWY_INLINE void next() {
    ++p;
    if (p + pad - kernel + 1 > begin * stride) ++begin;
    if (p + pad >= end * stride && end < outputs) ++end;
  }
};

using DI = hn::Rebind<int32_t, DF>;
using VI = hn::Vec<DI>;

// Positions of the outputs from `at` on, from their P planes.
template <int P>
HWY_INLINE VI positions_at(const uint8_t* planes, int64_t plane_bytes, const uint8_t* end, int64_t at) {
  const DI di;
  const auto mask = hn::RebindMask(di, mask_of(bits_at(planes + (P - 1) * plane_bytes, end, at)));
  const VI high = hn::IfThenElseZero(mask, hn::Set(di, 1 << (P - 1)));
  if constexpr (P == 1)
    return high;
  else
    return hn::Or(high, positions_at<P - 1>(planes, plane_bytes, end, at));
}
HWY_INLINE VF keep_at(VI where, int64_t at, VF dy) {
  return hn::IfThenElseZero(hn::RebindMask(DF(), hn::Eq(where, hn::Set(DI(), int32_t(at)))), dy);
}

// The part of a window that lies in the range, of an output pixel: positions [ky0, ky1) x [kx0, kx1). `to` is the input
// pixel of its first position, `room` how many floats from there on may be written in each line.
struct Part {
  float* to;
  int64_t ky0, ky1, kx0, kx1, room;
};
// What a range of input lines gets, output pixel by output pixel in raster order. Where windows do not overlap each
// input is written once; else dx begins as 0 and windows add to it.
template <int P, bool kAdd> struct Spread {
  const ConvShape& s;
  const float* dy;
  const uint8_t* planes;
  int64_t plane_bytes;
  const uint8_t* end;

  HWY_INLINE VI positions(int64_t output) const { return positions_at<P>(planes, plane_bytes, end, output); }
  // 0 is added, as where windows overlap: it makes +0 of -0.
  template <class Load> HWY_INLINE VF gradient(const Load& load, int64_t output) const {
    return hn::Add(load.far(dy + output), hn::Zero(DF()));
  }

  // The first k channels at p, `whole` if all lanes may be written.
  HWY_INLINE void store(VF v, float* p, int64_t k, bool whole) const {
    if (whole)
      hn::StoreU(kAdd ? hn::Add(hn::LoadU(DF(), p), v) : v, DF(), p);
    else
      store_part(kAdd ? hn::Add(load_part(p, k), v) : v, p, k);
  }
  HWY_INLINE void pixel(int64_t output, const Part& w) const {
    const int64_t line = s.w * s.c;
    for (int64_t j = 0; j < s.c; j += kLanes) {
      const int64_t k = s.c - j;
      VI where = positions(output * s.c + j);
      const VF g = k >= kLanes ? gradient(WholeLoad(), output * s.c + j) : gradient(PartLoad{k}, output * s.c + j);
      // Lanes beyond the pixel are the next one's: they get a 0 more, or are written later, as long as nothing of
      // theirs was written before.
      if (k < kLanes && kAdd)
        where = hn::IfThenElse(hn::RebindMask(DI(), hn::FirstN(DF(), size_t(k))), where, hn::Set(DI(), -1));
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx)
          store(keep_at(where, ky * s.kw + kx, g), w.to + ky * line + kx * s.c + j, k,
                k >= kLanes || ((kAdd || j == 0) && kx * s.c + j + kLanes <= w.room));
    }
  }
  // Windows of 2x2 that do not overlap, whole, one after the other along a line, of one vector of channels at least.
  template <class Store>
  HWY_INLINE void two_by_two(int64_t output, float* to, int64_t pixels, const Store& store) const {
    const int64_t line = s.w * s.c, c = s.c;
    const auto four = [&](VI where, VF g, float* p, const auto& put) HWY_ATTR {
      put(keep_at(where, 0, g), p);
      put(keep_at(where, 1, g), p + c);
      put(keep_at(where, 2, g), p + line);
      put(keep_at(where, 3, g), p + line + c);
    };
    for (int64_t at = output * c; pixels > 0; --pixels, at += c, to += 2 * c) {
      int64_t j = 0;
      for (; j + kLanes <= c; j += kLanes) four(positions(at + j), gradient(WholeLoad(), at + j), to + j, store);
      if (j < c) four(positions(at + j), gradient(PartLoad{c - j}, at + j), to + j, PartStore{c - j});
    }
  }
  // The same of fewer channels than lanes. Each vector is followed by the next pixel's, over its last lanes: the caller
  // sees to it that there is one, and that dy has a whole vector.
  HWY_INLINE void two_by_two_few(int64_t output, float* to, int64_t pixels) const {
    const int64_t line = s.w * s.c, c = s.c;
    for (int64_t at = output * c; pixels > 0; --pixels, at += c, to += 2 * c) {
      const VI where = positions(at);
      const VF g = gradient(WholeLoad(), at);
      hn::StoreU(keep_at(where, 0, g), DF(), to);
      hn::StoreU(keep_at(where, 1, g), DF(), to + c);
      hn::StoreU(keep_at(where, 2, g), DF(), to + line);
      hn::StoreU(keep_at(where, 3, g), DF(), to + line + c);
    }
  }
};

template <int P, bool kAdd>
HWY_INLINE void spread(const ConvShape& s, const float* dy, const uint8_t* positions, float* dx, int64_t line_begin,
                       int64_t line_end) {
  const int64_t oh = s.out_h(), ow = s.out_w(), line = s.w * s.c, plane_bytes = max_pool_plane_bytes(s);
  const Spread<P, kAdd> f{s, dy, positions, plane_bytes, positions + P * plane_bytes};
  const bool stream = !kAdd && streams(dx, s.c, s.n * s.h * line);
  if (kAdd) memset(dx + line_begin * line, 0, size_t((line_end - line_begin) * line) * sizeof(float));
  for (int64_t at = line_begin; at < line_end;) {  // image by image
    const int64_t n = at / s.h, y_begin = at % s.h,
                  y_end = s.h - y_begin < line_end - at ? s.h : y_begin + line_end - at;
    at += y_end - y_begin;
    const int64_t first = Holders(y_begin, s.pad_h, s.kh, s.stride_h, oh).begin,
                  last = Holders(y_end - 1, s.pad_h, s.kh, s.stride_h, oh).end;
    for (int64_t oy = first; oy < last; ++oy) {
      const int64_t y0 = oy * s.stride_h - s.pad_h, ky0 = y_begin > y0 ? y_begin - y0 : 0,
                    ky1 = y_end - y0 < s.kh ? y_end - y0 : s.kh;
      float* const to = dx + (n * s.h + y0) * line;
      int64_t ox = 0;
      if (!kAdd && s.kh == 2 && s.kw == 2 && ky0 == 0 && ky1 == 2) {
        const int64_t output = (n * oh + oy) * ow;
        if (s.c >= kLanes) {
          if (stream)
            f.two_by_two(output, to, ow, StreamStore());
          else
            f.two_by_two(output, to, ow, WholeStore());
          ox = ow;
        } else {
          const int64_t rest = (s.n * oh - n * oh - oy) * ow * s.c - kLanes;  // of dy, behind a vector
          const int64_t vectors = (line - kLanes) / s.c, left = rest < 0 ? 0 : rest / s.c + 1;
          ox = vectors < 1              ? 0
               : (vectors + 1) / 2 < ow ? (vectors + 1) / 2
                                        : ow;  // the last's second column is at most the last vector
          if (ox > left) ox = left;
          f.two_by_two_few(output, to, ox);
        }
      }
      for (; ox < ow; ++ox) {
        const int64_t x0 = ox * s.stride_w - s.pad_w, kx0 = x0 < 0 ? -x0 : 0, kx1 = s.w - x0 < s.kw ? s.w - x0 : s.kw;
        f.pixel((n * oh + oy) * ow + ox, {to + x0 * s.c, ky0, ky1, kx0, kx1, line - x0 * s.c});
      }
      if (!kAdd && ow * s.kw < s.w)  // pixels that no window reaches, at the right and below
        for (int64_t ky = ky0; ky < ky1; ++ky)
          memset(to + ky * line + ow * s.kw * s.c, 0, size_t((s.w - ow * s.kw) * s.c) * sizeof(float));
    }
    if (const int64_t covered = oh * s.kh; !kAdd && covered < y_end) {
      const int64_t y = covered > y_begin ? covered : y_begin;
      memset(dx + (n * s.h + y) * line, 0, size_t((y_end - y) * line) * sizeof(float));
    }
  }
  if (stream) hwy::FlushStream();
}

HWY_ATTR void max_pool_grad(const ConvShape& s, const float* dy, const uint8_t* positions, float* dx,
                            int64_t line_begin, int64_t line_end) {
  const bool apart = s.stride_h == s.kh && s.stride_w == s.kw && s.pad_h == 0 && s.pad_w == 0;
#define BANTAM_SPREAD(P)                                                      \
  return apart ? spread<P, false>(s, dy, positions, dx, line_begin, line_end) \
               : spread<P, true>(s, dy, positions, dx, line_begin, line_end)
  switch (max_pool_planes(s)) {
    case 2: BANTAM_SPREAD(2);
    case 4: BANTAM_SPREAD(4);
    default: BANTAM_SPREAD(8);
  }
#undef BANTAM_SPREAD
}

HWY_ATTR void avg_pool_grad(const ConvShape& s, const float* dy, float* dx, int64_t row_begin, int64_t row_end) {
  const VF area = hn::Set(DF(), float(s.kh * s.kw));
  const int64_t oh = s.out_h(), ow = s.out_w();
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t n = row / (s.h * s.w), y = row / s.w % s.h, x0 = row % s.w;
    const int64_t end = s.w - x0 < row_end - row ? s.w : x0 + row_end - row;
    const Holders ys(y, s.pad_h, s.kh, s.stride_h, oh);
    Holders xs(x0, s.pad_w, s.kw, s.stride_w, ow);
    for (int64_t x = x0; x < end; ++x, ++row, xs.next()) {
      for (int64_t j = 0; j < s.c; j += kLanes) {
        const int64_t k = s.c - j;
        VF sum = hn::Zero(DF());
        for (int64_t oy = ys.begin; oy < ys.end; ++oy)
          for (int64_t ox = xs.begin; ox < xs.end; ++ox)
            sum = hn::Add(sum, load_first(dy + ((n * oh + oy) * ow + ox) * s.c + j, k));
        store_first(hn::Div(sum, area), dx + row * s.c + j, k);
      }
    }
  }
}

HWY_ATTR void global_avg_pool_grad(const float* dy, int64_t pixels, int64_t c, float* dx, int64_t n_begin,
                                   int64_t n_end) {
  const VF area = hn::Set(DF(), float(pixels));
  for (int64_t n = n_begin; n < n_end; ++n) {
    // The first pixel is computed, the others are copies of it, twice as many every time up to 8 KB.
    float* first = dx + n * pixels * c;
    for (int64_t j = 0; j < c; j += kLanes)
      store_first(hn::Div(load_first(dy + n * c + j, c - j), area), first + j, c - j);
    for (int64_t done = 1, block = 1; done < pixels; done += block) {
      block = block < done && 2 * block * c <= 2048 ? 2 * block : block;
      if (block > pixels - done) block = pixels - done;
      memcpy(first + done * c, first, size_t(block * c) * sizeof(float));
    }
  }
}

HWY_ATTR void adaptive_avg_pool_grad(const AdaptivePool& s, const float* dy, float* dx, int64_t row_begin,
                                     int64_t row_end) {
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

void max_pool_grad_f32(const ConvShape& s, const float* dy, const uint8_t* positions, float* dx, int64_t line_begin,
                       int64_t line_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool_grad)(s, dy, positions, dx, line_begin, line_end);
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
