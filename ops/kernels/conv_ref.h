// The scalar definition of convolution and its gradients, for any stride, padding, dilation and groups: oracle of the
// SIMD kernels, and what f64 tensors run.
//
// In f32 the forward is the canonical chain: acc = fma(x, w, acc) from +0 over (ky, kx, c), zeros outside the image,
// then + bias. In f64, which promises no bits, it is multiply and add: f64 checks whole nets, and there is no fused
// instruction in the baseline of x86-64.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/conv_shape.h"

namespace bantam::ref {

inline float chain(float x, float w, float acc) { return std::fma(x, w, acc); }
inline double chain(double x, double w, double acc) { return acc + x * w; }

// The range of kernel positions t with 0 <= first + t * step < size, for t in [0, taps).
struct TapRange {
  int64_t begin, end;
};
inline TapRange taps_inside(int64_t first, int64_t step, int64_t taps, int64_t size) {
  TapRange r{0, taps};
  while (r.begin < taps && first + r.begin * step < 0) ++r.begin;
  while (r.end > r.begin && first + (r.end - 1) * step >= size) --r.end;
  return r;
}

// y[row] for output pixels [row_begin, row_end) in raster order. bias may be null.
template <class T>
void conv_forward(const ConvShape& s, const T* x, const T* w, const T* bias, T* y, int64_t row_begin, int64_t row_end) {
  const int64_t cg = s.group_c(), kg = s.group_k(), oh = s.out_h(), ow = s.out_w();
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (oh * ow), y0 = row / ow % oh * s.stride_h - s.pad_h, x0 = row % ow * s.stride_w - s.pad_w;
    const TapRange ky_in = taps_inside(y0, s.dilation_h, s.kh, s.h), kx_in = taps_inside(x0, s.dilation_w, s.kw, s.w);
    // Four output channels at a time: their chains are independent and hide each other's latency.
    for (int64_t k = 0; k < s.k; k += kg - k % kg < 4 ? kg - k % kg : 4) {
      const int64_t group = k / kg, lanes = kg - k % kg < 4 ? kg - k % kg : 4;
      T acc[4] = {};
      const T* wk[4];
      for (int64_t i = 0; i < 4; ++i) wk[i] = w + (k + (i < lanes ? i : 0)) * s.taps() * cg;
      for (int64_t ky = 0; ky < s.kh; ++ky)
        for (int64_t kx = 0; kx < s.kw; ++kx) {
          const bool inside = ky >= ky_in.begin && ky < ky_in.end && kx >= kx_in.begin && kx < kx_in.end;
          const int64_t at = (ky * s.kw + kx) * cg;
          const T* xp = x;
          if (inside)
            xp += ((n * s.h + y0 + ky * s.dilation_h) * s.w + x0 + kx * s.dilation_w) * s.c + group * cg;
          for (int64_t c = 0; c < cg; ++c) {
            const T v = inside ? xp[c] : T(0);
            for (int64_t i = 0; i < 4; ++i) acc[i] = chain(v, wk[i][at + c], acc[i]);
          }
        }
      for (int64_t i = 0; i < lanes; ++i) y[row * s.k + k + i] = bias ? acc[i] + bias[k + i] : acc[i];
    }
  }
}

// dx = sum over outputs that read it of dy w, for images [n_begin, n_end).
template <class T>
void conv_input_grad(const ConvShape& s, const T* dy, const T* w, T* dx, int64_t n_begin, int64_t n_end) {
  const int64_t cg = s.group_c(), kg = s.group_k(), oh = s.out_h(), ow = s.out_w();
  for (int64_t i = n_begin * s.h * s.w * s.c; i < n_end * s.h * s.w * s.c; ++i) dx[i] = T(0);
  for (int64_t row = n_begin * oh * ow; row < n_end * oh * ow; ++row) {
    const int64_t n = row / (oh * ow), y0 = row / ow % oh * s.stride_h - s.pad_h, x0 = row % ow * s.stride_w - s.pad_w;
    const TapRange kys = taps_inside(y0, s.dilation_h, s.kh, s.h), kxs = taps_inside(x0, s.dilation_w, s.kw, s.w);
    for (int64_t ky = kys.begin; ky < kys.end; ++ky)
      for (int64_t kx = kxs.begin; kx < kxs.end; ++kx) {
        T* dxp = dx + ((n * s.h + y0 + ky * s.dilation_h) * s.w + x0 + kx * s.dilation_w) * s.c;
        for (int64_t k = 0; k < s.k; ++k) {
          const T g = dy[row * s.k + k];
          const T* wp = w + (k * s.taps() + ky * s.kw + kx) * cg;
          T* out = dxp + k / kg * cg;
          for (int64_t c = 0; c < cg; ++c) out[c] = chain(g, wp[c], out[c]);
        }
      }
  }
}

// dw[k] = sum over all output pixels of dy[.., k] x, for output channels [k_begin, k_end).
template <class T>
void conv_weight_grad(const ConvShape& s, const T* x, const T* dy, T* dw, int64_t k_begin, int64_t k_end) {
  const int64_t cg = s.group_c(), kg = s.group_k(), oh = s.out_h(), ow = s.out_w();
  for (int64_t i = k_begin * s.taps() * cg; i < k_end * s.taps() * cg; ++i) dw[i] = T(0);
  for (int64_t row = 0; row < s.n * oh * ow; ++row) {
    const int64_t n = row / (oh * ow), y0 = row / ow % oh * s.stride_h - s.pad_h, x0 = row % ow * s.stride_w - s.pad_w;
    const TapRange kys = taps_inside(y0, s.dilation_h, s.kh, s.h), kxs = taps_inside(x0, s.dilation_w, s.kw, s.w);
    for (int64_t k = k_begin; k < k_end; ++k) {
      const T g = dy[row * s.k + k];
      for (int64_t ky = kys.begin; ky < kys.end; ++ky)
        for (int64_t kx = kxs.begin; kx < kxs.end; ++kx) {
          const T* xp = x + ((n * s.h + y0 + ky * s.dilation_h) * s.w + x0 + kx * s.dilation_w) * s.c + k / kg * cg;
          T* out = dw + (k * s.taps() + ky * s.kw + kx) * cg;
          for (int64_t c = 0; c < cg; ++c) out[c] = chain(g, xp[c], out[c]);
        }
    }
  }
}

}  // namespace bantam::ref
