#include "ops/kernels_train/conv_weight_grad_f32.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/conv_weight_grad_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "ops/kernels_train/column_tile-inl.h"
#include "ops/kernels_train/conv_weight_grad_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

using ColumnTile = void (*)(const float*, const int32_t*, const float*, size_t, int64_t, float* const*, TileEnd);

// The least height of a tile that has so many rows.
HWY_INLINE int height_for(int64_t rows) {
  if (kColumnRows >= 8 && rows > 4) return 8;
  if (kColumnRows >= 4 && rows > 2) return 4;
  return rows > 1 ? 2 : 1;
}
template <int V>
HWY_INLINE ColumnTile column_tile_for(int height) {
  if constexpr (kColumnRows >= 8) {
    if (height == 8) return column_tile<8, V, true>;
  }
  if constexpr (kColumnRows >= 4) {
    if (height == 4) return column_tile<4, V, true>;
  }
  return height == 2 ? column_tile<2, V, true> : column_tile<1, V, true>;
}

// dw[rows][panel] (+)= the block's sum.
HWY_ATTR void panel_tiles(int64_t rows, const float* a, const int32_t* index, const float* b, int64_t count, float* dw,
                          int64_t row_stride, int64_t cols, TileEnd end) {
  HWY_ALIGN float copy[kColumnRows * kGemmPanel];
  float* c[kColumnRows];
  const int height = height_for(rows);
  for (int64_t n = 0; n < cols; n += kNR) {
    int64_t wide = kNR;
    ColumnTile tile = column_tile_for<2>(height);
    if constexpr (kN == 16) {
      if (cols - n <= kN) {
        wide = kN;
        tile = column_tile_for<1>(height);
      }
    }
    const bool whole = n + wide <= cols;
    if (whole && height == rows) {
      for (int64_t r = 0; r < rows; ++r) c[r] = dw + r * row_stride + n;
      tile(a, index, b + n, size_t(kGemmPanel), count, c, end);
      continue;
    }
    // Rows or columns that are not there: through a copy.
    for (int64_t r = 0; r < height; ++r) c[r] = copy + r * kGemmPanel;
    tile(a, index, b + n, size_t(kGemmPanel), count, c, TileEnd::kStore);
    const int64_t valid = whole ? wide : cols - n;
    for (int64_t r = 0; r < rows; ++r) {
      float* out = dw + r * row_stride + n;
      for (int64_t j = 0; j < valid; ++j) out[j] = end == TileEnd::kStore ? c[r][j] : out[j] + c[r][j];
    }
  }
}

HWY_ATTR void weight_grad(const ConvShape& s, const float* x, const float* dy, float* dw, float* partial,
                          int64_t task_begin, int64_t task_end, float* scratch) {
  const ConvWeightGradPlan plan = conv_weight_grad_f32_plan(s);
  const int64_t kg = s.group_k(), columns = s.taps() * s.group_c(), pixels_all = conv_f32_rows(s);
  float* b = scratch;
  float* a = scratch + plan.block * kGemmPanel;
  Window win[kWeightGradMaxBlock];
  int32_t index[kWeightGradMaxBlock];

  int64_t packed_block = -1, packed_group = -1;  // parts of one block find it packed
  for (int64_t task = task_begin; task < task_end; ++task) {
    const int64_t part = task % plan.parts, split = task / plan.parts % plan.splits;
    const int64_t group = task / (plan.parts * plan.splits);
    const int64_t first_panel = part * plan.panels / plan.parts, last_panel = (part + 1) * plan.panels / plan.parts;
    const int64_t first_block = split * plan.blocks / plan.splits, last_block = (split + 1) * plan.blocks / plan.splits;
    float* sum = (split == 0 ? dw : partial + (split - 1) * s.k * columns) + group * kg * columns;
    const GemmRows g = conv_f32_gather(s, x, nullptr, group);

    Pixel pixel(g, first_block * plan.block);
    for (int64_t block = first_block; block < last_block; ++block) {
      const int64_t begin = block * plan.block;
      const int64_t pixels = pixels_all - begin < plan.block ? pixels_all - begin : plan.block;
      const TileEnd end = block == first_block ? TileEnd::kStore : TileEnd::kAddTo;
      const bool packed = block == packed_block && group == packed_group;
      packed_block = block;
      packed_group = group;
      if (!packed) {
        for (int64_t i = 0; i < pixels; ++i, pixel.next(g)) win[i] = pixel.window(g);
        pack_dy(dy + begin * s.k + group * kg, pixels, s.k, kg, dy + pixels_all * s.k, a);
      }
      // The next block's pixels, while this one's are multiplied.
      const int64_t next = begin + pixels, after = block + 1 < last_block ? pixels_all - next : 0;
      const int64_t next_pixels = after < pixels ? after : pixels;
      const int64_t steps = (last_panel - first_panel) * ((kg + kColumnRows - 1) / kColumnRows);
      FetchAhead ahead(g, next, next + next_pixels, steps);
      FetchLines dy_ahead(dy + next * s.k, next_pixels * s.k, steps);
      for (int64_t p = first_panel; p < last_panel; ++p) {
        const Panel panel = panel_at(s, plan, p);
        const int64_t count = pack_panel(g, plan.by_tap, win, pixels, panel, b, index);
        for (int64_t k = 0; k < kg; k += kColumnRows) {
          ahead.step();
          dy_ahead.step();
          panel_tiles(kg - k < kColumnRows ? kg - k : kColumnRows, a + k / kLine * pixels * kLine + k % kLine, index, b,
                      count, sum + k * columns + panel.begin, columns, panel.cols, end);
        }
      }
    }
  }
}

template <int V>
HWY_INLINE HWY_ATTR void column_sums(const float* dy, int64_t rows, int64_t k, float* sum) {
  const DF d;
  VF acc[V];
  static_for<V>([&](auto v) BANTAM_LAMBDA { acc[v] = hn::Zero(d); });
  for (int64_t r = 0; r < rows; ++r, dy += k)
    static_for<V>([&](auto v) BANTAM_LAMBDA { acc[v] = hn::Add(acc[v], hn::LoadU(d, dy + v * kN)); });
  static_for<V>([&](auto v) BANTAM_LAMBDA { hn::StoreU(acc[v], d, sum + v * kN); });
}

HWY_ATTR void bias_grad(const float* dy, int64_t rows, int64_t k, float* sum) {
  if (const int64_t group = k < 16 ? row_group(rows, k) : 1; group > 1) {
    // Few columns: rows side by side, then added up.
    float wide[kMaxColumns];
    const int64_t columns = group * k, whole = rows / group;
    for (int64_t n = 0; n < columns; n += 4 * kN) {
      if (columns - n >= 4 * kN) {
        column_sums<4>(dy + n, whole, columns, wide + n);
      } else {
        for (int64_t i = n; i < columns; i += kN) column_sums<1>(dy + i, whole, columns, wide + i);
      }
    }
    for (int64_t j = 0; j < k; ++j) {
      sum[j] = wide[j];
      for (int64_t g = 1; g < group; ++g) sum[j] += wide[g * k + j];
      for (int64_t r = whole * group; r < rows; ++r) sum[j] += dy[r * k + j];
    }
    return;
  }
  int64_t n = 0;
  for (; n + 4 * kN <= k; n += 4 * kN) column_sums<4>(dy + n, rows, k, sum + n);
  for (; n + kN <= k; n += kN) column_sums<1>(dy + n, rows, k, sum + n);
#if HWY_TARGET == HWY_AVX2 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
  if (n < k) {  // masked loads touch nothing beyond the row
    const DF d;
    const auto mask = hn::FirstN(d, size_t(k - n));
    VF acc = hn::Zero(d);
    for (int64_t r = 0; r < rows; ++r) acc = hn::Add(acc, hn::MaskedLoad(mask, d, dy + r * k + n));
    hn::BlendedStore(acc, mask, d, sum + n);
    return;
  }
#endif
  for (; n < k; ++n) {
    float acc = 0.0f;
    for (int64_t r = 0; r < rows; ++r) acc += dy[r * k + n];
    sum[n] = acc;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(weight_grad);
HWY_EXPORT(bias_grad);

void conv_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, float* dw, float* partial,
                          int64_t task_begin, int64_t task_end, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(weight_grad)(s, x, dy, dw, partial, task_begin, task_end, scratch);
}

void bias_grad_f32(const float* dy, int64_t rows, int64_t k, float* sum) noexcept {
  HWY_DYNAMIC_DISPATCH(bias_grad)(dy, rows, k, sum);
}

}  // namespace bantam
#endif
