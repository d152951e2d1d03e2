#include "ops/kernels_train/narrow_f32.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/narrow_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels_train/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE HWY_ATTR void store_columns(VF v, float* p, int64_t cols) {
  const DF d;
  if (cols >= kN) {
    hn::StoreU(v, d, p);
    return;
  }
#if HWY_TARGET == HWY_AVX2 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
  if (cols > 0) hn::BlendedStore(v, hn::FirstN(d, size_t(cols)), d, p);
#else
  HWY_ALIGN float buffer[kN];
  hn::Store(v, d, buffer);
  for (int64_t i = 0; i < cols; ++i) p[i] = buffer[i];
#endif
}

// c[r][0..cols) = bias + sum over k of a[offset[k] + r * row_step] b[k][..], for r < rows <= R; the lanes behind are not there.
template <int R, int V>
HWY_NOINLINE HWY_ATTR void narrow_tile(const float* HWY_RESTRICT a, int row_step, const int32_t* HWY_RESTRICT offset,
                                       int64_t depth, const float* HWY_RESTRICT b, size_t ldb, const float* bias, float* c,
                                       int64_t ldc, int64_t rows, int64_t cols) {
  const DF d;
  VF acc[R * V];
  static_for<R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  for (int64_t k = 0; k < depth; ++k, b += ldb) step<R, V>(a + offset[k], b, acc, row_step);
  if (bias) {
    VF bv[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { bv[v] = hn::LoadU(d, bias + v * kN); });
    static_for<R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Add(acc[i], bv[i % V]); });
  }
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    if (r < rows) static_for<V>([&](auto v) BANTAM_LAMBDA { store_columns(acc[r * V + v], c + r * ldc + v * kN, cols - v * kN); });
  });
}

using NarrowTile = void (*)(const float*, int, const int32_t*, int64_t, const float*, size_t, const float*, float*, int64_t,
                            int64_t, int64_t);

// The least height there is a tile for that holds so many rows.
template <int V>
HWY_INLINE NarrowTile narrow_tile_for(int64_t rows, int* height) {
#define BANTAM_NARROW(R)          \
  if (R <= kMR && rows <= R) {    \
    *height = R;                  \
    return narrow_tile<R, V>;     \
  }
  BANTAM_NARROW(2)
  if constexpr (kMR >= 6) {
    BANTAM_NARROW(4)
    BANTAM_NARROW(6)
  }
  if constexpr (kMR == 14) {
    BANTAM_NARROW(8)
    BANTAM_NARROW(10)
    BANTAM_NARROW(11)
    BANTAM_NARROW(12)
    BANTAM_NARROW(14)
  }
#undef BANTAM_NARROW
  *height = kMR;
  return narrow_tile<kMR, V>;
}

HWY_ATTR void narrow(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols,
                     const float* bias, bool skip_outside, float* scratch) {
  const NarrowImage extent(g);
  const int64_t depth = g.depth(), line = extent.width * g.channels;
  int32_t* offset = reinterpret_cast<int32_t*>(scratch);
  float* image = scratch + (depth + 15) / 16 * 16;
  // From a window's tap (0, 0).
  for (int64_t t = 0, k = 0; t < g.taps_h * g.taps_w; ++t)
    for (int64_t c = 0; c < g.channels; ++c)
      offset[k++] = int32_t(t / g.taps_w * g.step_h * line + t % g.taps_w * g.step_w * g.channels + c);

  // Output pixels of a line in tiles of nearly equal height.
  const int64_t tiles = (g.out_w + kMR - 1) / kMR;
  int64_t there = -1;  // the image in scratch
  for (int64_t l = line_begin; l < line_end; ++l) {
    const int64_t n = l / g.out_h, oy = l % g.out_h;
    if (n != there) {
      pad_image(g, extent, n, image);
      there = n;
    }
    const float* first = image + ((oy * g.stride_h + g.first_h - extent.top) * extent.width + g.first_w - extent.left) * g.channels;
    float* out = g.dst + n * g.dst_image + oy * g.dst_row;
    int64_t k0 = 0, k1 = depth;
    if (skip_outside) {
      const int64_t tap_line = g.taps_w * g.channels;
      const auto outside = [&](int64_t ty) { return uint64_t(oy * g.stride_h + g.first_h + ty * g.step_h) >= uint64_t(g.h); };
      while (k0 < k1 && outside(k0 / tap_line)) k0 += tap_line;
      while (k0 < k1 && outside(k1 / tap_line - 1)) k1 -= tap_line;
    }
    for (int64_t p = 0; p < cols; p += kGemmPanel) {
      const int64_t width = cols - p > 16 ? kGemmPanel : 16, valid = cols - p < width ? cols - p : width;
      const float* b = panels + p * depth;
      HWY_ALIGN float some_bias[kGemmPanel] = {};
      if (bias) memcpy(some_bias, bias + p, size_t(valid) * sizeof(float));
      for (int64_t t = 0; t < tiles; ++t) {
        const int64_t x0 = t * g.out_w / tiles, rows = (t + 1) * g.out_w / tiles - x0;
        const float* a = first + x0 * g.stride_w * g.channels;
        float* c = out + x0 * g.dst_pixel + p;
        const int row_step = int(g.stride_w * g.channels);
        for (int64_t v = 0; v < valid; v += kNR) {
          int height;
          NarrowTile tile = narrow_tile_for<2>(rows, &height);
          if (valid - v <= kN) tile = narrow_tile_for<1>(rows, &height);
          tile(a, row_step, offset + k0, k1 - k0, b + k0 * width + v, size_t(width), bias ? some_bias + v : nullptr, c + v, g.dst_pixel, rows, valid - v);
        }
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(narrow);

void narrow_f32(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols, const float* bias,
                bool skip_outside, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(narrow)(g, line_begin, line_end, panels, cols, bias, skip_outside, scratch);
}

}  // namespace bantam
#endif
