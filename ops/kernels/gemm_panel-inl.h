// A panel of B times a group of A's rows that lie packed in lines; included once a target.
#if defined(BANTAM_GEMM_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_GEMM_PANEL_INL_H_
#undef BANTAM_GEMM_PANEL_INL_H_
#else
#define BANTAM_GEMM_PANEL_INL_H_
#endif

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels/gemm_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// One row tile of a panel of `width` columns, `cols` of which exist.
HWY_ATTR void panel_tiles(int rows, const float* lines, const float* b, size_t ldb, int64_t k, float* const* c,
                          int64_t width, int64_t cols, TileStart start, TileEnd end, const float* bias) {
  float* out[kMR];
  for (int64_t n = 0; n < width && n < cols; n += kNR) {
    int64_t wide = kNR;
    LineTile tile = line_tile_for<2>(rows);
    if constexpr (kN == 16) {  // the half panel: 16 columns where a tile is 32 wide
      if (width == kN) {
        wide = kN;
        tile = line_tile_for<1>(rows);
      }
    }
    if (n + wide <= cols) {
      for (int r = 0; r < rows; ++r) out[r] = c[r] + n;
      tile(lines, b + n, ldb, size_t(k), out, start, end, bias ? bias + n : nullptr);
      continue;
    }
    // Columns that do not fill a vector go through a copy: nothing outside C is touched.
    HWY_ALIGN float copy[kMR * kGemmPanel];
    HWY_ALIGN float some_bias[kGemmPanel] = {};
    const size_t bytes = size_t(cols - n) * sizeof(float);
    for (int r = 0; r < rows; ++r) {
      out[r] = copy + r * kGemmPanel;
      if (start == TileStart::kReload) {
        memset(out[r], 0, sizeof(float) * kGemmPanel);
        memcpy(out[r], c[r] + n, bytes);
      }
    }
    if (bias) memcpy(some_bias, bias + n, bytes);
    tile(lines, b + n, ldb, size_t(k), out, start, end, some_bias);
    for (int r = 0; r < rows; ++r) memcpy(c[r] + n, out[r], bytes);
  }
}

// Asks for the lines of C that a tile will store: a store to memory that is in no cache holds up those behind it.
HWY_INLINE void fetch_output(int rows, float* const* c, int64_t n, int64_t cols) {
  for (int r = 0; r < rows; ++r) {
    __builtin_prefetch(c[r] + n, 1, 3);
    if (cols > kLine) __builtin_prefetch(c[r] + n + kLine, 1, 3);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
