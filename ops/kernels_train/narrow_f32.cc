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

// c[r][0..cols) = bias + sum over k of a[offset[k] + r * row_step] b[k][..], for r < rows <= R; the lanes behind are
// not there.
template <int R, int V>
HWY_NOINLINE HWY_ATTR void narrow_tile(const float* HWY_RESTRICT a, int row_step, const int32_t* HWY_RESTRICT offset,
                                       int64_t depth, const float* HWY_RESTRICT b, size_t ldb, const float* bias,
                                       float* c, int64_t ldc, int64_t rows, int64_t cols) {
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
    if (r < rows)
      static_for<V>([&](auto v) BANTAM_LAMBDA { store_first(acc[r * V + v], c + r * ldc + v * kN, cols - v * kN); });
  });
}

using NarrowTile = void (*)(const float*, int, const int32_t*, int64_t, const float*, size_t, const float*, float*,
                            int64_t, int64_t, int64_t);

// The least height there is a tile for that holds so many rows.
template <int V>
HWY_INLINE NarrowTile narrow_tile_for(int64_t rows, int* height) {
#define BANTAM_NARROW(R)       \
  if (R <= kMR && rows <= R) { \
    *height = R;               \
    return narrow_tile<R, V>;  \
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

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Few columns leave most lanes of a vector of columns empty: there, vectors lie along a line's pixels instead, over an
// image whose channels are planes. The same chains.
constexpr int64_t kPlanarColumns = 8;
bool planar_pays(const GemmRows& g, int64_t cols) {
  return cols <= kPlanarColumns && g.dst_pixel == cols && g.stride_w == 1 &&
         3 * g.out_w >= 2 * ((g.out_w + kN - 1) / kN * kN);
}

// Where the values of J columns of 16 pixels go when they are turned over into 16 pixels of J columns: lane l of vector
// o is pixel (16 o + l) / J of column (16 o + l) % J.
template <int J>
struct Turn {
  HWY_ALIGN int32_t pixel[J][kN], column[J][kN];
  constexpr Turn() : pixel(), column() {
    for (int i = 0; i < J * kN; ++i) {
      pixel[i / kN][i % kN] = i / J;
      column[i / kN][i % kN] = i % J;
    }
  }
};

// Columns acc[j * V + v] of V times 16 pixels to out[v], J floats a pixel.
template <int J, int V>
HWY_INLINE HWY_ATTR void store_pixels(const VF* acc, float* const* out, const int64_t* pixels) {
  static constexpr Turn<J> kTurn;
  const DF d;
  const hn::RebindToSigned<DF> di;
  static_for<J>([&](auto o) BANTAM_LAMBDA {
    const auto index = hn::SetTableIndices(d, kTurn.pixel[o]);
    const auto column = hn::Load(di, kTurn.column[o]);
    VF sum[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { sum[v] = hn::TableLookupLanes(acc[v], index); });
    static_for<J>([&](auto j) BANTAM_LAMBDA {
      if constexpr (j > 0) {
        const auto mask = hn::RebindMask(d, hn::Eq(column, hn::Set(di, int32_t(j))));
        static_for<V>([&](auto v) BANTAM_LAMBDA {
          sum[v] = hn::IfThenElse(mask, hn::TableLookupLanes(acc[j * V + v], index), sum[v]);
        });
      }
    });
    static_for<V>([&](auto v) BANTAM_LAMBDA { store_first(sum[v], out[v] + o * kN, pixels[v] * J - o * kN); });
  });
}

// J columns, V vectors of pixels: out[v][pixel * J + j] = bias[j] + sum over k of a[v][offset[k] + pixel] b[k][j].
template <int J, int V>
HWY_NOINLINE HWY_ATTR void planar_tile(const float* const* a, const int32_t* HWY_RESTRICT offset, int64_t depth,
                                       const float* HWY_RESTRICT b, size_t ldb, const float* bias, float* const* out,
                                       const int64_t* pixels) {
  const DF d;
  VF acc[J * V];
  static_for<J * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  for (int64_t k = 0; k < depth; ++k, b += ldb) {
    VF x[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { x[v] = hn::LoadU(d, a[v] + offset[k]); });
    static_for<J>([&](auto j) BANTAM_LAMBDA {
      const VF w = hn::Set(d, b[j]);
      static_for<V>([&](auto v) BANTAM_LAMBDA { acc[j * V + v] = fused(x[v], w, acc[j * V + v]); });
    });
  }
  if (bias) {
    static_for<J>([&](auto j) BANTAM_LAMBDA {
      const VF bv = hn::Set(d, bias[j]);
      static_for<V>([&](auto v) BANTAM_LAMBDA { acc[j * V + v] = hn::Add(acc[j * V + v], bv); });
    });
  }
  store_pixels<J, V>(acc, out, pixels);
}

HWY_ATTR void planar(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols,
                     const float* bias, float* scratch) {
  constexpr int kV = 3;
  const NarrowImage extent(g);
  const int64_t depth = g.depth(), pitch = extent.width + 16, plane = extent.height * pitch;
  int32_t* offset = reinterpret_cast<int32_t*>(scratch);
  float* planes = scratch + (depth + 15) / 16 * 16;
  for (int64_t t = 0, k = 0; t < g.taps_h * g.taps_w; ++t)
    for (int64_t c = 0; c < g.channels; ++c)
      offset[k++] = int32_t(c * plane + t / g.taps_w * g.step_h * pitch + t % g.taps_w * g.step_w);
  const int64_t per_line = (g.out_w + kN - 1) / kN;
  int64_t there = -1;
  for (int64_t l = line_begin; l < line_end;) {
    const int64_t n = l / g.out_h;
    if (n != there) {
      pad_planes(g, extent, n, planes);
      there = n;
    }
    // Vectors of the image's lines, in threes.
    const int64_t first = l % g.out_h, image_end = (n + 1) * g.out_h,
                  lines = (line_end < image_end ? line_end : image_end) - l;
    for (int64_t v0 = 0; v0 < lines * per_line; v0 += kV) {
      const float* a[kV];
      float* out[kV];
      int64_t pixels[kV];
      for (int64_t i = 0; i < kV; ++i) {
        const bool real = v0 + i < lines * per_line;
        const int64_t v = real ? v0 + i : v0, oy = first + v / per_line, x0 = v % per_line * kN;
        a[i] = planes + (oy * g.stride_h + g.first_h - extent.top) * pitch + g.first_w - extent.left + x0;
        out[i] = g.dst + n * g.dst_image + oy * g.dst_row + x0 * g.dst_pixel;
        pixels[i] = !real ? 0 : g.out_w - x0 < kN ? g.out_w - x0 : kN;
      }
      constexpr decltype(&planar_tile<1, kV>) kTiles[kPlanarColumns] = {
          planar_tile<1, kV>, planar_tile<2, kV>, planar_tile<3, kV>, planar_tile<4, kV>,
          planar_tile<5, kV>, planar_tile<6, kV>, planar_tile<7, kV>, planar_tile<8, kV>};
      kTiles[cols - 1](a, offset, depth, panels, 16, bias, out, pixels);
    }
    l += lines;
  }
}
#else
bool planar_pays(const GemmRows&, int64_t) { return false; }
void planar(const GemmRows&, int64_t, int64_t, const float*, int64_t, const float*, float*) {}
#endif

HWY_ATTR void narrow(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols,
                     const float* bias, float* scratch) {
  if (planar_pays(g, cols)) return planar(g, line_begin, line_end, panels, cols, bias, scratch);
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
    const float* first =
        image + ((oy * g.stride_h + g.first_h - extent.top) * extent.width + g.first_w - extent.left) * g.channels;
    float* out = g.dst + n * g.dst_image + oy * g.dst_row;
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
          tile(a, row_step, offset, depth, b + v, size_t(width), bias ? some_bias + v : nullptr,
               c + v, g.dst_pixel, rows, valid - v);
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

void narrow_f32(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols,
                const float* bias, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(narrow)(g, line_begin, line_end, panels, cols, bias, scratch);
}

}  // namespace bantam
#endif
