#include "ops/kernels/gemm_f32.h"

// For f32, AVX3_DL has nothing over AVX3; SSSE3 nothing over the scalar code, which is canonical.
#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/gemm_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Bits to +-1: columns [col, col + width) of depth rows [k0, k1), as [k][32].
HWY_ATTR void expand_signs(const GemmB& b, int64_t k0, int64_t k1, int64_t col, int64_t width, float* out) {
  const uint8_t* row = b.bits + k0 * b.row_stride + col / 8;
  for (int64_t k = k0; k < k1; ++k, row += b.row_stride, out += kGemmPanel) {
    // A sign is bit 31 of a float: +1 is 0x3F800000, -1 is 0xBF800000.
    for (int64_t byte = 0; byte < width / 8; ++byte) {
      const uint32_t v = row[byte];
      uint32_t f[8];
      for (int i = 0; i < 8; ++i) f[i] = 0xBF800000u ^ (v >> i << 31);
      memcpy(out + 8 * byte, f, sizeof f);
    }
  }
}

// Where the block of depth that starts at k0 ends: blocks of at most `largest`, within a tap where images are inner.
int64_t block_end(const GemmRows& g, int64_t k0, int64_t depth, int64_t largest) {
  if (!g.images_inner) return depth - k0 < largest ? depth : k0 + largest;
  const int64_t parts = (g.channels + largest - 1) / largest;
  const int64_t step = ((g.channels + parts - 1) / parts + kLine - 1) / kLine * kLine;
  const int64_t tap_end = (k0 / g.channels + 1) * g.channels;
  return tap_end - k0 < step ? tap_end : k0 + step;
}

// Rows [k0, k1) of B's panel at column n, whose rows are then *ldb apart.
HWY_ATTR const float* panel_at(const GemmB& b, int64_t depth, int64_t k0, int64_t k1, int64_t n, int64_t width,
                               float* expanded, size_t* ldb) {
  *ldb = b.bits ? size_t(kGemmPanel) : b.row_stride ? size_t(b.row_stride) : size_t(width);
  if (b.bits) {
    expand_signs(b, k0, k1, n, width, expanded);
    return expanded;
  }
  return b.row_stride ? b.values + k0 * b.row_stride + n : b.values + n * depth + k0 * width;
}

HWY_ATTR void gemm(const GemmRows& g, int64_t row_begin, int64_t row_end, const GemmB& b, int64_t col_begin,
                   int64_t col_end, const float* bias, float* scratch, int64_t block_rows, GemmSum sum) {
  const int64_t depth = g.depth(),
                largest = sum == GemmSum::kChain || g.images_inner ? kGemmDepthBlock : kGemmDepthBlock / 2;
  const int64_t padded_cols = (b.cols + 15) / 16 * 16;
  if (block_rows > kGemmMaxBlockRows) block_rows = kGemmMaxBlockRows;
  const int64_t step_rows = block_rows / kMR * kMR;
  float* expanded = scratch + block_rows * (((depth < kGemmDepthBlock ? depth : kGemmDepthBlock) + 15) / 16 * 16);
  const int64_t panels = (col_end - col_begin + kGemmPanel - 1) / kGemmPanel;

  RowBlock block;
  Pixel pixel(g, row_begin);
  for (int64_t r0 = row_begin; r0 < row_end; r0 += step_rows) {
    const int64_t rows = row_end - r0 < step_rows ? row_end - r0 : step_rows, r1 = r0 + rows;
    block.begin(g, pixel, rows);
    FetchAhead ahead(g, r1, row_end - r1 < step_rows ? row_end : r1 + step_rows,
                     block.groups * panels * (depth / largest + 1));
    int64_t k0 = 0;
    do {  // once even if there is no depth at all: the bias, or zeros, are still to be stored
      const int64_t k1 = depth > 0 ? block_end(g, k0, depth, largest) : 0;
      const int64_t group_floats = kMR * ((k1 - k0 + 15) / 16 * 16);
      const bool any = block.pack(g, k0, k1, scratch, group_floats);
      for (int64_t n = col_begin; n < col_end && any; n += kGemmPanel) {
        const int64_t width = padded_cols - n < kGemmPanel ? padded_cols - n : kGemmPanel;
        size_t ldb;
        const float* bk = panel_at(b, depth, k0, k1, n, width, expanded, &ldb);
        for (int64_t t = 0; t < block.groups; ++t) {
          ahead.step();
          // The output of the tile after next, this panel's or the next one's.
          const int64_t t2 = t + 2 < block.groups ? t + 2 : t + 2 - block.groups, n2 = t2 > t ? n : n + kGemmPanel;
          if (t2 < block.groups && n2 < col_end && !block.begun[t2])
            fetch_output(block.height(t2), block.c + t2 * kMR, n2, col_end - n2);
          if (block.skip[t]) continue;
          float* out[kMR];
          block.columns(t, n, out);
          const bool begun = block.begun[t], add = begun && sum == GemmSum::kBlocks;
          const bool biased = bias && k1 >= block.end_k[t];
          panel_tiles(block.height(t), scratch + t * group_floats, bk, ldb, k1 - k0, out, width, b.cols - n,
                      begun && !add ? TileStart::kReload : TileStart::kZero,
                      add      ? TileEnd::kAddTo
                      : biased ? TileEnd::kAddBias
                               : TileEnd::kStore,
                      biased ? bias + n : nullptr);
        }
      }
      for (int64_t t = 0; t < block.groups; ++t) block.begun[t] = block.begun[t] || !block.skip[t];
      k0 = k1;
    } while (k0 < depth);
  }
}

// panel[k][0..15] = 16 columns from src, transposed; `cols` of them exist, the rest become 0.
HWY_ATTR void transpose_16(const float* src, int64_t col_stride, int64_t depth, int64_t cols, float* out,
                           int64_t out_stride) {
  int64_t n_done = 0;  // columns that whole blocks of 4x4 cover
  int64_t k_done = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::Full128<float> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  n_done = cols / 4 * 4;
  k_done = depth / 4 * 4;
  for (int64_t k = 0; k < k_done; k += 4) {
    for (int64_t n = 0; n < n_done; n += 4) {
      const float* p = src + n * col_stride + k;
      const auto a0 = hn::LoadU(d, p), a1 = hn::LoadU(d, p + col_stride);
      const auto a2 = hn::LoadU(d, p + 2 * col_stride), a3 = hn::LoadU(d, p + 3 * col_stride);
      const auto lo01 = hn::BitCast(d64, hn::InterleaveLower(d, a0, a1));  // k0: a0 a1, k1: a0 a1
      const auto lo23 = hn::BitCast(d64, hn::InterleaveLower(d, a2, a3));
      const auto hi01 = hn::BitCast(d64, hn::InterleaveUpper(d, a0, a1));
      const auto hi23 = hn::BitCast(d64, hn::InterleaveUpper(d, a2, a3));
      float* q = out + k * out_stride + n;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, lo01, lo23)), d, q);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, lo01, lo23)), d, q + out_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, hi01, hi23)), d, q + 2 * out_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, hi01, hi23)), d, q + 3 * out_stride);
    }
  }
#endif
  for (int64_t k = 0; k < depth; ++k)
    for (int64_t n = k < k_done ? n_done : 0; n < 16; ++n)
      out[k * out_stride + n] = n < cols ? src[n * col_stride + k] : 0.0f;
}

HWY_ATTR void pack_columns(const float* src, int64_t col_stride, int64_t depth, int64_t cols, int64_t panel_begin,
                           int64_t panel_end, float* panels) {
  for (int64_t n = panel_begin * kGemmPanel; n < panel_end * kGemmPanel && n < cols; n += kGemmPanel) {
    const int64_t width = cols - n > 16 ? kGemmPanel : 16;
    for (int64_t half = 0; half < width; half += 16) {
      const int64_t left = cols - n - half;
      transpose_16(src + (n + half) * col_stride, col_stride, depth, left < 16 ? left : 16, panels + n * depth + half,
                   width);
    }
  }
}

HWY_ATTR void pack_b_rows(const float* src, int64_t row_stride, int64_t depth, int64_t k_begin, int64_t k_count,
                          int64_t cols, int64_t panel_begin, int64_t panel_end, float* panels) {
  // Some rows at a time through all panels: a row is read as it lies, not 128 bytes of each page.
  constexpr int64_t kRows = 32;
  for (int64_t k0 = 0; k0 < k_count; k0 += kRows) {
    const int64_t k1 = k_count - k0 < kRows ? k_count : k0 + kRows;
    for (int64_t n = panel_begin * kGemmPanel; n < panel_end * kGemmPanel && n < cols; n += kGemmPanel) {
      const int64_t width = cols - n > 16 ? kGemmPanel : 16;
      float* HWY_RESTRICT out = panels + n * depth + (k_begin + k0) * width;
      const float* HWY_RESTRICT in = src + k0 * row_stride + n;
      for (int64_t k = k0; k < k1; ++k, out += width, in += row_stride) {
        if (cols - n >= width) {
          for (int64_t half = 0; half < width; half += 16) copy_line(in + half, out + half);
        } else {
          for (int64_t half = 0; half < width; half += 16) {
            zero_line(out + half);
            const int64_t left = cols - n - half;
            if (left > 0) copy_part(in + half, out + half, left < 16 ? left : 16);
          }
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

HWY_EXPORT(gemm);
HWY_EXPORT(pack_columns);
HWY_EXPORT(pack_b_rows);

void gemm_f32(const GemmRows& rows, int64_t row_begin, int64_t row_end, const GemmB& b, int64_t col_begin,
              int64_t col_end, const float* bias, float* scratch, int64_t block_rows, GemmSum sum) noexcept {
  HWY_DYNAMIC_DISPATCH(gemm)(rows, row_begin, row_end, b, col_begin, col_end, bias, scratch, block_rows, sum);
}

void gemm_f32_pack_columns(const float* src, int64_t col_stride, int64_t depth, int64_t cols, int64_t panel_begin,
                           int64_t panel_end, float* panels) noexcept {
  HWY_DYNAMIC_DISPATCH(pack_columns)(src, col_stride, depth, cols, panel_begin, panel_end, panels);
}

void gemm_f32_pack_rows(const float* src, int64_t row_stride, int64_t depth, int64_t k_begin, int64_t k_count,
                        int64_t cols, int64_t panel_begin, int64_t panel_end, float* panels) noexcept {
  HWY_DYNAMIC_DISPATCH(pack_b_rows)(src, row_stride, depth, k_begin, k_count, cols, panel_begin, panel_end, panels);
}

}  // namespace bantam
#endif
