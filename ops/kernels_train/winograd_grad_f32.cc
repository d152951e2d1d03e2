// The weight gradient of winograd_f32.h.
#include "ops/kernels_train/winograd_f32.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/winograd_grad_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/column_tile-inl.h"
#include "ops/kernels_train/winograd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// t[4] = A e of F(2x2)
HWY_INLINE HWY_ATTR void grad_1d(VF e0, VF e1, VF* t) {
  t[0] = e0;
  t[1] = hn::Add(e0, e1);
  t[2] = hn::Sub(e0, e1);
  t[3] = hn::Neg(e1);
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

template <int R0, int ROWS>
HWY_NOINLINE HWY_ATTR void transform_grads(const float* const* p, int64_t channels, float* out, int64_t pair_step,
                                           int64_t odd, int64_t step) {
  int64_t c = 0;
  const auto at = [&]() BANTAM_LAMBDA { return out + c / (2 * kLine) * pair_step + c / kLine % 2 * odd; };
  for (; c + kLine <= channels; c += kLine) grad_line<R0, ROWS>(p, c, at(), step);
  if (c == channels) return;
  HWY_ALIGN float copy[4][16];
  const float* q[4];
  copy_last_line<4>(p, c, channels - c, copy, q);
  grad_line<R0, ROWS>(q, 0, at(), step);
}

using TransformLines = void (*)(const float* const*, int64_t, float*, int64_t, int64_t, int64_t);
TransformLines input_rows(int64_t first, int64_t rows) {
  if (rows == 4) return transform_inputs<2, 0, 4>;
  if (rows == 2) return first == 0 ? transform_inputs<2, 0, 2> : transform_inputs<2, 2, 2>;
  return first == 0   ? transform_inputs<2, 0, 1>
         : first == 1 ? transform_inputs<2, 1, 1>
         : first == 2 ? transform_inputs<2, 2, 1>
                      : transform_inputs<2, 3, 1>;
}
TransformLines grad_rows(int64_t first, int64_t rows) {
  if (rows == 4) return transform_grads<0, 4>;
  if (rows == 2) return first == 0 ? transform_grads<0, 2> : transform_grads<2, 2>;
  return first == 0   ? transform_grads<0, 1>
         : first == 1 ? transform_grads<1, 1>
         : first == 2 ? transform_grads<2, 1>
                      : transform_grads<3, 1>;
}

HWY_ATTR void weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t task_begin, int64_t task_end,
                          int64_t k_begin, int64_t k_end, float* sums, float* scratch) {
  const WinogradGradPlan plan = winograd_grad_plan(s);
  constexpr int64_t kBlock = kWinogradGradBlock;
  const int64_t all_tiles = winograd_tiles(s, 2), points = 4 * plan.rows,
                channels = (k_end < s.k ? k_end : s.k) - k_begin;
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
          for (int64_t k = k_begin; k < k_end; k += kColumnRows) {
            const float* a = e + point * e_step + (k - k_begin) / kLine * kLine * kBlock + k % kLine;
            for (int64_t n = 0; n < width; n += kNR) {
              float* out[kColumnRows];
              for (int64_t r = 0; r < kColumnRows; ++r) out[r] = to + (k + r) * kGemmPanel + n;
              if (kN == 16 && width == kN)
                column_tile<kColumnRows, 1, false>(a, nullptr, b + n, kGemmPanel, tiles, out, end);
              else
                column_tile<kColumnRows, 2, false>(a, nullptr, b + n, kGemmPanel, tiles, out, end);
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

HWY_EXPORT(weight_grad);
HWY_EXPORT(finish);

void winograd_weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t task_begin, int64_t task_end,
                          int64_t k_begin, int64_t k_end, float* sums, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(weight_grad)(s, x, dy, task_begin, task_end, k_begin, k_end, sums, scratch);
}

void winograd_weight_grad_finish(const ConvShape& s, const float* sums, int64_t k_begin, int64_t k_end,
                                 float* dw) noexcept {
  HWY_DYNAMIC_DISPATCH(finish)(s, sums, k_begin, k_end, dw);
}

}  // namespace bantam
#endif
