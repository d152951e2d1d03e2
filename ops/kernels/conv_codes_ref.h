// The definition of conv_codes.h: products of codes, tap by tap.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "ops/kernels/conv_codes.h"

namespace bantam::ref {

inline int32_t code_at(const ConvShape& s, const CodeInput& x, int64_t n, int64_t y, int64_t col, int64_t c) {
  if (y < 0 || y >= s.h || col < 0 || col >= s.w) return x.pad;
  const int64_t pixel = (n * s.h + y) * s.w + col;
  if (x.bytes) return x.mul * int32_t(x.bytes[pixel * s.c + c]) + x.add;
  return x.bits[pixel * int64_t(words_for(size_t(s.c))) + c / kWordBits] >> (c % kWordBits) & 1 ? 1 : -1;
}

// w [K,kh,kw,C/groups] -> out [n,out_h,out_w,K].
inline void codes_conv_i32(const ConvShape& s, const CodeInput& x, const int16_t* w, int32_t* out) {
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t oy = 0; oy < s.out_h(); ++oy)
      for (int64_t ox = 0; ox < s.out_w(); ++ox)
        for (int64_t k = 0; k < s.k; ++k) {
          const int64_t first = k / s.group_k() * s.group_c();
          int32_t sum = 0;
          for (int64_t ky = 0; ky < s.kh; ++ky)
            for (int64_t kx = 0; kx < s.kw; ++kx)
              for (int64_t c = 0; c < s.group_c(); ++c)
                sum += code_at(s, x, n, oy * s.stride_h - s.pad_h + ky * s.dilation_h,
                               ox * s.stride_w - s.pad_w + kx * s.dilation_w, first + c) *
                       w[((k * s.kh + ky) * s.kw + kx) * s.group_c() + c];
          *out++ = sum;
        }
}

}  // namespace bantam::ref
