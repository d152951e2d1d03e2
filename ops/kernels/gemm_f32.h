// f32 matrix product C[rows, cols] = A[rows, depth] B[depth, cols] (+ bias), where A's rows are gathered while they are
// packed: a row is an output pixel, its elements are the input values under a window, ordered (ky, kx, c). A plain
// matrix is the 1x1 window over images of one pixel. So one routine is the convolution, its input gradient (a phase at
// a time) and the dense layer, and no im2col matrix ever exists.
//
// Canonical order: each output is the chain acc = fma(a, b, acc) from acc = +0 over depth ascending, values outside the
// image multiplied as zeros; then one separate addition of the bias. Equal bit for bit on every target with a fused
// multiply-add and for every split into ranges (SSE4 rounds twice: not a canonical target).
//
// Or, where nothing is promised bit for bit, each block of depth is a chain of its own and their sums are added up: the
// rounding error grows with the square root of a chain's length.
//
// Kernels allocate nothing and run on one thread over a range of rows and columns; the caller splits the work.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bantam {

// Where rows of A come from and rows of C go. Row r is output pixel (i, oy, ox) in raster order. Its window's tap
// (ty, tx) reads source pixel y = oy * stride_h + first_h + ty * step_h, x likewise; zeros outside [0,h) x [0,w).
struct GemmRows {
  const float* src = nullptr;  // source pixel (i, y, x) lies at src + ((i * h + y) * w + x) * pixel
  int64_t images = 1, h = 1, w = 1, pixel = 0;
  int64_t channels = 0;        // consecutive floats that a tap reads
  int64_t taps_h = 1, taps_w = 1, step_h = 1, step_w = 1;
  int64_t out_h = 1, out_w = 1, stride_h = 1, stride_w = 1, first_h = 0, first_w = 0;
  float* dst = nullptr;        // row (i, oy, ox) of C lies at dst + i * dst_image + oy * dst_row + ox * dst_pixel
  int64_t dst_image = 0, dst_row = 0, dst_pixel = 0;
  // Row order: raster (i, oy, ox), or (oy, ox, i). In the latter, neighbors meet the same taps outside the image, and
  // those are skipped instead of multiplied: fma(0, b, acc) is acc, but for infinite b and for acc = -0.0, which takes
  // products below 2^-150. Needs channels that are a multiple of 16.
  bool images_inner = false;

  constexpr int64_t rows() const { return images * out_h * out_w; }
  constexpr int64_t depth() const { return taps_h * taps_w * channels; }
};

// Whether to set images_inner: a tenth of the products would be with padding, there are images enough to fill tiles,
// and a tap is deep enough to be a block of its own.
constexpr bool gemm_f32_skip_pays(const GemmRows& g) {
  if (g.images < 28 || g.channels < 128 || g.channels % 16 != 0 || g.out_h > 32 || g.out_w > 32) return false;
  int64_t inside_h = 0, inside_w = 0;
  for (int64_t o = 0; o < g.out_h; ++o)
    for (int64_t t = 0; t < g.taps_h; ++t) {
      const int64_t y = o * g.stride_h + g.first_h + t * g.step_h;
      inside_h += y >= 0 && y < g.h;
    }
  for (int64_t o = 0; o < g.out_w; ++o)
    for (int64_t t = 0; t < g.taps_w; ++t) {
      const int64_t x = o * g.stride_w + g.first_w + t * g.step_w;
      inside_w += x >= 0 && x < g.w;
    }
  return 10 * inside_h * inside_w < 9 * g.out_h * g.taps_h * g.out_w * g.taps_w;
}

// Columns are worked in panels of 32, the last one 16 or 32 wide: a buffer for B has room for round_up(cols, 16).
constexpr int64_t kGemmPanel = 32;

// B, in one of three layouts, the same on every target; columns beyond `cols` are read and must exist, their value does
// not matter.
//   panels  [cols/32][depth][32], the last panel [depth][16] if at most 16 columns remain: what packing makes
//   rows    [depth][row_stride], row_stride >= round_up(cols, 16): weights as the packed model keeps them
//   bits    [depth][row_stride bytes], row_stride >= round_up(cols, 16) / 8, bit n % 8 of byte n / 8 is column n:
//           1 is +1, 0 is -1; expanded block by block
struct GemmB {
  const float* values = nullptr;
  const uint8_t* bits = nullptr;
  int64_t cols = 0;
  int64_t row_stride = 0;  // 0: panels

  static constexpr GemmB panels(const float* p, int64_t cols) { return {p, nullptr, cols, 0}; }
  static constexpr GemmB rows(const float* p, int64_t cols, int64_t stride) { return {p, nullptr, cols, stride}; }
  static constexpr GemmB signs(const uint8_t* p, int64_t cols, int64_t stride) { return {nullptr, p, cols, stride}; }
};

// Depth is worked in blocks of at most this much, the accumulators re-loaded from C between them (kChain); or in blocks
// of half of it, or of a tap's channels where images are inner, each added to C (kBlocks).
constexpr int64_t kGemmDepthBlock = 256;
enum class GemmSum { kChain, kBlocks };
// Rows are packed this many at a time: a number from kGemmMinBlockRows (small memory) to kGemmMaxBlockRows.
constexpr int64_t kGemmMinBlockRows = 14;
constexpr int64_t kGemmMaxBlockRows = 224;

// Floats of scratch memory (64-byte aligned) that gemm_f32 needs. The same on every target.
constexpr int64_t gemm_f32_scratch(int64_t depth, int64_t block_rows, bool bits = false) {
  const int64_t lines = (depth + 15) / 16 * 16;
  const int64_t block = lines < kGemmDepthBlock ? lines : kGemmDepthBlock;
  return block_rows * block + (bits ? kGemmPanel * block : 0);
}

// Floats of B packed in panels.
constexpr int64_t gemm_f32_panel_floats(int64_t depth, int64_t cols) { return depth * ((cols + 15) / 16 * 16); }

// Rows [row_begin, row_end) and columns [col_begin, col_end) of C; col_begin is a multiple of kGemmPanel, col_end too
// unless it is b.cols. bias: b.cols floats or null. Reads and writes nothing outside.
void gemm_f32(const GemmRows& rows, int64_t row_begin, int64_t row_end, const GemmB& b, int64_t col_begin,
              int64_t col_end, const float* bias, float* scratch, int64_t block_rows,
              GemmSum sum = GemmSum::kChain) noexcept;

// Packs panels [panel_begin, panel_end) of a B whose element (k, n) is src[n * col_stride + k] (weights [cols][depth],
// transposed on the way). Columns beyond cols become 0.
void gemm_f32_pack_columns(const float* src, int64_t col_stride, int64_t depth, int64_t cols, int64_t panel_begin,
                           int64_t panel_end, float* panels) noexcept;

// The same where element (k, n) is src[k * row_stride + n]. Depth rows [k_begin, k_begin + k_count) of panels that are
// `depth` deep, read from src's row 0 on: a B put together from several pieces is packed piece by piece.
void gemm_f32_pack_rows(const float* src, int64_t row_stride, int64_t depth, int64_t k_begin, int64_t k_count,
                        int64_t cols, int64_t panel_begin, int64_t panel_end, float* panels) noexcept;

}  // namespace bantam
