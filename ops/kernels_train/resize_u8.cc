#include "ops/kernels_train/resize_u8.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/resize_u8.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <string.h>

#include "ops/kernels_train/resize_u8_ref.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void rows_impl(const uint8_t* in, int64_t stride, int64_t rows, int64_t c, const ResizeTaps& taps, uint8_t* out) {
  ref::resize_rows_u8(in, stride, rows, c, taps, out);
}

void columns_impl(const uint8_t* in, int64_t stride, int64_t row_bytes, const ResizeTaps& taps, uint8_t* out) {
  ref::resize_columns_u8(in, stride, row_bytes, taps, out);
}

#else

using D32 = hn::ScalableTag<int32_t>;
using V32 = hn::Vec<D32>;
constexpr int64_t kLanes = hn::MaxLanes(D32());
constexpr int32_t kHalf = 1 << (kResizeWeightBits - 1);

// Of a pixel of three bytes: its four lanes hold the next one's first byte too, which is nobody's.
using Pixel32 = hn::FixedTag<int32_t, 4>;
using Pixel8 = hn::FixedTag<uint8_t, 4>;
using PixelV = hn::Vec<Pixel32>;

HWY_INLINE PixelV load_pixel(const uint8_t* p) { return hn::PromoteTo(Pixel32(), hn::LoadU(Pixel8(), p)); }

HWY_INLINE hn::Vec<Pixel8> rounded(PixelV sum) {
  return hn::DemoteTo(Pixel8(), hn::ShiftRight<kResizeWeightBits>(sum));
}

// Outputs [0, taps.n) of kRows rows of color at once, which share the weights. Every tap is followed by a byte that may
// be read; so is no output but the last of a row by one that may be written.
template <int kRows>
HWY_INLINE void color_rows(const uint8_t* in, int64_t stride, const ResizeTaps& taps, uint8_t* out) {
  const Pixel32 d;
  const int64_t out_stride = 3 * taps.n;
  for (int64_t i = 0; i < taps.n; ++i) {
    const uint8_t* from = in + 3 * taps.first[i];
    const int32_t* w = taps.weights + i * taps.most;
    PixelV sum0 = hn::Set(d, kHalf), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    for (int64_t j = 0; j < taps.count[i]; ++j, from += 3) {
      const PixelV weight = hn::Set(d, w[j]);
      sum0 = hn::Add(sum0, hn::Mul(load_pixel(from), weight));
      if (kRows > 1) {
        sum1 = hn::Add(sum1, hn::Mul(load_pixel(from + stride), weight));
        sum2 = hn::Add(sum2, hn::Mul(load_pixel(from + 2 * stride), weight));
        sum3 = hn::Add(sum3, hn::Mul(load_pixel(from + 3 * stride), weight));
      }
    }
    uint8_t* to = out + 3 * i;
    const auto store = [&](PixelV sum, int64_t row) HWY_ATTR {
      uint8_t pixel[4];
      hn::StoreU(rounded(sum), Pixel8(), pixel);
      if (i + 1 < taps.n)
        memcpy(to + row * out_stride, pixel, 4);
      else
        memcpy(to + row * out_stride, pixel, 3);
    };
    store(sum0, 0);
    if (kRows > 1) {
      store(sum1, 1);
      store(sum2, 2);
      store(sum3, 3);
    }
  }
}

void rows_impl(const uint8_t* in, int64_t stride, int64_t rows, int64_t c, const ResizeTaps& taps, uint8_t* out) {
  int64_t r = 0;
  if (c == 3) {
    const int64_t all = rows - 1;  // of the last row the last pixel is followed by nothing
    for (; r + 4 <= all; r += 4) color_rows<4>(in + r * stride, stride, taps, out + r * 3 * taps.n);
    for (; r < all; ++r) color_rows<1>(in + r * stride, stride, taps, out + r * 3 * taps.n);
  }
  ref::resize_rows_u8(in + r * stride, stride, rows - r, c, taps, out + r * c * taps.n);
}

// kVectors vectors of kLanes bytes of one output row.
template <int kVectors>
HWY_INLINE void column_block(const uint8_t* from, int64_t stride, int64_t count, const int32_t* w, uint8_t* to) {
  const D32 d;
  const hn::Rebind<uint8_t, D32> d8;
  V32 sum0 = hn::Set(d, kHalf), sum1 = sum0, sum2 = sum0, sum3 = sum0;
  for (int64_t j = 0; j < count; ++j, from += stride) {
    const V32 weight = hn::Set(d, w[j]);
    sum0 = hn::Add(sum0, hn::Mul(hn::PromoteTo(d, hn::LoadU(d8, from)), weight));
    if (kVectors > 1) {
      sum1 = hn::Add(sum1, hn::Mul(hn::PromoteTo(d, hn::LoadU(d8, from + kLanes)), weight));
      sum2 = hn::Add(sum2, hn::Mul(hn::PromoteTo(d, hn::LoadU(d8, from + 2 * kLanes)), weight));
      sum3 = hn::Add(sum3, hn::Mul(hn::PromoteTo(d, hn::LoadU(d8, from + 3 * kLanes)), weight));
    }
  }
  const auto store = [&](V32 sum, int64_t v) HWY_ATTR {
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<kResizeWeightBits>(sum)), d8, to + v * kLanes);
  };
  store(sum0, 0);
  if (kVectors > 1) {
    store(sum1, 1);
    store(sum2, 2);
    store(sum3, 3);
  }
}

void columns_impl(const uint8_t* in, int64_t stride, int64_t row_bytes, const ResizeTaps& taps, uint8_t* out) {
  for (int64_t i = 0; i < taps.n; ++i, out += row_bytes) {
    const uint8_t* from = in + taps.first[i] * stride;
    const int32_t* w = taps.weights + i * taps.most;
    int64_t x = 0;
    for (; x + 4 * kLanes <= row_bytes; x += 4 * kLanes) column_block<4>(from + x, stride, taps.count[i], w, out + x);
    for (; x + kLanes <= row_bytes; x += kLanes) column_block<1>(from + x, stride, taps.count[i], w, out + x);
    for (; x < row_bytes; ++x) out[x] = ref::resize_value(in + x, stride, taps, i);
  }
}

#endif

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(rows_impl);
HWY_EXPORT(columns_impl);

void resize_rows_u8(const uint8_t* in, int64_t stride, int64_t rows, int64_t c, const ResizeTaps& taps,
                    uint8_t* out) noexcept {
  if (rows > 0) HWY_DYNAMIC_DISPATCH(rows_impl)(in, stride, rows, c, taps, out);
}
void resize_columns_u8(const uint8_t* in, int64_t stride, int64_t row_bytes, const ResizeTaps& taps,
                       uint8_t* out) noexcept {
  HWY_DYNAMIC_DISPATCH(columns_impl)(in, stride, row_bytes, taps, out);
}

}  // namespace bantam
#endif  // HWY_ONCE
