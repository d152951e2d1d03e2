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

// Heights there is a tile for. Output channels are cut into groups of nearly equal height, so that the tall ones do
// nearly all of the work: 64 is 13 + 13 + 13 + 13 + 12, not 4 * 14 + 8.
constexpr int kHeights[] = {1, 2, 4, 6, 8, 10, 12, 13, 14};
HWY_INLINE int height_for(int64_t rows) {
  if (kMR == 2) return int(rows);
  for (int h : kHeights)
    if (h >= rows && h <= kMR) return h;
  return kMR;
}

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

// Eight floats: where no more are wanted, a whole line would mostly be a store across two cache lines, which takes
// several cycles.
HWY_INLINE HWY_ATTR void copy_half_line(const float* HWY_RESTRICT src, float* HWY_RESTRICT dst) {
  const hn::CappedTag<float, 8> d;
  constexpr int kStep = int(hn::MaxLanes(d));
  static_for<8 / kStep>([&](auto i) BANTAM_LAMBDA { hn::StoreU(hn::LoadU(d, src + i * kStep), d, dst + i * kStep); });
}

// dy as A: row groups one after the other, each [pixel][height] and a line of slack: whole lines are copied, and what
// is too much is overwritten by the next pixel. The lanes between a group's rows and its height hold anything.
HWY_ATTR void pack_dy(const float* dy, int64_t pixels, int64_t pixel_stride, int64_t kg, const float* dy_end,
                      float* a) {
  const int64_t row_groups = (kg + kMR - 1) / kMR;
  for (int64_t j = 0; j < row_groups; ++j) {
    const int64_t k0 = j * kg / row_groups, rows = (j + 1) * kg / row_groups - k0, height = height_for(rows);
    const float* in = dy + k0;
    for (int64_t i = 0; i < pixels; ++i, in += pixel_stride, a += height) {
      if (dy_end - in >= kLine) {
        if (height <= kLine / 2) {
          copy_half_line(in, a);
        } else {
          copy_line(in, a);
        }
      } else {
        copy_part(in, a, rows);
      }
    }
    a += kLine;
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
