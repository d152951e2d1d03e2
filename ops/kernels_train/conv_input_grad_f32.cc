#include "ops/kernels_train/conv_input_grad_f32.h"

#include "ops/kernels_train/phases.h"

namespace bantam {

void conv_input_grad_f32_pack_weights(const ConvShape& s, const float* w, int64_t panel_begin, int64_t panel_end,
                                      float* packed) noexcept {
  const int64_t cg = s.group_c(), kg = s.group_k(), per_group = (cg + kGemmPanel - 1) / kGemmPanel;
  for (int64_t p = panel_begin; p < panel_end; ++p) {
    const int64_t group = p / per_group, panel = p % per_group;
    float* group_packed = packed + group * gemm_f32_panel_floats(s.taps() * kg, cg);
    for_each_phase(s, [&](const Phase& phase) {
      float* out = group_packed + gemm_f32_panel_floats(phase.taps_before * kg, cg);
      for (int64_t t = 0; t < phase.taps(); ++t)
        gemm_f32_pack_rows(w + (group * kg * s.taps() + phase.tap(s, t)) * cg, s.taps() * cg, phase.taps() * kg, t * kg,
                           kg, cg, panel, panel + 1, out);
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
    int64_t row0 = 0;  // of this phase
    for_each_phase(s, [&](const Phase& phase) {
      GemmRows g = phase.rows(s, dy + group * kg, dx + group * cg);
      g.channels = kg;
      g.images_inner = gemm_f32_skip_pays(g);
      const int64_t begin = row_begin > row0 ? row_begin - row0 : 0;
      const int64_t end = row_end - row0 < g.rows() ? row_end - row0 : g.rows();
      row0 += g.rows();
      if (begin >= end) return;
      gemm_f32(g, begin, end, GemmB::panels(weights + gemm_f32_panel_floats(phase.taps_before * kg, cg), cg),
               first * kGemmPanel, last * kGemmPanel < cg ? last * kGemmPanel : cg, nullptr, scratch, block_rows);
    });
    p += last - first;
  }
}

}  // namespace bantam
