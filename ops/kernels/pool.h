// Pooling over windows of an image, per channel: x [N,H,W,C] -> y [N,OH,OW,C]. The sizes come as a ConvShape with k =
// c, dilation 1, pads at most half a window (so that no window lies outside the image); groups are not looked at.
//   max     the largest value of the window inside the image; the first in raster order among equals
//   average the sum of the window's values inside the image, a chain of additions in raster order, divided by kh * kw:
//           padding counts as zeros (PyTorch's count_include_pad)
//   global average: the same over the whole image, divided by H * W
//   adaptive average: to a size that is given, [N,OH,OW,C], whatever the image's; output (i, j) is the mean, a chain of
//           additions in raster order and one division, over rows [floor(i H / OH), ceil((i + 1) H / OH)), columns
//           likewise: windows that overlap where OH does not divide H, and repeat pixels where OH > H (PyTorch's
//           adaptive_avg_pool2d)
// Kernels run on one thread over a range of output pixels (raster order over the batch). Definition: pool_ref.h.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_shape.h"

namespace bantam {

// The sizes of an adaptive average.
struct AdaptivePool {
  int64_t n, h, w, c, oh, ow;
};

// Where the largest value of a window lies, ky * kw + kx, in 2, 4 or 8 bits for windows of at most 4, 16 or 256 pixels:
// as that many planes of bits one after the other. Bit i of plane p is bit p of the position of output i (raster order,
// channels inner); a plane starts on a byte of its own.
constexpr int max_pool_planes(const ConvShape& s) { return s.kh * s.kw <= 4 ? 2 : s.kh * s.kw <= 16 ? 4 : 8; }
constexpr int64_t max_pool_plane_bytes(const ConvShape& s) { return (s.n * s.out_h() * s.out_w() * s.c + 7) / 8; }

void max_pool_f32(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept;
void avg_pool_f32(const ConvShape& s, const float* x, float* y, int64_t row_begin, int64_t row_end) noexcept;
// y [N,C] for images [n_begin, n_end) of `pixels` pixels.
void global_avg_pool_f32(const float* x, int64_t pixels, int64_t c, float* y, int64_t n_begin, int64_t n_end) noexcept;
void adaptive_avg_pool_f32(const AdaptivePool& s, const float* x, float* y, int64_t row_begin,
                           int64_t row_end) noexcept;

}  // namespace bantam
