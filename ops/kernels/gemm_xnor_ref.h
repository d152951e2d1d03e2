// The definition of gemm_xnor.h: a sum of products of +-1, tap by tap.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "ops/kernels/conv_shape.h"

namespace bantam::ref {

// x [n,h,w,words], w [K,kh,kw,words] -> out [n,out_h,out_w,K].
inline void xnor_conv(const ConvShape& s, int pad_value, const uint64_t* x, const uint64_t* w, int32_t* out) {
  const int64_t words = int64_t(words_for(size_t(s.c)));
  auto value = [](const uint64_t* bits, int64_t c) { return bits[c / kWordBits] >> (c % kWordBits) & 1 ? 1 : -1; };
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oy = 0; oy < s.out_h(); ++oy)
      for (int64_t ox = 0; ox < s.out_w(); ++ox)
        for (int64_t k = 0; k < s.k; ++k) {
          int32_t sum = 0;
          for (int64_t ky = 0; ky < s.kh; ++ky)
            for (int64_t kx = 0; kx < s.kw; ++kx) {
              const int64_t iy = oy * s.stride_h - s.pad_h + ky * s.dilation_h;
              const int64_t ix = ox * s.stride_w - s.pad_w + kx * s.dilation_w;
              const bool inside = iy >= 0 && iy < s.h && ix >= 0 && ix < s.w;
              const uint64_t* a = inside ? x + ((n * s.h + iy) * s.w + ix) * words : nullptr;
              const uint64_t* b = w + ((k * s.kh + ky) * s.kw + kx) * words;
              for (int64_t c = 0; c < s.c; ++c) sum += (inside ? value(a, c) : pad_value) * value(b, c);
            }
          *out++ = sum;
        }
}

}  // namespace bantam::ref
