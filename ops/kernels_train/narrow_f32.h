// Products of gathered rows (ops/kernels/gemm_f32.h) whose windows are narrow: few channels, so that gathering a window
// costs as much as multiplying it. Nothing is gathered here: an image is copied once with its border of zeros, and the
// tile reads neighboring output pixels' values where they lie, a constant step apart. The same chains, so the same
// bytes as gemm_f32.
#pragma once

#include <cstdint>

#include "ops/kernels/gemm_f32.h"

namespace bantam {

constexpr int64_t kNarrowDepth = 512;              // taps x channels at most
constexpr int64_t kNarrowImageFloats = 1 << 16;    // of an image with its border

// The image with the border that its windows reach into: rows [top, top + height) and columns [left, left + width) of
// it.
struct NarrowImage {
  int64_t top = 0, left = 0, height = 0, width = 0;
  constexpr explicit NarrowImage(const GemmRows& g) {
    const int64_t reach_h = (g.taps_h - 1) * g.step_h, reach_w = (g.taps_w - 1) * g.step_w;
    top = g.first_h + (reach_h < 0 ? reach_h : 0);
    left = g.first_w + (reach_w < 0 ? reach_w : 0);
    height = (g.out_h - 1) * g.stride_h + (reach_h < 0 ? -reach_h : reach_h) + 1;
    width = (g.out_w - 1) * g.stride_w + (reach_w < 0 ? -reach_w : reach_w) + 1;
  }
};

// Whether the kernel takes it: whole pixels, not too deep, not too large, and lines long enough to fill tiles.
constexpr bool narrow_f32_possible(const GemmRows& g) {
  const NarrowImage i(g);
  return g.pixel == g.channels && g.depth() > 0 && g.depth() <= kNarrowDepth && g.out_w >= 8 &&
         i.height * i.width * g.channels <= kNarrowImageFloats;
}
// Floats of scratch: the image, what a tile may read behind it or behind its lines, and the offsets of a window's
// values.
constexpr int64_t narrow_f32_scratch(const GemmRows& g) {
  const NarrowImage i(g);
  return i.height * (i.width + 16) * g.channels + 16 * g.stride_w * g.channels + 16 + g.depth();
}

// Lines [line_begin, line_end) of images x out_h output lines; panels as gemm_f32_pack_columns or _rows make them; bias
// of `cols` floats or null. images_inner must be off.
void narrow_f32(const GemmRows& g, int64_t line_begin, int64_t line_end, const float* panels, int64_t cols,
                const float* bias, float* scratch) noexcept;

}  // namespace bantam
