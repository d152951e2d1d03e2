// Blocks of gathered rows, and a group of their lines times a panel of B; included once a target.
#if defined(BANTAM_GEMM_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_GEMM_PANEL_INL_H_
#undef BANTAM_GEMM_PANEL_INL_H_
#else
#define BANTAM_GEMM_PANEL_INL_H_
#endif

#include <string.h>

#include "ops/kernels/gather-inl.h"
#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels/gemm_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Whether any of the windows has the tap of depth k inside the image.
bool tap_inside(const GemmRows& g, const Window* win, int64_t rows, int64_t k) {
  const int64_t tap = k / g.channels, dy = tap / g.taps_w * g.step_h, dx = tap % g.taps_w * g.step_w;
  for (int64_t r = 0; r < rows; ++r)
    if (uint64_t(win[r].y + dy) < uint64_t(g.h) && uint64_t(win[r].x + dx) < uint64_t(g.w)) return true;
  return false;
}

// A block of C's rows: their windows, where they go, and how far their chains have come.
struct RowBlock {
  Window win[kGemmMaxBlockRows + kMR];
  float* c[kGemmMaxBlockRows + kMR];
  int64_t rows, full, groups;  // groups of kMR rows, the last perhaps of fewer
  int last;                    // the height of its tile
  HWY_ALIGN float nowhere[kGemmPanel] = {};  // where rows go that fill it up
  // By group: the depth up to which its chain goes (taps outside at the end are skipped), whether it has begun, and
  // whether it takes no part in the block of depth at hand.
  int64_t end_k[kGemmMaxBlockRows / kMR + 1];
  bool begun[kGemmMaxBlockRows / kMR + 1], skip[kGemmMaxBlockRows / kMR + 1];

  int height(int64_t t) const { return t < full ? kMR : last; }

  // Column n of group t's rows.
  HWY_INLINE void columns(int64_t t, int64_t n, float** out) {
    for (int r = 0; r < height(t); ++r) out[r] = t * kMR + r < rows ? c[t * kMR + r] + n : nowhere;
  }

  void begin(const GemmRows& g, Pixel& pixel, int64_t count) {
    rows = count;
    for (int64_t r = 0; r < rows; ++r, pixel.next(g)) {
      win[r] = pixel.window(g);
      c[r] = g.dst + pixel.image * g.dst_image + pixel.oy * g.dst_row + pixel.ox * g.dst_pixel;
    }
    // The last group is padded to a tile's height with copies of the last row.
    full = rows / kMR;
    last = tile_rows(rows - full * kMR);
    for (int64_t r = rows; r < full * kMR + last; ++r) {
      win[r] = win[rows - 1];
      c[r] = c[rows - 1];
    }
    groups = full + (last > 0);
    for (int64_t t = 0; t < groups; ++t) {
      end_k[t] = g.depth();
      begun[t] = skip[t] = false;
      while (g.images_inner && end_k[t] > 0 && !tap_inside(g, win + t * kMR, height(t), end_k[t] - 1))
        end_k[t] -= g.channels;
    }
  }

  // Depth [k0, k1) of A as lines, group after group, group_floats apart; false if no group has anything there.
  HWY_ATTR bool pack(const GemmRows& g, int64_t k0, int64_t k1, float* lines, int64_t group_floats) {
    bool any = false;
    for (int64_t t = 0; t < groups; ++t) {
      skip[t] = g.images_inner && !tap_inside(g, win + t * kMR, height(t), k0) && !(end_k[t] == 0 && k0 == 0);
      if (skip[t]) continue;
      any = true;
      gather(g, win + t * kMR, height(t), k0, k1, lines + t * group_floats, kLine, height(t) * kLine);
    }
    return any;
  }
};

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
      if (start == TileStart::kReload || end == TileEnd::kAddTo) {
        memset(out[r], 0, sizeof(float) * kGemmPanel);
        memcpy(out[r], c[r] + n, bytes);
      }
    }
    if (bias) memcpy(some_bias, bias + n, bytes);
    tile(lines, b + n, ldb, size_t(k), out, start, end, bias ? some_bias : nullptr);
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
