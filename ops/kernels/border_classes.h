// Which taps of a window lie inside the image, and how output pixels fall into classes by that: what the padding adds
// to a sum of bits is a constant of the class.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"
#include "ops/kernels/conv_shape.h"

namespace bantam {

// Taps [begin, end) of one dimension that lie inside the image.
struct Taps {
  int64_t begin, end;
  bool operator==(const Taps& o) const { return begin == o.begin && end == o.end; }
};

struct Axis {
  int64_t in, out, kernel, stride, pad, dilation;

  Taps taps(int64_t o) const {
    const int64_t first = o * stride - pad;  // of tap 0
    if (first >= 0 && first + (kernel - 1) * dilation < in) return {0, kernel};
    const int64_t begin = first >= 0 ? 0 : ceil_div(-first, dilation);
    const int64_t end = first >= in ? 0 : ceil_div(in - first, dilation);
    const Taps t{begin, end < kernel ? end : kernel};
    return t.begin < t.end ? t : Taps{0, 0};
  }
  // Both ends of taps(o) fall as o grows, so that equal ones stand together: classes are counted as changes.
  int64_t classes() const {
    int64_t n = 1;
    for (int64_t o = 1; o < out; ++o) n += !(taps(o) == taps(o - 1));
    return n;
  }
};

inline Axis rows_of(const ConvShape& s) { return {s.h, s.out_h(), s.kh, s.stride_h, s.pad_h, s.dilation_h}; }
inline Axis columns_of(const ConvShape& s) { return {s.w, s.out_w(), s.kw, s.stride_w, s.pad_w, s.dilation_w}; }

}  // namespace bantam
