// f32 3x3 convolution of stride 1 by Winograd's minimal filtering: forward and both gradients with F(2x2, 3x3), a tile
// of 4x4 inputs giving 2x2 outputs with 16 products a channel pair instead of 36; forward and input gradient with
// F(4x4, 3x3), too, 6x6 giving 4x4 with 36 instead of 144 (Lavin & Gray 2016, arXiv:1509.09308).
//
//   forward         Y  = A^T [ sum_c (G g G^T) (.) (B^T d B) ] A         d (M+2)x(M+2) of x, Y MxM of y
//   input gradient  the same of dy, with the filters flipped and C, K exchanged, padding 2 - p
//   weight gradient dg = G^T [ sum_tiles (B^T d B) (.) (A dY A^T) ] G
//
//   F(2x2)  1  0 -1  0          1   0   0            1  0
//     B^T = 0  1  1  0     G = 1/2 1/2 1/2       A = 1  1
//           0 -1  1  0         1/2-1/2 1/2           1 -1
//           0  1  0 -1          0   0   1            0 -1
//
//   F(4x4)  4  0 -5  0  1  0        1/4   0    0          1  0  0  0
//           0 -4 -4  1  1  0       -1/6 -1/6 -1/6         1  1  1  1
//     B^T = 0  4 -4 -1  1  0   G = -1/6  1/6 -1/6     A = 1 -1  1 -1
//           0 -2 -1  2  1  0       1/24  1/12 1/6         1  2  4  8
//           0  2 -1 -2  1  0       1/24 -1/12 1/6         1 -2  4 -8
//           0  4  0 -5  0  1         0    0    1          0  0  0  1
//
// F(2x2): B and A hold 0 and +-1 alone, so the rounding error is near the direct sum's (smaller, where many channels
// are summed: chains are 9 times shorter), and on +-1 codes all three are exact. F(4x4) errs 4 to 6 times as much: an
// option. The sums over channels and tiles are matrix products, one for each element ("point") of a transformed tile;
// the order of every sum depends on the shape alone. Not the canonical order of the evaluation forward: for training,
// and for nets whose floats are promised to a tolerance.
//
// Nothing allocates; a call runs on one thread over a range of tiles and panels, or of tasks. Memory is 64-byte
// aligned.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

// M: outputs of a tile along a side, 2 or 4.
constexpr int64_t winograd_points(int m) { return (m + 2) * (m + 2); }
constexpr int64_t kWinogradPoints = winograd_points(2);  // of the weight gradient

// Whether the functions below can do it; when it is worth it: conv_algorithm in ops/conv/work.h.
constexpr bool winograd_possible(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.groups == 1 && s.pad_h <= 2 && s.pad_w <= 2;
}

constexpr int64_t winograd_round16(int64_t n) { return (n + 15) / 16 * 16; }
constexpr int64_t winograd_tiles(const ConvShape& s, int m) {
  return s.n * ((s.out_h() + m - 1) / m) * ((s.out_w() + m - 1) / m);
}

// The convolution that an input gradient is: of dy, with flipped filters.
constexpr ConvShape winograd_input_grad_shape(const ConvShape& s) {
  ConvShape t = s;
  t.h = s.out_h();
  t.w = s.out_w();
  t.c = s.k;
  t.k = s.c;
  t.pad_h = 2 - s.pad_h;
  t.pad_w = 2 - s.pad_w;
  return t;
}

// ---- Filters: U = G g G^T as panels of 32 output channels, [panel][point][C][32]; the last [point][C][16] if at most
// 16 remain.
constexpr int64_t winograd_panels(const ConvShape& s) { return (s.k + kGemmPanel - 1) / kGemmPanel; }
constexpr int64_t winograd_filter_floats(const ConvShape& s, int m) {
  return winograd_points(m) * s.c * winograd_round16(s.k);
}
// Panels [panel_begin, panel_end) of w [K,3,3,C].
void winograd_filters(const ConvShape& s, int m, const float* w, int64_t panel_begin, int64_t panel_end,
                      float* u) noexcept;
// The same for the input gradient: s is the forward's shape, panels those of winograd_input_grad_shape(s).
void winograd_flipped_filters(const ConvShape& s, int m, const float* w, int64_t panel_begin, int64_t panel_end,
                              float* u) noexcept;

// ---- Forward, on tiles [tile_begin, tile_end) and panels [panel_begin, panel_end). Tiles are worked `block` at a
// time, a multiple of 14; values do not depend on it. bias [K] or null.
constexpr int64_t winograd_scratch(const ConvShape& s, int m, int64_t block) {
  return winograd_points(m) * (block * (winograd_round16(s.c) + kGemmPanel) + 32) + winograd_round16(s.c);
}
void winograd_f32(const ConvShape& s, int m, const float* x, const float* u, const float* bias, float* y,
                  int64_t tile_begin, int64_t tile_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                  int64_t block) noexcept;

// ---- Weight gradient, F(2x2). Tiles go in blocks of kWinogradGradBlock; each block is a sum of its own, added to dU.
constexpr int64_t kWinogradGradBlock = 64;

// How the work is cut, a function of the shape alone. A pass makes `rows` of the four rows of dU; a split is a range of
// blocks with sums of its own.
struct WinogradGradPlan {
  int64_t rows = 4, splits = 1, blocks = 0;
  int64_t k16 = 0, c32 = 0;  // K and C rounded up
  int64_t scratch = 0;       // floats a lane
  constexpr int64_t passes() const { return 4 / rows; }
  constexpr int64_t tasks() const { return passes() * splits; }
  constexpr int64_t split_floats() const { return kWinogradPoints * k16 * c32; }  // [xi][C/32][K16][32]
  constexpr int64_t sums() const { return splits * split_floats(); }
};

constexpr WinogradGradPlan winograd_grad_plan(const ConvShape& s) {
  WinogradGradPlan p;
  p.k16 = winograd_round16(s.k);
  p.c32 = (s.c + kGemmPanel - 1) / kGemmPanel * kGemmPanel;
  p.blocks = (winograd_tiles(s, 2) + kWinogradGradBlock - 1) / kWinogradGradBlock;
  // The transformed tiles of a pass stay in L2.
  p.rows = p.c32 + p.k16 <= 192 ? 4 : p.c32 + p.k16 <= 384 ? 2 : 1;
  // Splits until there is work for 8 threads, while their sums stay small.
  while (p.tasks() < 8 && 2 * p.splits <= p.blocks && 2 * p.splits * p.split_floats() <= (1 << 20)) p.splits *= 2;
  p.scratch = 4 * p.rows * (kWinogradGradBlock * (p.c32 + p.k16) + 32) + p.c32 + p.k16;
  return p;
}

// Tasks [task_begin, task_end): output channels [k_begin, k_end), multiples of 16 (the end K16), of the sums.
void winograd_weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t task_begin, int64_t task_end,
                          int64_t k_begin, int64_t k_end, float* sums, float* scratch) noexcept;
// dw [K,3,3,C] from the sums of all splits: output channels [k_begin, k_end).
void winograd_weight_grad_finish(const ConvShape& s, const float* sums, int64_t k_begin, int64_t k_end,
                                 float* dw) noexcept;

}  // namespace bantam
