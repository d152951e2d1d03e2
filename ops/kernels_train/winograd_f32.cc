#include "ops/kernels_train/winograd_f32.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/winograd_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// ---- Filters

// t[M + 2] = G g
template <int M> HWY_INLINE HWY_ATTR void filter_1d(const VF* g, VF* t) {
  if constexpr (M == 2) {
    const VF even = times(0.5f, hn::Add(g[0], g[2])), odd = times(0.5f, g[1]);
    t[0] = g[0];
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = g[2];
  } else {
    const VF even = times(-1.0f / 6, hn::Add(g[0], g[2])), odd = times(-1.0f / 6, g[1]);
    const VF even2 = times_plus(1.0f / 24, g[0], times(1.0f / 6, g[2])), odd2 = times(1.0f / 12, g[1]);
    t[0] = times(0.25f, g[0]);
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = hn::Add(even2, odd2);
    t[4] = hn::Sub(even2, odd2);
    t[5] = g[2];
  }
}
// U = G g G^T of `size` filters whose tap t lies at g + t * size; a point goes to u + point * step.
template <int M>
HWY_ATTR void transform_filters(const float* HWY_RESTRICT g, int64_t size, float* HWY_RESTRICT u, int64_t step) {
  constexpr int T = M + 2;
  const DF d;
  for (int64_t i = 0; i < size; i += kN) {
    VF w[T][3];  // G g
    static_for<3>([&](auto x) BANTAM_LAMBDA {
      VF column[3], t[T];
      static_for<3>([&](auto y) BANTAM_LAMBDA { column[y] = hn::LoadU(d, g + (3 * y + x) * size + i); });
      filter_1d<M>(column, t);
      static_for<T>([&](auto y) BANTAM_LAMBDA { w[y][x] = t[y]; });
    });
    static_for<T>([&](auto r) BANTAM_LAMBDA {
      VF t[T];
      filter_1d<M>(w[r], t);
      static_for<T>([&](auto x) BANTAM_LAMBDA { hn::StoreU(t[x], d, u + (T * r + x) * step + i); });
    });
  }
}
HWY_ATTR void filter_transform(int m, const float* g, int64_t size, float* u, int64_t step) {
  m == 2 ? transform_filters<2>(g, size, u, step) : transform_filters<4>(g, size, u, step);
}

// ---- Forward

// y[M] = A^T m
template <int M> HWY_INLINE HWY_ATTR void output_1d(const VF* m, VF* y) {
  const VF even = hn::Add(m[1], m[2]), odd = hn::Sub(m[1], m[2]);
  if constexpr (M == 2) {
    y[0] = hn::Add(m[0], even);
    y[1] = hn::Sub(odd, m[3]);
  } else {
    const VF even2 = hn::Add(m[3], m[4]), odd2 = hn::Sub(m[3], m[4]);
    y[0] = hn::Add(hn::Add(m[0], even), even2);
    y[1] = times_plus(2, odd2, odd);
    y[2] = times_plus(4, even2, even);
    y[3] = hn::Add(times_plus(8, odd2, odd), m[5]);
  }
}
// Y = A^T Z A + bias of one tile's channels: the products Z of a point at z + point * step, pixels at p, those outside
// at null.
template <int M>
HWY_INLINE HWY_ATTR void output_transform(const float* z, int64_t step, const float* bias, int64_t width, bool stream,
                                          float* const* p) {
  constexpr int T = M + 2;
  const DF d;
  for (int64_t i = 0; i < width; i += kN) {
    const int64_t left = width - i;
    VF w[M][T];  // A^T Z
    static_for<T>([&](auto j) BANTAM_LAMBDA {
      VF column[T], t[M];
      static_for<T>([&](auto r) BANTAM_LAMBDA { column[r] = hn::LoadU(d, z + (T * r + j) * step + i); });
      output_1d<M>(column, t);
      static_for<M>([&](auto r) BANTAM_LAMBDA { w[r][j] = t[r]; });
    });
    const VF b = bias ? load_first(bias + i, left) : hn::Zero(d);
    static_for<M>([&](auto r) BANTAM_LAMBDA {
      VF y[M];
      output_1d<M>(w[r], y);
      static_for<M>([&](auto q) BANTAM_LAMBDA {
        float* out = p[M * r + q];
        if (!out) return;
        const VF sum = hn::Add(y[q], b);
        if (stream)
          hn::Stream(sum, d, out + i);
        else
          store_first(sum, out + i, left);
      });
    });
  }
}

constexpr int64_t kStreamedFloats = int64_t(8) << 20;

// Channels whose products are one chain of additions, about 64: rounding errors grow with the square root of its
// length.
int64_t sum_block(int64_t c) {
  const int64_t blocks = c < 64 ? 1 : c / 64;
  return ((c + blocks - 1) / blocks + kLine - 1) / kLine * kLine;
}

// z[point][tile][32] of one panel, for all points: the matrix products.
HWY_ATTR void multiply(int64_t points, const float* v, int64_t v_step, const float* u, int64_t c, int64_t c16,
                       int64_t width, int64_t tiles, float* z, int64_t z_step) {
  const int64_t block = sum_block(c);
  float* out[kMR];
  for (int64_t point = 0; point < points; ++point, u += c * width)
    for (int64_t n = 0; n < width; n += kNR)
      for (int64_t t = 0; t < tiles; t += kMR) {
        const int height = tiles - t >= kMR ? kMR : tile_rows(tiles - t);
        // Rows that fill up the last group hold anything, and go where nobody looks.
        for (int r = 0; r < height; ++r) out[r] = z + point * z_step + (t + r < tiles ? t + r : tiles) * kGemmPanel + n;
        const LineTile tile = kN == 16 && width == kN ? line_tile_for<1>(height) : line_tile_for<2>(height);
        for (int64_t k = 0; k < c; k += block)
          tile(v + point * v_step + t * c16 + k * height, u + k * width + n, size_t(width),
               size_t(c - k < block ? c - k : block), out, TileStart::kZero, k == 0 ? TileEnd::kStore : TileEnd::kAddTo,
               nullptr);
      }
}

template <int M>
HWY_ATTR void forward(const ConvShape& s, const float* x, const float* u, const float* bias, float* y,
                      int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                      int64_t block) {
  constexpr int64_t kPoints = winograd_points(M);
  const int64_t c16 = winograd_round16(s.c), k16 = winograd_round16(s.k);
  // A line more than a point's tiles need: at a multiple of 4 KB all points would fight for one set of the cache.
  const int64_t v_step = block * c16 + kLine, z_step = block * kGemmPanel + kLine;
  float* v = scratch;               // [point][14 tiles][C/16][14][16]
  float* z = v + kPoints * v_step;  // [point][tile][32]
  float* zeros = z + kPoints * z_step;
  memset(zeros, 0, size_t(c16) * sizeof(float));
  // An output that is larger than caches goes past them: it would be fetched only to be overwritten.
  const bool stream = s.k % kLine == 0 && s.n * s.out_h() * s.out_w() * s.k >= kStreamedFloats;
  for (int64_t t0 = tile_begin; t0 < tile_end; t0 += block) {
    const int64_t tiles = tile_end - t0 < block ? tile_end - t0 : block;
    Tile<M> tile(s, t0);
    for (int64_t t = 0; t < tiles; t += kMR) {
      const int64_t rows = tiles - t < kMR ? tiles - t : kMR, line_step = tile_rows(rows) * kLine;
      for (int64_t r = 0; r < rows; ++r, tile.next(s)) {
        const float* p[kPoints];
        input_pixels<M>(s, tile, x, zeros, p);
        transform_inputs<M, 0, M + 2>(p, s.c, v + t * c16 + r * kLine, 2 * line_step, line_step, v_step);
      }
    }
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      const int64_t n = panel * kGemmPanel, width = k16 - n < kGemmPanel ? k16 - n : kGemmPanel;
      const int64_t columns = s.k - n < width ? s.k - n : width;
      multiply(kPoints, v, v_step, u + kPoints * s.c * n, s.c, c16, width, tiles, z, z_step);
      Tile<M> out(s, t0);
      for (int64_t t = 0; t < tiles; ++t, out.next(s)) {
        float* p[M * M];
        output_pixels<M, float>(s, out, y + n, nullptr, p);
        output_transform<M>(z + t * kGemmPanel, z_step, bias ? bias + n : nullptr, columns, stream, p);
      }
    }
  }
  if (stream) hwy::FlushStream();
}
HWY_ATTR void winograd(const ConvShape& s, int m, const float* x, const float* u, const float* bias, float* y,
                       int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                       int64_t block) {
  (m == 2 ? forward<2> : forward<4>)(s, x, u, bias, y, tile_begin, tile_end, panel_begin, panel_end, scratch, block);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(filter_transform);
HWY_EXPORT(winograd);

namespace {

// Input channels whose filters are brought to [tap][c][32] at a time: 18 KB.
constexpr int64_t kFilterChunk = 16;

// pack(tap, first channel, channels, out) writes the taps of one panel as [channels][width].
template <class Pack> void make_filters(int m, int64_t c, int64_t width, const Pack& pack, float* u) {
  alignas(64) float taps[9 * kFilterChunk * kGemmPanel];
  for (int64_t c0 = 0; c0 < c; c0 += kFilterChunk) {
    const int64_t count = c - c0 < kFilterChunk ? c - c0 : kFilterChunk, size = count * width;
    for (int64_t tap = 0; tap < 9; ++tap) pack(tap, c0, count, taps + tap * size);
    HWY_DYNAMIC_DISPATCH(filter_transform)(m, taps, size, u + c0 * width, c * width);
  }
}

// Columns of panel p, and those it has room for.
int64_t panel_columns(int64_t columns, int64_t p) {
  return columns - p * kGemmPanel < kGemmPanel ? columns - p * kGemmPanel : kGemmPanel;
}

}  // namespace

void winograd_filters(const ConvShape& s, int m, const float* w, int64_t panel_begin, int64_t panel_end,
                      float* u) noexcept {
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t k0 = p * kGemmPanel, columns = panel_columns(s.k, p);
    const auto pack = [&](int64_t tap, int64_t c0, int64_t count, float* out) {
      gemm_f32_pack_columns(w + (k0 * 9 + tap) * s.c + c0, 9 * s.c, count, columns, 0, 1, out);
    };
    make_filters(m, s.c, winograd_round16(columns), pack, u + winograd_points(m) * s.c * k0);
  }
}

void winograd_flipped_filters(const ConvShape& s, int m, const float* w, int64_t panel_begin, int64_t panel_end,
                              float* u) noexcept {
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t c0 = p * kGemmPanel, columns = panel_columns(s.c, p);
    const auto pack = [&](int64_t tap, int64_t k0, int64_t count, float* out) {
      gemm_f32_pack_rows(w + (k0 * 9 + 8 - tap) * s.c + c0, 9 * s.c, count, 0, count, columns, 0, 1, out);
    };
    make_filters(m, s.k, winograd_round16(columns), pack, u + winograd_points(m) * s.k * c0);
  }
}

void winograd_f32(const ConvShape& s, int m, const float* x, const float* u, const float* bias, float* y,
                  int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                  int64_t block) noexcept {
  HWY_DYNAMIC_DISPATCH(winograd)(s, m, x, u, bias, y, tile_begin, tile_end, panel_begin, panel_end, scratch, block);
}

}  // namespace bantam
#endif
