// An image with its border of zeros, for the kernels of narrow windows; included once a target.
#if defined(BANTAM_NARROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_NARROW_INL_H_
#undef BANTAM_NARROW_INL_H_
#else
#define BANTAM_NARROW_INL_H_
#endif

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/narrow_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

HWY_INLINE HWY_ATTR void pad_image(const GemmRows& g, const NarrowImage& extent, int64_t n, float* HWY_RESTRICT image) {
  const int64_t line = extent.width * g.channels;
  // Columns [lo, hi) of the copy lie inside.
  const int64_t lo = extent.left < 0 ? -extent.left : 0;
  const int64_t hi = g.w - extent.left < extent.width ? g.w - extent.left : extent.width;
  for (int64_t y = 0; y < extent.height; ++y, image += line) {
    const int64_t from = extent.top + y;
    if (uint64_t(from) >= uint64_t(g.h) || hi <= lo) {
      memset(image, 0, size_t(line) * sizeof(float));
      continue;
    }
    const float* src = g.src + ((n * g.h + from) * g.w + extent.left + lo) * g.channels;
    memset(image, 0, size_t(lo * g.channels) * sizeof(float));
    memcpy(image + lo * g.channels, src, size_t((hi - lo) * g.channels) * sizeof(float));
    memset(image + hi * g.channels, 0, size_t((extent.width - hi) * g.channels) * sizeof(float));
  }
}

// [channel][line][width + 16] of the image with its border.
HWY_INLINE HWY_ATTR void pad_planes(const GemmRows& g, const NarrowImage& extent, int64_t n,
                                    float* HWY_RESTRICT planes) {
  const int64_t pitch = extent.width + 16, plane = extent.height * pitch;
  memset(planes, 0, size_t(plane * g.channels) * sizeof(float));
  const int64_t lo = extent.left < 0 ? -extent.left : 0;
  const int64_t hi = g.w - extent.left < extent.width ? g.w - extent.left : extent.width;
  if (hi <= lo) return;
  for (int64_t y = 0; y < extent.height; ++y) {
    const int64_t from = extent.top + y;
    if (uint64_t(from) >= uint64_t(g.h)) continue;
    const float* src = g.src + ((n * g.h + from) * g.w + extent.left + lo) * g.channels;
    float* out = planes + y * pitch + lo;
    if (g.channels == 1) {
      memcpy(out, src, size_t(hi - lo) * sizeof(float));
      continue;
    }
    for (int64_t x = 0; x < hi - lo; ++x)
      for (int64_t c = 0; c < g.channels; ++c) out[c * plane + x] = src[x * g.channels + c];
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
