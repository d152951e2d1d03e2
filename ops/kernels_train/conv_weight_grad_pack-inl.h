// Packing of the weight gradient's operands, a block of pixels at a time; included once a target.
#if defined(BANTAM_CONV_WEIGHT_GRAD_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_CONV_WEIGHT_GRAD_PACK_INL_H_
#undef BANTAM_CONV_WEIGHT_GRAD_PACK_INL_H_
#else
#define BANTAM_CONV_WEIGHT_GRAD_PACK_INL_H_
#endif

#include "ops/kernels/gather-inl.h"
#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/conv_weight_grad_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// A range of dw's columns, at most 32 wide.
struct Panel {
  int64_t begin, cols;
};
Panel panel_at(const ConvShape& s, const ConvWeightGradPlan& plan, int64_t p) {
  const int64_t cg = s.group_c(), columns = s.taps() * cg;
  const int64_t per_tap = (cg + 31) / 32;
  const int64_t begin = plan.by_tap ? p / per_tap * cg + p % per_tap * 32 : p * 32;
  const int64_t end = plan.by_tap ? (p / per_tap + 1) * cg : columns;
  return {begin, end - begin < 32 ? end - begin : 32};
}

// The block's windows of one panel as B [pixels][32]; index gets the pixels that are there.
HWY_ATTR int64_t pack_panel(const GemmRows& g, bool by_tap, const Window* win, int64_t pixels, const Panel& panel,
                            float* b, int32_t* index) {
  if (!by_tap) {
    gather(g, win, pixels, panel.begin, panel.begin + panel.cols, b, kGemmPanel, kLine);
    for (int64_t i = 0; i < pixels; ++i) index[i] = int32_t(i);
    return pixels;
  }
  const int64_t tap = panel.begin / g.channels, c = panel.begin % g.channels;
  const int64_t dy = tap / g.taps_w * g.step_h, dx = tap % g.taps_w * g.step_w;
  const float* src = g.src + (dy * g.w + dx) * g.pixel + c;
  int64_t count = 0;
  for (int64_t i = 0; i < pixels; ++i) {
    if (uint64_t(win[i].y + dy) >= uint64_t(g.h) || uint64_t(win[i].x + dx) >= uint64_t(g.w)) continue;
    const float* in = src + win[i].origin * g.pixel;
    copy_line(in, b);
    if (panel.cols > 16) copy_line(in + 16, b + 16);
    b += kGemmPanel;
    index[count++] = int32_t(i);
  }
  return count;
}

// dy as A: [K/16][pixel][16]. Lanes beyond K hold anything.
HWY_ATTR void pack_dy(const float* dy, int64_t pixels, int64_t pixel_stride, int64_t kg, const float* dy_end,
                      float* a) {
  for (int64_t i = 0; i < pixels; ++i, dy += pixel_stride)
    for (int64_t k = 0; k < kg; k += kLine) {
      float* out = a + k * pixels + i * kLine;
      if (dy_end - (dy + k) >= kLine)
        copy_line(dy + k, out);
      else
        copy_part(dy + k, out, kg - k);
    }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
