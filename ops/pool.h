// Pooling, per channel.
//   max_pool           x [N,H,W,C] -> y [N,OH,OW,C], the largest of each window inside the image; dx: dy goes to
//                      the first of the largest (raster order). Saves the position in the window: 2 bits an output of
//                      windows of at most 4 pixels, 4 bits up to 16, 8 bits up to 256
//   avg_pool           the sum of the window's values divided by kh kw, padding as zeros; dx: dy / (kh kw) to each.
//                      Saves nothing
//   global_avg_pool    x [N,H,W,C] -> y [N,C], the mean over pixels; dx = dy / (H W). Saves nothing
//   adaptive_avg_pool  x [N,H,W,C] -> y [N,OH,OW,C] of the size that is asked for: the mean over rows [floor(i H / OH),
//                      ceil((i + 1) H / OH)) and columns likewise; dx: dy / (pixels of the window) to each. Saves
//                      nothing; x itself where it has that size already
#pragma once

#include "core/autograd.h"

namespace bantam {

struct PoolParams {
  int64_t kernel_h = 2, kernel_w = 2;
  int64_t stride_h = 2, stride_w = 2;
  int64_t pad_h = 0, pad_w = 0;  // at most half the kernel
};

Tensor max_pool(const Tensor& x, const PoolParams& params = {});
Tensor avg_pool(const Tensor& x, const PoolParams& params = {});
Tensor global_avg_pool(const Tensor& x);
Tensor adaptive_avg_pool(const Tensor& x, int64_t out_h, int64_t out_w);

}  // namespace bantam
