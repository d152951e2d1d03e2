#include "ops/kernels_train/conv_input_grad_f32.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/conv_input_grad_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_panel-inl.h"
#include "ops/kernels_train/phases.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// A gradient that is larger than caches goes past them where it is stored once: it would be fetched only to be
// overwritten.
constexpr int64_t kStreamedFloats = int64_t(8) << 20;

// The pixels of one phase in a block of cells.
class PhaseRows {
 public:
  PhaseRows(const ConvShape& s, const GemmRows& cells, int64_t py, int64_t px)
      : s_(s), cells_(cells), py_(py), px_(px), whole_(s.h % s.stride_h == 0 && s.w % s.stride_w == 0) {}
  // Column n of group t's rows; those that lie beyond the image, or fill up the group, go to `nowhere`.
  HWY_INLINE void at(const RowBlock& block, int64_t t, int64_t n, float* nowhere, float** out) const {
    for (int r = 0; r < block.height(t); ++r) {
      const int64_t i = t * kMR + r;
      const bool in_image = whole_ || ((block.win[i].y - cells_.first_h) * s_.stride_h + py_ < s_.h &&
                                    (block.win[i].x - cells_.first_w) * s_.stride_w + px_ < s_.w);
      out[r] = i < block.rows && in_image ? block.c[i] + (py_ * s_.w + px_) * s_.c + n : nowhere;
    }
  }

 private:
  const ConvShape& s_;
  const GemmRows& cells_;
  int64_t py_, px_;
  bool whole_;
};

// Zeros for `cols` columns of a group's pixels.
HWY_ATTR void clear(const RowBlock& block, int64_t t, const PhaseRows& rows, int64_t n, int64_t cols, bool stream) {
  const DF d;
  float* out[kMR];
  rows.at(block, t, n, nullptr, out);
  for (int r = 0; r < block.height(t); ++r)
    for (int64_t i = 0; out[r] && i < cols; i += kN) {
      if (stream)
        hn::Stream(hn::Zero(d), d, out[r] + i);
      else
        store_first(hn::Zero(d), out[r] + i, cols - i);
    }
}

// One group of channels: columns [col_begin, col_end) of the cells [row_begin, row_end). packed: [tap] panels, K deep.
HWY_ATTR void cells_grad(const ConvShape& s, const GemmRows& cells, const float* packed, int64_t row_begin,
                         int64_t row_end, int64_t col_begin, int64_t col_end, float* scratch, int64_t block_rows) {
  const CellAxis down{s.stride_h, s.pad_h, s.dilation_h, s.kh}, right{s.stride_w, s.pad_w, s.dilation_w, s.kw};
  const int64_t kg = cells.channels, cg = s.group_c(), padded_cols = (cg + 15) / 16 * 16, cols = col_end - col_begin;
  const int64_t phases = s.stride_h * s.stride_w, panels = (cols + kGemmPanel - 1) / kGemmPanel;
  constexpr int64_t kBlock = 192;  // channels, a sum of their own
  const int64_t parts = (kg + kBlock - 1) / kBlock, part = ((kg + parts - 1) / parts + 15) / 16 * 16;
  const bool stream = s.c % kLine == 0 && cg % kLine == 0 && s.n * s.h * s.w * s.c >= kStreamedFloats;
  if (block_rows > kGemmMaxBlockRows) block_rows = kGemmMaxBlockRows;
  const int64_t step_rows = block_rows / kMR * kMR;

  int64_t taps_of[16];  // of a phase
  for (int64_t p = 0; p < phases; ++p) {
    taps_of[p] = 0;
    for (int64_t t = 0; t < s.taps(); ++t)
      taps_of[p] += down.phase(t / s.kw) * s.stride_w + right.phase(t % s.kw) == p;
  }
  const auto rows_of = [&](int64_t p) { return PhaseRows(s, cells, p / s.stride_w, p % s.stride_w); };

  RowBlock block;
  Pixel pixel(cells, row_begin);
  for (int64_t r0 = row_begin; r0 < row_end; r0 += step_rows) {
    const int64_t rows = row_end - r0 < step_rows ? row_end - r0 : step_rows, r1 = r0 + rows;
    block.begin(cells, pixel, rows);
    FetchAhead ahead(cells, r1, row_end - r1 < step_rows ? row_end : r1 + step_rows,
                     block.groups * panels * s.taps() * parts);
    bool begun[16][kGemmMaxBlockRows / kMR + 1] = {};
    for (int64_t at = 0; at < cells.taps_h * cells.taps_w; ++at)
      for (int64_t k0 = 0; k0 < kg; k0 += part) {
        const int64_t k1 = kg - k0 < part ? kg : k0 + part, group_floats = kMR * ((k1 - k0 + 15) / 16 * 16);
        bool packed_lines = false;
        for (int64_t tap = 0; tap < s.taps(); ++tap) {
          const int64_t ty = tap / s.kw, tx = tap % s.kw;
          if (down.offset(ty) - down.first() != at / cells.taps_w ||
              right.offset(tx) - right.first() != at % cells.taps_w)
            continue;
          if (!packed_lines && !block.pack(cells, at * kg + k0, at * kg + k1, scratch, group_floats)) break;
          packed_lines = true;
          const int64_t p = down.phase(ty) * s.stride_w + right.phase(tx);
          const PhaseRows to = rows_of(p);
          const TileEnd end = stream && taps_of[p] == 1 && parts == 1 ? TileEnd::kStream : TileEnd::kStore;
          for (int64_t n = col_begin; n < col_end; n += kGemmPanel) {
            const int64_t width = padded_cols - n < kGemmPanel ? padded_cols - n : kGemmPanel;
            const float* b = packed + gemm_f32_panel_floats(tap * kg, cg) + n * kg + k0 * width;
            for (int64_t t = 0; t < block.groups; ++t) {
              ahead.step();
              if (block.skip[t]) continue;
              float* out[kMR];
              const int64_t t2 = t + 2 < block.groups ? t + 2 : t + 2 - block.groups, n2 = t2 > t ? n : n + kGemmPanel;
              if (end == TileEnd::kStore && t2 < block.groups && n2 < col_end && !begun[p][t2]) {
                to.at(block, t2, n2, block.nowhere, out);
                fetch_output(block.height(t2), out, 0, col_end - n2);
              }
              to.at(block, t, n, block.nowhere, out);
              panel_tiles(block.height(t), scratch + t * group_floats, b, size_t(width), k1 - k0, out, width, cg - n,
                          TileStart::kZero, begun[p][t] ? TileEnd::kAddTo : end, nullptr);
            }
          }
          for (int64_t t = 0; t < block.groups; ++t) begun[p][t] = begun[p][t] || !block.skip[t];
        }
      }
    for (int64_t p = 0; p < phases; ++p)
      for (int64_t t = 0; t < block.groups; ++t)
        if (!begun[p][t]) clear(block, t, rows_of(p), col_begin, cols, stream);
  }
  if (stream) hwy::FlushStream();
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(cells_grad);

namespace {

// Cells of a group's channels as rows gathered from dy, and where their first pixels lie in dx.
GemmRows cell_rows(const ConvShape& s, const float* dy, float* dx, int64_t group) {
  const CellAxis down{s.stride_h, s.pad_h, s.dilation_h, s.kh}, right{s.stride_w, s.pad_w, s.dilation_w, s.kw};
  GemmRows g;
  g.src = dy + group * s.group_k();
  g.images = s.n;
  g.h = s.out_h();
  g.w = s.out_w();
  g.pixel = s.k;
  g.channels = s.group_k();
  g.taps_h = down.offsets();
  g.taps_w = right.offsets();
  g.out_h = (s.h + s.stride_h - 1) / s.stride_h;
  g.out_w = (s.w + s.stride_w - 1) / s.stride_w;
  g.first_h = down.first();
  g.first_w = right.first();
  g.dst = dx + group * s.group_c();
  g.dst_pixel = s.stride_w * s.c;
  g.dst_row = s.stride_h * s.w * s.c;
  g.dst_image = s.h * s.w * s.c;
  g.images_inner = gemm_f32_skip_pays(g);
  return g;
}

// Cells [row_begin, row_end), phase after phase: pixels of one phase are rows of a product of its own.
void phases_grad(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t group, int64_t row_begin,
                 int64_t row_end, int64_t col_begin, int64_t col_end, float* scratch, int64_t block_rows) {
  const int64_t cg = s.group_c(), kg = s.group_k();
  int64_t row0 = 0;  // of this phase
  for_each_phase(s, [&](const Phase& phase) {
    GemmRows g = phase.rows(s, dy + group * kg, dx + group * cg);
    g.channels = kg;
    g.images_inner = gemm_f32_skip_pays(g);
    const int64_t begin = row_begin > row0 ? row_begin - row0 : 0;
    const int64_t end = row_end - row0 < g.rows() ? row_end - row0 : g.rows();
    row0 += g.rows();
    if (begin >= end) return;
    gemm_f32(g, begin, end, GemmB::panels(packed + gemm_f32_panel_floats(phase.taps_before * kg, cg), cg), col_begin,
             col_end, nullptr, scratch, block_rows, GemmSum::kBlocks);
  });
}

}  // namespace

void conv_input_grad_f32_pack_weights(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end,
                                      float* packed) noexcept {
  const int64_t cg = s.group_c(), kg = s.group_k(), per_group = (cg + kGemmPanel - 1) / kGemmPanel;
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t group = p / per_group, panel = p % per_group;
    float* group_packed = packed + group * gemm_f32_panel_floats(s.taps() * kg, cg);
    const float* from = w + group * kg * s.taps() * cg;
    if (conv_input_grad_in_cells(s)) {
      for (int64_t tap = 0; tap < s.taps(); ++tap)
        gemm_f32_pack_rows(from + tap * cg, s.taps() * cg, kg, 0, kg, cg, panel, panel + 1,
                           group_packed + gemm_f32_panel_floats(tap * kg, cg));
      continue;
    }
    for_each_phase(s, [&](const Phase& phase) {
      float* out = group_packed + gemm_f32_panel_floats(phase.taps_before * kg, cg);
      for (int64_t t = 0; t < phase.taps(); ++t)
        gemm_f32_pack_rows(from + phase.tap(s, t) * cg, s.taps() * cg, phase.taps() * kg, t * kg, kg, cg, panel,
                           panel + 1, out);
    });
  }
}

void conv_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t row_begin,
                         int64_t row_end, int64_t panel_begin, int64_t panel_end, float* scratch,
                         int64_t block_rows) noexcept {
  const int64_t cg = s.group_c(), kg = s.group_k(), per_group = (cg + kGemmPanel - 1) / kGemmPanel;
  for (int64_t p = panel_begin; p < panel_end;) {
    const int64_t group = p / per_group, first = p % per_group;
    const int64_t last = panel_end - group * per_group < per_group ? panel_end - group * per_group : per_group;
    const float* weights = packed + group * gemm_f32_panel_floats(s.taps() * kg, cg);
    const int64_t col_begin = first * kGemmPanel, col_end = last * kGemmPanel < cg ? last * kGemmPanel : cg;
    if (conv_input_grad_in_cells(s))
      HWY_DYNAMIC_DISPATCH(cells_grad)(s, cell_rows(s, dy, dx, group), weights, row_begin, row_end, col_begin, col_end,
                                       scratch, block_rows);
    else
      phases_grad(s, dy, weights, dx, group, row_begin, row_end, col_begin, col_end, scratch, block_rows);
    p += last - first;
  }
}

}  // namespace bantam
#endif
