#include "ops/kernels/depthwise.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/depthwise.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gather-inl.h"
#include "ops/kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Pixels that share a load of the weights.
constexpr int kPixels = 4;

// Where a tap of a pixel is read: at data + c * step; outside the image step is 0 and data a vector of zeros.
struct Source {
  const float* data;
  int64_t step;
};

// y[p] for V vectors of channels from c on. The weights are padded; x, bias and y are not: they are loaded and stored
// by `load` and `store`, which know how many channels are there.
template <int V, class Load, class Store>
HWY_INLINE HWY_ATTR void pixels_times_taps(const Source* src, int64_t taps, const float* HWY_RESTRICT w,
                                           int64_t w_stride, const float* bias, int64_t c, float* const* y,
                                           const Load& load, const Store& store) {
  const DF d;
  VF acc[kPixels * V];
  static_for<kPixels * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  w += c;
  for (int64_t t = 0; t < taps; ++t, w += w_stride, src += kPixels) {
    VF wv[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { wv[v] = hn::LoadU(d, w + v * kN); });
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
      const float* x = src[p].data + c * src[p].step;
      static_for<V>([&](auto v) BANTAM_LAMBDA { acc[p * V + v] = fused(load(x + v * kN), wv[v], acc[p * V + v]); });
    });
  }
  if (bias) {
    static_for<kPixels * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Add(acc[i], load(bias + c + i % V * kN)); });
  }
  static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
    static_for<V>([&](auto v) BANTAM_LAMBDA { store(acc[p * V + v], y[p] + c + v * kN); });
  });
}

HWY_ATTR void rows(const GemmRows& g, const float* w, const float* bias, int64_t row_begin, int64_t row_end) {
  HWY_ALIGN static const float zeros[2 * kN] = {};
  Source src[kDepthwiseMaxTaps * kPixels];
  float* y[kPixels];
  const int64_t taps = g.taps_h * g.taps_w, w_stride = depthwise_stride(g.channels);
  Pixel pixel(g, row_begin);
  for (int64_t r = row_begin; r < row_end; r += kPixels) {
    for (int64_t p = 0; p < kPixels; ++p) {
      if (r + p >= row_end) {  // copies of the last pixel, which write its values again
        y[p] = y[p - 1];
        for (int64_t t = 0; t < taps; ++t) src[t * kPixels + p] = src[t * kPixels + p - 1];
        continue;
      }
      const Window win = pixel.window(g);
      y[p] = g.dst + pixel.image * g.dst_image + pixel.oy * g.dst_row + pixel.ox * g.dst_pixel;
      for (int64_t ty = 0, t = 0; ty < g.taps_h; ++ty)
        for (int64_t tx = 0; tx < g.taps_w; ++tx, ++t) {
          const int64_t dy = ty * g.step_h, dx = tx * g.step_w;
          const bool inside = uint64_t(win.y + dy) < uint64_t(g.h) && uint64_t(win.x + dx) < uint64_t(g.w);
          src[t * kPixels + p] = inside ? Source{g.src + (win.origin + dy * g.w + dx) * g.pixel, 1} : Source{zeros, 0};
        }
      pixel.next(g);
    }
    int64_t c = 0;
    for (; c + 2 * kN <= g.channels; c += 2 * kN)
      pixels_times_taps<2>(src, taps, w, w_stride, bias, c, y, WholeLoad(), WholeStore());
    for (; c + kN <= g.channels; c += kN)
      pixels_times_taps<1>(src, taps, w, w_stride, bias, c, y, WholeLoad(), WholeStore());
    const int64_t left = g.channels - c;
    if (left > 0) pixels_times_taps<1>(src, taps, w, w_stride, bias, c, y, PartLoad{left}, PartStore{left});
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(rows);

void depthwise_pack_weights(const ConvShape& s, const float* w, float* packed) noexcept {
  const int64_t stride = depthwise_stride(s.c);
  for (int64_t t = 0; t < s.taps(); ++t)
    for (int64_t c = 0; c < stride; ++c) packed[t * stride + c] = c < s.c ? w[c * s.taps() + t] : 0.0f;
}

void depthwise_f32_rows(const GemmRows& g, const float* w, const float* bias, int64_t row_begin,
                        int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(rows)(g, w, bias, row_begin, row_end);
}

void depthwise_f32(const ConvShape& s, const float* x, const float* packed, const float* bias, float* y,
                   int64_t row_begin, int64_t row_end) noexcept {
  // A group of conv_f32_gather is one channel: here all of them are taken at once.
  GemmRows g = conv_f32_gather(s, x, y, 0);
  g.channels = s.c;
  depthwise_f32_rows(g, packed, bias, row_begin, row_end);
}

}  // namespace bantam
#endif
