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

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// ---- Tiles of M x M outputs

// Tile t of the batch: its image and the first of its outputs.
template <int M> struct Tile {
  int64_t image, oy, ox;
  Tile(const ConvShape& s, int64_t t) {
    const int64_t wide = (s.out_w() + M - 1) / M, area = wide * ((s.out_h() + M - 1) / M);
    image = t / area;
    oy = t % area / wide * M;
    ox = t % wide * M;
  }
  void next(const ConvShape& s) {
    if ((ox += M) < s.out_w()) return;
    ox = 0;
    if ((oy += M) < s.out_h()) return;
    oy = 0;
    ++image;
  }
};

// Where the inputs of a tile lie, row by row; those outside the image point to zeros.
template <int M> HWY_INLINE void input_pixels(const ConvShape& s, const Tile<M>& t, const float* x, const float* zeros, const float** p) {
  const int64_t y0 = t.oy - s.pad_h, x0 = t.ox - s.pad_w;
  const float* first = x + ((t.image * s.h + y0) * s.w + x0) * s.c;
  for (int64_t i = 0; i < M + 2; ++i)
    for (int64_t j = 0; j < M + 2; ++j)
      *p++ = uint64_t(y0 + i) < uint64_t(s.h) && uint64_t(x0 + j) < uint64_t(s.w) ? first + (i * s.w + j) * s.c : zeros;
}
// Its outputs, likewise; T is float or const float.
template <int M, class T> HWY_INLINE void output_pixels(const ConvShape& s, const Tile<M>& t, T* y, T* outside, T** p) {
  const int64_t oh = s.out_h(), ow = s.out_w();
  T* first = y + ((t.image * oh + t.oy) * ow + t.ox) * s.k;
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < M; ++j) *p++ = t.oy + i < oh && t.ox + j < ow ? first + (i * ow + j) * s.k : outside;
}

// ---- One-dimensional transforms

HWY_INLINE HWY_ATTR VF times(float a, VF x) { return hn::Mul(hn::Set(DF(), a), x); }
HWY_INLINE HWY_ATTR VF times_plus(float a, VF x, VF y) { return fused(hn::Set(DF(), a), x, y); }

// t[M + 2] = B^T d
template <int M> HWY_INLINE HWY_ATTR void input_1d(const VF* d, VF* t) {
  if constexpr (M == 2) {
    t[0] = hn::Sub(d[0], d[2]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[1], d[3]);
  } else {
    const VF even = times_plus(-4, d[2], d[4]), odd = times_plus(-4, d[1], d[3]);
    const VF even2 = hn::Sub(d[4], d[2]), odd2 = hn::Sub(d[3], d[1]);
    t[0] = times_plus(4, d[0], times_plus(-5, d[2], d[4]));
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = times_plus(2, odd2, even2);
    t[4] = times_plus(-2, odd2, even2);
    t[5] = times_plus(4, d[1], times_plus(-5, d[3], d[5]));
  }
}
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
// t[4] = A e of F(2x2)
HWY_INLINE HWY_ATTR void grad_1d(VF e0, VF e1, VF* t) {
  t[0] = e0;
  t[1] = hn::Add(e0, e1);
  t[2] = hn::Sub(e0, e1);
  t[3] = hn::Neg(e1);
}

// Rows [R0, R0 + ROWS) of B^T d B for one line of 16 channels: point (i, j) goes to out[((i - R0) * (M + 2) + j) * step]. What
// other rows would need the compiler drops.
template <int M, int R0, int ROWS>
HWY_INLINE HWY_ATTR void input_line(const float* const* p, int64_t at, float* HWY_RESTRICT out, int64_t step) {
  constexpr int T = M + 2;
  const DF d;
  for (int64_t v = 0; v < kLine; v += kN) {
    VF w[T * T];
    static_for<T>([&](auto j) BANTAM_LAMBDA {
      VF column[T], t[T];
      static_for<T>([&](auto i) BANTAM_LAMBDA { column[i] = hn::LoadU(d, p[i * T + j] + at + v); });
      input_1d<M>(column, t);
      static_for<T>([&](auto i) BANTAM_LAMBDA { w[i * T + j] = t[i]; });
    });
    static_for<ROWS>([&](auto r) BANTAM_LAMBDA {
      VF t[T];
      input_1d<M>(w + (R0 + r) * T, t);
      static_for<T>([&](auto j) BANTAM_LAMBDA { hn::StoreU(t[j], d, out + (int64_t(r) * T + j) * step + v); });
    });
  }
}
template <int R0, int ROWS>
HWY_INLINE HWY_ATTR void grad_line(const float* const* p, int64_t at, float* HWY_RESTRICT out, int64_t step) {
  const DF d;
  for (int64_t v = 0; v < kLine; v += kN) {
    VF e[4], w0[4], w1[4];
    static_for<4>([&](auto i) BANTAM_LAMBDA { e[i] = hn::LoadU(d, p[i] + at + v); });
    grad_1d(e[0], e[2], w0);
    grad_1d(e[1], e[3], w1);
    static_for<ROWS>([&](auto r) BANTAM_LAMBDA {
      VF t[4];
      grad_1d(w0[R0 + r], w1[R0 + r], t);
      static_for<4>([&](auto j) BANTAM_LAMBDA { hn::StoreU(t[j], d, out + (int64_t(r) * 4 + j) * step + v); });
    });
  }
}

// The last line of a pixel, when channels are no multiple of 16, by a copy: nothing beyond the image is read.
template <int P> HWY_INLINE HWY_ATTR void copy_last_line(const float* const* p, int64_t at, int64_t count, float (*copy)[16], const float** q) {
  for (int i = 0; i < P; ++i) {
    memset(copy[i], 0, sizeof copy[i]);
    memcpy(copy[i], p[i] + at, size_t(count) * sizeof(float));
    q[i] = copy[i];
  }
}

// All lines of a tile's channels: lines 2 i and 2 i + 1 go to out + i * pair_step, the second `odd` floats further.
template <int M, int R0, int ROWS>
HWY_NOINLINE HWY_ATTR void transform_inputs(const float* const* p, int64_t channels, float* out, int64_t pair_step, int64_t odd,
                                            int64_t step) {
  int64_t c = 0;
  const auto at = [&]() BANTAM_LAMBDA { return out + c / (2 * kLine) * pair_step + c / kLine % 2 * odd; };
  for (; c + kLine <= channels; c += kLine) input_line<M, R0, ROWS>(p, c, at(), step);
  if (c == channels) return;
  constexpr int P = (M + 2) * (M + 2);
  HWY_ALIGN float copy[P][16];
  const float* q[P];
  copy_last_line<P>(p, c, channels - c, copy, q);
  input_line<M, R0, ROWS>(q, 0, at(), step);
}
template <int R0, int ROWS>
HWY_NOINLINE HWY_ATTR void transform_grads(const float* const* p, int64_t channels, float* out, int64_t pair_step, int64_t odd,
                                           int64_t step) {
  int64_t c = 0;
  const auto at = [&]() BANTAM_LAMBDA { return out + c / (2 * kLine) * pair_step + c / kLine % 2 * odd; };
  for (; c + kLine <= channels; c += kLine) grad_line<R0, ROWS>(p, c, at(), step);
  if (c == channels) return;
  HWY_ALIGN float copy[4][16];
  const float* q[4];
  copy_last_line<4>(p, c, channels - c, copy, q);
  grad_line<R0, ROWS>(q, 0, at(), step);
}

// ---- Filters

// U = G g G^T of `size` filters whose tap t lies at g + t * size; a point goes to u + point * step.
template <int M> HWY_ATTR void transform_filters(const float* HWY_RESTRICT g, int64_t size, float* HWY_RESTRICT u, int64_t step) {
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

// Y = A^T Z A + bias of one tile's channels: the products Z of a point at z + point * step, pixels at p, those outside at null.
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

// z[point][tile][32] of one panel, for all points: the matrix products.
HWY_ATTR void multiply(int64_t points, const float* v, int64_t v_step, const float* u, int64_t c, int64_t c16, int64_t width,
                       int64_t tiles, float* z, int64_t z_step) {
  float* out[kMR];
  for (int64_t point = 0; point < points; ++point, u += c * width)
    for (int64_t n = 0; n < width; n += kNR)
      for (int64_t t = 0; t < tiles; t += kMR) {
        const int height = tiles - t >= kMR ? kMR : tile_rows(tiles - t);
        // Rows that fill up the last group hold anything, and go where nobody looks.
        for (int r = 0; r < height; ++r) out[r] = z + point * z_step + (t + r < tiles ? t + r : tiles) * kGemmPanel + n;
        const LineTile tile = kN == 16 && width == kN ? line_tile_for<1>(height) : line_tile_for<2>(height);
        tile(v + point * v_step + t * c16, u + n, size_t(width), size_t(c), out, TileStart::kZero, TileEnd::kStore, nullptr);
      }
}

template <int M>
HWY_ATTR void forward(const ConvShape& s, const float* x, const float* u, const float* bias, float* y, int64_t tile_begin,
                      int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block) {
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
HWY_ATTR void winograd(const ConvShape& s, int m, const float* x, const float* u, const float* bias, float* y, int64_t tile_begin,
                       int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block) {
  (m == 2 ? forward<2> : forward<4>)(s, x, u, bias, y, tile_begin, tile_end, panel_begin, panel_end, scratch, block);
}

// ---- Weight gradient

// C[R][V vectors] = sum over tiles of a[t][0..R) b[t][..].
template <int R, int V>
HWY_NOINLINE HWY_ATTR void tile_sums(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t ldb, int64_t count,
                                     float* const* c, TileEnd end) {
  VF acc[R * V];
  begin_tile<R, V>(acc, c, TileStart::kZero);
  for (int64_t i = 0; i < count; ++i, a += kLine, b += ldb) step<R, V>(a, b, acc, 1);
  end_tile<R, V>(acc, c, end, nullptr);
}

// Rows of a sum's tile: 8 where registers allow, and a divisor of a line.
constexpr int kSumRows = kMR == 14 ? 8 : kMR == 2 ? 2 : 4;

using TransformLines = void (*)(const float* const*, int64_t, float*, int64_t, int64_t, int64_t);
TransformLines input_rows(int64_t first, int64_t rows) {
  if (rows == 4) return transform_inputs<2, 0, 4>;
  if (rows == 2) return first == 0 ? transform_inputs<2, 0, 2> : transform_inputs<2, 2, 2>;
  return first == 0 ? transform_inputs<2, 0, 1> : first == 1 ? transform_inputs<2, 1, 1> : first == 2 ? transform_inputs<2, 2, 1> : transform_inputs<2, 3, 1>;
}
TransformLines grad_rows(int64_t first, int64_t rows) {
  if (rows == 4) return transform_grads<0, 4>;
  if (rows == 2) return first == 0 ? transform_grads<0, 2> : transform_grads<2, 2>;
  return first == 0 ? transform_grads<0, 1> : first == 1 ? transform_grads<1, 1> : first == 2 ? transform_grads<2, 1> : transform_grads<3, 1>;
}

HWY_ATTR void weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t task_begin, int64_t task_end, int64_t k_begin,
                          int64_t k_end, float* sums, float* scratch) {
  const WinogradGradPlan plan = winograd_grad_plan(s);
  constexpr int64_t kBlock = kWinogradGradBlock;
  const int64_t all_tiles = winograd_tiles(s, 2), points = 4 * plan.rows, channels = (k_end < s.k ? k_end : s.k) - k_begin;
  const int64_t v_step = kBlock * plan.c32 + kLine, e_step = kBlock * plan.k16 + kLine;
  float* v = scratch;               // [point][C/32][tile][32]: B^T d B
  float* e = v + points * v_step;   // [point][K/16][tile][16]: A dY A^T
  float* zeros = e + points * e_step;
  memset(zeros, 0, size_t(plan.c32 + plan.k16) * sizeof(float));
  for (int64_t task = task_begin; task < task_end; ++task) {
    const int64_t pass = task % plan.passes(), split = task / plan.passes(), first_row = pass * plan.rows;
    const TransformLines to_v = input_rows(first_row, plan.rows), to_e = grad_rows(first_row, plan.rows);
    float* task_sums = sums + split * plan.split_floats() + 4 * first_row * plan.k16 * plan.c32;
    const int64_t first_block = split * plan.blocks / plan.splits, last_block = (split + 1) * plan.blocks / plan.splits;
    Tile<2> tile(s, first_block * kBlock);
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t tiles = all_tiles - block * kBlock < kBlock ? all_tiles - block * kBlock : kBlock;
      for (int64_t t = 0; t < tiles; ++t, tile.next(s)) {
        const float* p[16];
        input_pixels<2>(s, tile, x, zeros, p);
        to_v(p, s.c, v + t * kGemmPanel, kBlock * kGemmPanel, kLine, v_step);
        output_pixels<2, const float>(s, tile, dy + k_begin, zeros, p);
        to_e(p, channels, e + t * kLine, 2 * kBlock * kLine, kBlock * kLine, e_step);
      }
      const TileEnd end = block == first_block ? TileEnd::kStore : TileEnd::kAddTo;
      float* to = task_sums;
      for (int64_t point = 0; point < points; ++point)
        for (int64_t c = 0; c < plan.c32; c += kGemmPanel, to += plan.k16 * kGemmPanel) {
          const float* b = v + point * v_step + c * kBlock;
          const int64_t width = s.c - c <= kLine ? kLine : kGemmPanel;
          for (int64_t k = k_begin; k < k_end; k += kSumRows) {
            const float* a = e + point * e_step + (k - k_begin) / kLine * kLine * kBlock + k % kLine;
            for (int64_t n = 0; n < width; n += kNR) {
              float* out[kSumRows];
              for (int64_t r = 0; r < kSumRows; ++r) out[r] = to + (k + r) * kGemmPanel + n;
              if (kN == 16 && width == kN)
                tile_sums<kSumRows, 1>(a, b + n, kGemmPanel, tiles, out, end);
              else
                tile_sums<kSumRows, 2>(a, b + n, kGemmPanel, tiles, out, end);
            }
          }
        }
    }
  }
}

// dg = G^T dU G.
HWY_ATTR void finish(const ConvShape& s, const float* sums, int64_t k_begin, int64_t k_end, float* dw) {
  const WinogradGradPlan plan = winograd_grad_plan(s);
  const DF d;
  const VF half = hn::Set(d, 0.5f);
  const int64_t point_step = plan.k16 * plan.c32;
  for (int64_t k = k_begin; k < k_end; ++k)
    for (int64_t c = 0; c < s.c; c += kN) {
      const float* at = sums + c / kGemmPanel * plan.k16 * kGemmPanel + k * kGemmPanel + c % kGemmPanel;
      VF u[16];
      static_for<16>([&](auto i) BANTAM_LAMBDA { u[i] = hn::LoadU(d, at + i * point_step); });
      for (int64_t split = 1; split < plan.splits; ++split)
        static_for<16>([&](auto i) BANTAM_LAMBDA {
          u[i] = hn::Add(u[i], hn::LoadU(d, at + split * plan.split_floats() + i * point_step));
        });
      VF w[3][4];  // G^T dU
      static_for<4>([&](auto j) BANTAM_LAMBDA {
        const VF even = hn::Mul(half, hn::Add(u[4 + j], u[8 + j]));
        w[0][j] = hn::Add(u[j], even);
        w[1][j] = hn::Mul(half, hn::Sub(u[4 + j], u[8 + j]));
        w[2][j] = hn::Add(even, u[12 + j]);
      });
      static_for<3>([&](auto i) BANTAM_LAMBDA {
        const VF even = hn::Mul(half, hn::Add(w[i][1], w[i][2]));
        const VF g[3] = {hn::Add(w[i][0], even), hn::Mul(half, hn::Sub(w[i][1], w[i][2])), hn::Add(even, w[i][3])};
        static_for<3>([&](auto j) BANTAM_LAMBDA {
          store_first(g[j], dw + (k * 9 + 3 * i + j) * s.c + c, s.c - c);
        });
      });
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(filter_transform);
HWY_EXPORT(winograd);
HWY_EXPORT(weight_grad);
HWY_EXPORT(finish);

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
int64_t panel_columns(int64_t columns, int64_t p) { return columns - p * kGemmPanel < kGemmPanel ? columns - p * kGemmPanel : kGemmPanel; }

}  // namespace

void winograd_filters(const ConvShape& s, int m, const float* w, int64_t panel_begin, int64_t panel_end, float* u) noexcept {
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

void winograd_f32(const ConvShape& s, int m, const float* x, const float* u, const float* bias, float* y, int64_t tile_begin,
                  int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block) noexcept {
  HWY_DYNAMIC_DISPATCH(winograd)(s, m, x, u, bias, y, tile_begin, tile_end, panel_begin, panel_end, scratch, block);
}

void winograd_weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t task_begin, int64_t task_end,
                          int64_t k_begin, int64_t k_end, float* sums, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(weight_grad)(s, x, dy, task_begin, task_end, k_begin, k_end, sums, scratch);
}

void winograd_weight_grad_finish(const ConvShape& s, const float* sums, int64_t k_begin, int64_t k_end, float* dw) noexcept {
  HWY_DYNAMIC_DISPATCH(finish)(s, sums, k_begin, k_end, dw);
}

}  // namespace bantam
#endif
