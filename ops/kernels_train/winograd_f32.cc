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

// ---- Tiles

// Tile t of the batch: its image and the first of its outputs.
struct Tile {
  int64_t image, oy, ox;
  Tile(const ConvShape& s, int64_t t) {
    const int64_t wide = (s.out_w() + 1) / 2, area = wide * ((s.out_h() + 1) / 2);
    image = t / area;
    oy = t % area / wide * 2;
    ox = t % wide * 2;
  }
  void next(const ConvShape& s) {
    if ((ox += 2) < s.out_w()) return;
    ox = 0;
    if ((oy += 2) < s.out_h()) return;
    oy = 0;
    ++image;
  }
};

// Where the 4x4 inputs of a tile lie, row by row; those outside the image point to zeros.
HWY_INLINE void input_pixels(const ConvShape& s, const Tile& t, const float* x, const float* zeros, const float** p) {
  const int64_t y0 = t.oy - s.pad_h, x0 = t.ox - s.pad_w;
  const float* first = x + ((t.image * s.h + y0) * s.w + x0) * s.c;
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 4; ++j)
      p[4 * i + j] = uint64_t(y0 + i) < uint64_t(s.h) && uint64_t(x0 + j) < uint64_t(s.w) ? first + (i * s.w + j) * s.c : zeros;
}
// The 2x2 outputs, likewise; T is float or const float.
template <class T> HWY_INLINE void output_pixels(const ConvShape& s, const Tile& t, T* y, T* outside, T** p) {
  const int64_t oh = s.out_h(), ow = s.out_w();
  T* first = y + ((t.image * oh + t.oy) * ow + t.ox) * s.k;
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 2; ++j)
      p[2 * i + j] = t.oy + i < oh && t.ox + j < ow ? first + (i * ow + j) * s.k : outside;
}

// ---- One-dimensional transforms, element I of the result

template <int I> HWY_INLINE HWY_ATTR VF input_transform(VF d0, VF d1, VF d2, VF d3) {  // B^T d
  if constexpr (I == 0) return hn::Sub(d0, d2);
  if constexpr (I == 1) return hn::Add(d1, d2);
  if constexpr (I == 2) return hn::Sub(d2, d1);
  if constexpr (I == 3) return hn::Sub(d1, d3);
}
template <int I> HWY_INLINE HWY_ATTR VF grad_transform(VF e0, VF e1) {  // A e
  if constexpr (I == 0) return e0;
  if constexpr (I == 1) return hn::Add(e0, e1);
  if constexpr (I == 2) return hn::Sub(e0, e1);
  if constexpr (I == 3) return hn::Neg(e1);
}

// Rows [R0, R0 + ROWS) of B^T d B for one line of 16 channels: point (i, j) goes to out[((i - R0) * 4 + j) * step].
template <int R0, int ROWS>
HWY_INLINE HWY_ATTR void input_line(const float* const* p, int64_t at, float* HWY_RESTRICT out, int64_t step) {
  const DF d;
  for (int64_t v = 0; v < kLine; v += kN) {
    VF in[16];
    static_for<16>([&](auto i) BANTAM_LAMBDA {
      // Row 0 of B^T reads d0 and d2, rows 1 and 2 d1 and d2, row 3 d1 and d3.
      constexpr int row = i / 4;
      constexpr bool used = ROWS == 4 || (row == 0 && R0 == 0) || (row == 3 && R0 + ROWS == 4) || (row == 1 && R0 + ROWS > 1) ||
                            (row == 2 && R0 < 3);
      if constexpr (used) in[i] = hn::LoadU(d, p[i] + at + v);
      if constexpr (!used) in[i] = hn::Zero(d);
    });
    static_for<ROWS>([&](auto r) BANTAM_LAMBDA {
      constexpr int I = R0 + r;
      VF w[4];
      static_for<4>([&](auto j) BANTAM_LAMBDA { w[j] = input_transform<I>(in[j], in[4 + j], in[8 + j], in[12 + j]); });
      static_for<4>([&](auto j) BANTAM_LAMBDA {
        hn::StoreU(input_transform<int(j)>(w[0], w[1], w[2], w[3]), d, out + (int64_t(r) * 4 + j) * step + v);
      });
    });
  }
}
template <int R0, int ROWS>
HWY_INLINE HWY_ATTR void grad_line(const float* const* p, int64_t at, float* HWY_RESTRICT out, int64_t step) {
  const DF d;
  for (int64_t v = 0; v < kLine; v += kN) {
    VF e[4];
    static_for<4>([&](auto i) BANTAM_LAMBDA { e[i] = hn::LoadU(d, p[i] + at + v); });
    static_for<ROWS>([&](auto r) BANTAM_LAMBDA {
      constexpr int I = R0 + r;
      const VF w0 = grad_transform<I>(e[0], e[2]), w1 = grad_transform<I>(e[1], e[3]);
      static_for<4>([&](auto j) BANTAM_LAMBDA {
        hn::StoreU(grad_transform<int(j)>(w0, w1), d, out + (int64_t(r) * 4 + j) * step + v);
      });
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
template <int R0, int ROWS>
HWY_NOINLINE HWY_ATTR void transform_inputs(const float* const* p, int64_t channels, float* out, int64_t pair_step, int64_t odd,
                                            int64_t step) {
  int64_t c = 0;
  const auto at = [&]() BANTAM_LAMBDA { return out + c / (2 * kLine) * pair_step + c / kLine % 2 * odd; };
  for (; c + kLine <= channels; c += kLine) input_line<R0, ROWS>(p, c, at(), step);
  if (c == channels) return;
  HWY_ALIGN float copy[16][16];
  const float* q[16];
  copy_last_line<16>(p, c, channels - c, copy, q);
  input_line<R0, ROWS>(q, 0, at(), step);
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

// U = G g G^T of `size` filters whose tap t lies at g + t * size; point xi goes to u + xi * step.
HWY_ATTR void filter_transform(const float* HWY_RESTRICT g, int64_t size, float* HWY_RESTRICT u, int64_t step) {
  const DF d;
  const VF half = hn::Set(d, 0.5f);
  for (int64_t i = 0; i < size; i += kN) {
    VF w[4][3];  // G g
    static_for<3>([&](auto x) BANTAM_LAMBDA {
      const VF g0 = hn::LoadU(d, g + x * size + i), g1 = hn::LoadU(d, g + (3 + x) * size + i), g2 = hn::LoadU(d, g + (6 + x) * size + i);
      const VF even = hn::Mul(half, hn::Add(g0, g2)), odd = hn::Mul(half, g1);
      w[0][x] = g0;
      w[1][x] = hn::Add(even, odd);
      w[2][x] = hn::Sub(even, odd);
      w[3][x] = g2;
    });
    static_for<4>([&](auto r) BANTAM_LAMBDA {
      const VF even = hn::Mul(half, hn::Add(w[r][0], w[r][2])), odd = hn::Mul(half, w[r][1]);
      float* out = u + 4 * r * step + i;
      hn::StoreU(w[r][0], d, out);
      hn::StoreU(hn::Add(even, odd), d, out + step);
      hn::StoreU(hn::Sub(even, odd), d, out + 2 * step);
      hn::StoreU(w[r][2], d, out + 3 * step);
    });
  }
}

// ---- Forward

// Y = A^T M A + bias of one tile's channels: M's point xi at m + xi * step, pixels at p, those outside at null.
HWY_INLINE HWY_ATTR void output_transform(const float* m, int64_t step, const float* bias, int64_t width, bool stream,
                                          float* const* p) {
  const DF d;
  for (int64_t i = 0; i < width; i += kN) {
    const int64_t left = width - i;
    VF w[2][4];  // A^T M
    static_for<4>([&](auto j) BANTAM_LAMBDA {
      const float* at = m + j * step + i;
      const VF m0 = hn::LoadU(d, at), m1 = hn::LoadU(d, at + 4 * step), m2 = hn::LoadU(d, at + 8 * step), m3 = hn::LoadU(d, at + 12 * step);
      w[0][j] = hn::Add(m0, hn::Add(m1, m2));
      w[1][j] = hn::Sub(hn::Sub(m1, m2), m3);
    });
    VF b = hn::Zero(d);
    HWY_ALIGN float part[kN];
    if (bias) {
      if (left >= kN) {
        b = hn::LoadU(d, bias + i);
      } else {
        memset(part, 0, sizeof part);
        memcpy(part, bias + i, size_t(left) * sizeof(float));
        b = hn::Load(d, part);
      }
    }
    static_for<2>([&](auto r) BANTAM_LAMBDA {
      const VF y0 = hn::Add(hn::Add(w[r][0], hn::Add(w[r][1], w[r][2])), b);
      const VF y1 = hn::Add(hn::Sub(hn::Sub(w[r][1], w[r][2]), w[r][3]), b);
      static_for<2>([&](auto q) BANTAM_LAMBDA {
        float* out = p[2 * r + q];
        if (!out) return;
        const VF y = q == 0 ? y0 : y1;
        if (stream) {
          hn::Stream(y, d, out + i);
        } else if (left >= kN) {
          hn::StoreU(y, d, out + i);
        } else {
          hn::Store(y, d, part);
          memcpy(out + i, part, size_t(left) * sizeof(float));
        }
      });
    });
  }
}

constexpr int64_t kStreamedFloats = int64_t(8) << 20;

// M[xi][tile][width] of one panel, for all points: the matrix products.
HWY_ATTR void multiply(const float* v, int64_t v_step, const float* u, int64_t c, int64_t c16, int64_t width, int64_t tiles, float* m,
                       int64_t m_step) {
  float* out[kMR];
  for (int64_t xi = 0; xi < kWinogradPoints; ++xi, u += c * width)
    for (int64_t n = 0; n < width; n += kNR)
      for (int64_t t = 0; t < tiles; t += kMR) {
        const int height = tiles - t >= kMR ? kMR : tile_rows(tiles - t);
        // Rows that fill up the last group hold anything, and go where nobody looks.
        for (int r = 0; r < height; ++r) out[r] = m + xi * m_step + (t + r < tiles ? t + r : tiles) * kGemmPanel + n;
        const LineTile tile = kN == 16 && width == kN ? line_tile_for<1>(height) : line_tile_for<2>(height);
        tile(v + xi * v_step + t * c16, u + n, size_t(width), size_t(c), out, TileStart::kZero, TileEnd::kStore, nullptr);
      }
}

HWY_ATTR void winograd(const ConvShape& s, const float* x, const float* u, const float* bias, float* y, int64_t tile_begin,
                       int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block) {
  const int64_t c16 = winograd_round16(s.c), k16 = winograd_round16(s.k);
  // A line more than a point's tiles need: at a multiple of 4 KB all sixteen points would fight for one set of the cache.
  const int64_t v_step = block * c16 + kLine, m_step = block * kGemmPanel + kLine;
  float* v = scratch;                      // [xi][14 tiles][C/16][14][16]
  float* m = v + kWinogradPoints * v_step;  // [xi][tile][32]
  float* zeros = m + kWinogradPoints * m_step;
  memset(zeros, 0, size_t(c16) * sizeof(float));
  // An output that is larger than caches goes past them: it would be fetched only to be overwritten.
  const bool stream = s.k % kLine == 0 && s.n * s.out_h() * s.out_w() * s.k >= kStreamedFloats;
  for (int64_t t0 = tile_begin; t0 < tile_end; t0 += block) {
    const int64_t tiles = tile_end - t0 < block ? tile_end - t0 : block;
    Tile tile(s, t0);
    for (int64_t t = 0; t < tiles; t += kMR) {
      const int64_t rows = tiles - t < kMR ? tiles - t : kMR, line_step = tile_rows(rows) * kLine;
      for (int64_t r = 0; r < rows; ++r, tile.next(s)) {
        const float* p[16];
        input_pixels(s, tile, x, zeros, p);
        transform_inputs<0, 4>(p, s.c, v + t * c16 + r * kLine, 2 * line_step, line_step, v_step);
      }
    }
    for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
      const int64_t n = panel * kGemmPanel, width = k16 - n < kGemmPanel ? k16 - n : kGemmPanel;
      const int64_t columns = s.k - n < width ? s.k - n : width;
      multiply(v, v_step, u + kWinogradPoints * s.c * n, s.c, c16, width, tiles, m, m_step);
      Tile out(s, t0);
      for (int64_t t = 0; t < tiles; ++t, out.next(s)) {
        float* p[4];
        output_pixels<float>(s, out, y + n, nullptr, p);
        output_transform(m + t * kGemmPanel, m_step, bias ? bias + n : nullptr, columns, stream, p);
      }
    }
  }
  if (stream) hwy::FlushStream();
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
  if (rows == 4) return transform_inputs<0, 4>;
  if (rows == 2) return first == 0 ? transform_inputs<0, 2> : transform_inputs<2, 2>;
  return first == 0 ? transform_inputs<0, 1> : first == 1 ? transform_inputs<1, 1> : first == 2 ? transform_inputs<2, 1> : transform_inputs<3, 1>;
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
  const int64_t all_tiles = winograd_tiles(s), points = 4 * plan.rows, channels = (k_end < s.k ? k_end : s.k) - k_begin;
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
    Tile tile(s, first_block * kBlock);
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t tiles = all_tiles - block * kBlock < kBlock ? all_tiles - block * kBlock : kBlock;
      for (int64_t t = 0; t < tiles; ++t, tile.next(s)) {
        const float* p[16];
        input_pixels(s, tile, x, zeros, p);
        to_v(p, s.c, v + t * kGemmPanel, kBlock * kGemmPanel, kLine, v_step);
        output_pixels<const float>(s, tile, dy + k_begin, zeros, p);
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
          float* out = dw + (k * 9 + 3 * i + j) * s.c + c;
          if (s.c - c >= kN) {
            hn::StoreU(g[j], d, out);
          } else {
            HWY_ALIGN float part[kN];
            hn::Store(g[j], d, part);
            memcpy(out, part, size_t(s.c - c) * sizeof(float));
          }
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
template <class Pack> void make_filters(int64_t c, int64_t width, const Pack& pack, float* u) {
  alignas(64) float taps[9 * kFilterChunk * kGemmPanel];
  for (int64_t c0 = 0; c0 < c; c0 += kFilterChunk) {
    const int64_t count = c - c0 < kFilterChunk ? c - c0 : kFilterChunk, size = count * width;
    for (int64_t tap = 0; tap < 9; ++tap) pack(tap, c0, count, taps + tap * size);
    HWY_DYNAMIC_DISPATCH(filter_transform)(taps, size, u + c0 * width, c * width);
  }
}

// Columns of panel p, and those it has room for.
int64_t panel_columns(int64_t columns, int64_t p) { return columns - p * kGemmPanel < kGemmPanel ? columns - p * kGemmPanel : kGemmPanel; }

}  // namespace

void winograd_filters(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end, float* u) noexcept {
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t k0 = p * kGemmPanel, columns = panel_columns(s.k, p);
    const auto pack = [&](int64_t tap, int64_t c0, int64_t count, float* out) {
      gemm_f32_pack_columns(w + (k0 * 9 + tap) * s.c + c0, 9 * s.c, count, columns, 0, 1, out);
    };
    make_filters(s.c, winograd_round16(columns), pack, u + kWinogradPoints * s.c * k0);
  }
}

void winograd_flipped_filters(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end, float* u) noexcept {
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t c0 = p * kGemmPanel, columns = panel_columns(s.c, p);
    const auto pack = [&](int64_t tap, int64_t k0, int64_t count, float* out) {
      gemm_f32_pack_rows(w + (k0 * 9 + 8 - tap) * s.c + c0, 9 * s.c, count, 0, count, columns, 0, 1, out);
    };
    make_filters(s.k, winograd_round16(columns), pack, u + kWinogradPoints * s.k * c0);
  }
}

void winograd_f32(const ConvShape& s, const float* x, const float* u, const float* bias, float* y, int64_t tile_begin,
                  int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block) noexcept {
  HWY_DYNAMIC_DISPATCH(winograd)(s, x, u, bias, y, tile_begin, tile_end, panel_begin, panel_end, scratch, block);
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
