// Bit masks of where a gradient passes: element i in byte i / 8, bit i % 8. Kernels for f32, the definitions for f64.
// For ops/quant alone.
#pragma once

#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"

namespace bantam {

// lo <= x <= hi of n elements, the first of which starts a byte.
inline void range_mask(const float* x, float lo, float hi, uint8_t* mask, int64_t n) {
  within_bits_f32(x, lo, hi, mask, n);
}
inline void range_mask(const double* x, double lo, double hi, uint8_t* mask, int64_t n) {
  ref::fill_bits(mask, n, [&](int64_t i) { return x[i] >= lo && x[i] <= hi; });
}
inline void keep_masked(const float* g, const uint8_t* mask, float* dx, int64_t n) {
  select_bits_f32(g, mask, 1, dx, n);
}
inline void keep_masked(const double* g, const uint8_t* mask, double* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = ref::get_bit(mask, i) ? g[i] : 0;
}

// g where the mask has a bit, else 0, into `out`, which may be g.
inline Tensor where_bits(const Tensor& g, const Tensor& mask, Tensor out) {
  by_float_type("quantize", out, [&]<class T>(T) {
    const T* in = g.data<T>();
    const uint8_t* bits = mask.data<uint8_t>();
    T* to = out.mutable_data<T>();
    parallel_for(out.size(), kElementGrain,
                 [&](int64_t i, int64_t e, int) { keep_masked(in + i, bits + i / 8, to + i, e - i); });
  });
  return out;
}

}  // namespace bantam
