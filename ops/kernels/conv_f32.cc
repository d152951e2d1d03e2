#include "ops/kernels/conv_f32.h"

namespace bantam {

void conv_f32_pack_weights(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end,
                           float* panels) noexcept {
  const int64_t per_group = conv_f32_group_panels(s), depth = s.taps() * s.group_c();
  for (int64_t p = panel_begin; p < panel_end;) {
    const int64_t group = p / per_group, first = p % per_group;
    const int64_t last = panel_end - group * per_group < per_group ? panel_end - group * per_group : per_group;
    gemm_f32_pack_columns(w + group * s.group_k() * depth, depth, depth, s.group_k(), first, last,
                          panels + group * gemm_f32_panel_floats(depth, s.group_k()));
    p += last - first;
  }
}

void conv_f32(const ConvShape& s, const float* x, const ConvWeights& w, const float* bias, float* y, int64_t row_begin,
              int64_t row_end, int64_t panel_begin, int64_t panel_end, float* scratch, int64_t block_rows,
              GemmSum sum) noexcept {
  const int64_t per_group = conv_f32_group_panels(s);
  for (int64_t p = panel_begin; p < panel_end;) {
    const int64_t group = p / per_group, first = p % per_group;
    const int64_t last = panel_end - group * per_group < per_group ? panel_end - group * per_group : per_group;
    GemmB b = w.first;
    if (b.bits) {
      b.bits += group * w.step;
    } else {
      b.values += group * w.step;
    }
    const int64_t col_end = last * kGemmPanel < b.cols ? last * kGemmPanel : b.cols;
    GemmRows g = conv_f32_gather(s, x, y, group);
    g.images_inner = gemm_f32_skip_pays(g);
    gemm_f32(g, row_begin, row_end, b, first * kGemmPanel, col_end,
             bias ? bias + group * s.group_k() : nullptr, scratch, block_rows, sum);
    p += last - first;
  }
}

}  // namespace bantam
