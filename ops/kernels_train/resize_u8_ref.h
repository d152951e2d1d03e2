// The definition of resize_u8.h.
#pragma once

#include "ops/kernels_train/resize_u8.h"

namespace bantam::ref {

inline uint8_t resize_round(int32_t sum) {
  const int32_t v = (sum + (1 << (kResizeWeightBits - 1))) >> kResizeWeightBits;
  return uint8_t(v < 0 ? 0 : v > 255 ? 255 : v);
}

// Output i of one line of values `step` bytes apart.
inline uint8_t resize_value(const uint8_t* in, int64_t step, const ResizeTaps& taps, int64_t i) {
  int32_t sum = 0;
  for (int64_t j = 0; j < taps.count[i]; ++j) sum += taps.weights[i * taps.most + j] * in[(taps.first[i] + j) * step];
  return resize_round(sum);
}

inline void resize_rows_u8(const uint8_t* in, int64_t stride, int64_t rows, int64_t c, const ResizeTaps& taps,
                           uint8_t* out) {
  for (int64_t r = 0; r < rows; ++r, in += stride)
    for (int64_t i = 0; i < taps.n; ++i)
      for (int64_t k = 0; k < c; ++k) *out++ = resize_value(in + k, c, taps, i);
}

inline void resize_columns_u8(const uint8_t* in, int64_t stride, int64_t row_bytes, const ResizeTaps& taps,
                              uint8_t* out) {
  for (int64_t i = 0; i < taps.n; ++i)
    for (int64_t x = 0; x < row_bytes; ++x) *out++ = resize_value(in + x, stride, taps, i);
}

}  // namespace bantam::ref
