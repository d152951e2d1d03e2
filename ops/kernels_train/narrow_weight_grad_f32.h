// Weight gradient of convolutions whose windows are narrow: few channels, so that gathering a window costs as much as
// multiplying it. dw[k,ky,kx,c] = sum_pixels dy[p,k] x[window of p, ky,kx,c] with nothing gathered: a band of output
// lines is worked with the input lines that its windows reach into, copied once with their border of zeros, or read
// where they lie if there is no border. A tile holds sums of some taps and output channels; its vectors lie along the
// channels, or, where those are too few to fill one, along a line's pixels.
//
// A tile's sum over a band is one chain (one a lane where vectors lie along pixels), added to the sum of its split: the
// order depends on the shape alone, and on the width of the target's vectors.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"
#include "ops/kernels_train/narrow_f32.h"

namespace bantam {

// How the work is cut, a function of the shape alone. A task is a split: a range of bands, with sums of its own.
struct NarrowWeightGradPlan {
  bool planar = false;     // vectors may lie along pixels
  int64_t band_lines = 0;  // output lines of one image
  int64_t bands = 0;       // in all
  int64_t tasks = 0;
  int64_t task_sums = 0;   // floats
  int64_t dy_floats = 0;   // of scratch: the band's gradients, as planes or with channels padded to 16
  int64_t scratch = 0;     // floats a lane
  constexpr int64_t sums() const { return tasks * task_sums; }
};

// Whether the kernel takes it: whole windows of few values, images that are worth a band each, and output channels that
// fill most of the vectors.
constexpr bool narrow_weight_grad_possible(const ConvShape& s) {
  const int64_t k16 = (s.k + 15) / 16 * 16;
  return s.groups == 1 && s.c % 16 != 0 && s.dilation_w == 1 && s.taps() * s.c <= kNarrowDepth && s.out_w() >= 8 &&
         s.out_h() * s.out_w() >= 32 && s.w <= kNarrowImageFloats / 16 / s.c && (s.k <= 8 || 8 * s.k >= 5 * k16);
}

constexpr NarrowWeightGradPlan narrow_weight_grad_plan(const ConvShape& s) {
  NarrowWeightGradPlan p;
  const int64_t depth = s.taps() * s.c, k16 = (s.k + 15) / 16 * 16, w16 = (s.out_w() + 15) / 16 * 16;
  p.planar = s.k <= 8 && s.stride_w == 1 && 3 * s.out_w() >= 2 * w16;
  // dy of a band stays in the first-level cache. Chains are of 256 terms at most: along pixels, a lane sees one in 16.
  int64_t lines = p.planar ? 6144 / (s.k * w16) : (s.k < 32 ? 256 : 8192 / s.k) / s.out_w();
  lines = lines < 1 ? 1 : lines > s.out_h() ? s.out_h() : lines;
  const int64_t per_image = (s.out_h() + lines - 1) / lines;
  p.band_lines = (s.out_h() + per_image - 1) / per_image;
  p.bands = s.n * ((s.out_h() + p.band_lines - 1) / p.band_lines);
  p.task_sums = p.planar ? s.k * depth * 16 : depth * k16;
  p.tasks = 1;
  while (p.tasks < 16 && 2 * p.tasks <= p.bands && 2 * p.tasks * p.task_sums <= (1 << 20)) p.tasks *= 2;
  const int64_t in_lines = (p.band_lines - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  const int64_t in_width = (s.out_w() - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1;
  p.dy_floats = p.band_lines * s.out_w() * k16;
  if (p.planar && p.dy_floats < p.band_lines * s.k * w16) p.dy_floats = p.band_lines * s.k * w16;
  p.scratch = p.dy_floats + (in_lines * (in_width + 16) * s.c + 15) / 16 * 16;
  return p;
}

// Runs tasks [task_begin, task_end), each into sums of its own.
void narrow_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, float* sums, int64_t task_begin,
                            int64_t task_end, float* scratch) noexcept;
// Adds the tasks' sums up, in order, for columns [begin, end) of dw [K][kh kw C]; overwrites them.
void narrow_weight_grad_finish(const ConvShape& s, float* sums, int64_t begin, int64_t end, float* dw) noexcept;

}  // namespace bantam
