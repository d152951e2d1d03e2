// The scalar definition of pooling and its gradients: oracle of the SIMD kernels, and what f64 tensors run.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/pool.h"

namespace bantam::ref {

// The window of output pixel `row`: positions [ky0, ky1) x [kx0, kx1) of it lie inside image n, whose corner is (y0,
// x0).
struct PoolWindow {
  int64_t n, y0, x0, ky0, ky1, kx0, kx1;
  PoolWindow(const ConvShape& s, int64_t row) {
    const int64_t ow = s.out_w(), oh = s.out_h();
    *this = PoolWindow(s, row / (oh * ow), row / ow % oh, row % ow);
  }
  PoolWindow(const ConvShape& s, int64_t image, int64_t oy, int64_t ox) {
    n = image;
    y0 = oy * s.stride_h - s.pad_h;
    x0 = ox * s.stride_w - s.pad_w;
    ky0 = y0 < 0 ? -y0 : 0;
    kx0 = x0 < 0 ? -x0 : 0;
    ky1 = s.h - y0 < s.kh ? s.h - y0 : s.kh;
    kx1 = s.w - x0 < s.kw ? s.w - x0 : s.kw;
  }
};

inline int64_t max_position(const ConvShape& s, const uint8_t* positions, int64_t output) {
  int64_t at = 0;
  for (int p = 0; p < max_pool_planes(s); ++p)
    at |= int64_t(positions[p * max_pool_plane_bytes(s) + output / 8] >> (output % 8) & 1) << p;
  return at;
}
inline void set_max_position(const ConvShape& s, uint8_t* positions, int64_t output, int64_t at) {
  for (int p = 0; p < max_pool_planes(s); ++p) {
    uint8_t& byte = positions[p * max_pool_plane_bytes(s) + output / 8];
    byte = uint8_t((byte & ~(1 << (output % 8))) | (int(at >> p & 1) << (output % 8)));
  }
}

template <class T>
void max_pool(const ConvShape& s, const T* x, T* y, uint8_t* positions, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const PoolWindow w(s, row);
    for (int64_t c = 0; c < s.c; ++c) {
      T best{};
      int64_t where = -1;
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx) {
          const T v = x[((w.n * s.h + w.y0 + ky) * s.w + w.x0 + kx) * s.c + c];
          if (where >= 0 && !(v > best)) continue;
          best = v;
          where = ky * s.kw + kx;
        }
      y[row * s.c + c] = best;
      if (positions) set_max_position(s, positions, row * s.c + c, where);
    }
  }
}

template <class T>
void avg_pool(const ConvShape& s, const T* x, T* y, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const PoolWindow w(s, row);
    for (int64_t c = 0; c < s.c; ++c) {
      T sum = 0;
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx) sum += x[((w.n * s.h + w.y0 + ky) * s.w + w.x0 + kx) * s.c + c];
      y[row * s.c + c] = sum / T(s.kh * s.kw);
    }
  }
}

template <class T>
void global_avg_pool(const T* x, int64_t pixels, int64_t c, T* y, int64_t n_begin, int64_t n_end) {
  for (int64_t n = n_begin; n < n_end; ++n)
    for (int64_t j = 0; j < c; ++j) {
      T sum = 0;
      for (int64_t p = 0; p < pixels; ++p) sum += x[(n * pixels + p) * c + j];
      y[n * c + j] = sum / T(pixels);
    }
}

// Along one axis of an adaptive average: the pixels [begin, end) whose mean output o is. With the sizes exchanged, the
// outputs that input pixel o takes part in: floor(o H / OH) <= p < ceil((o + 1) H / OH) is symmetric.
struct AdaptiveRange {
  int64_t begin, end;
  AdaptiveRange(int64_t o, int64_t pixels, int64_t outputs)
      : begin(o * pixels / outputs), end(((o + 1) * pixels + outputs - 1) / outputs) {}
  int64_t size() const { return end - begin; }
};

template <class T>
void adaptive_avg_pool(const AdaptivePool& s, const T* x, T* y, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (s.oh * s.ow);
    const AdaptiveRange ys(row / s.ow % s.oh, s.h, s.oh), xs(row % s.ow, s.w, s.ow);
    for (int64_t c = 0; c < s.c; ++c) {
      T sum = 0;
      for (int64_t iy = ys.begin; iy < ys.end; ++iy)
        for (int64_t ix = xs.begin; ix < xs.end; ++ix) sum += x[((n * s.h + iy) * s.w + ix) * s.c + c];
      y[row * s.c + c] = sum / T(ys.size() * xs.size());
    }
  }
}

// Gradients, for input pixels [row_begin, row_end): each sums over the windows that hold it, in raster order.
template <class T, class Weight>
void pool_grad(const ConvShape& s, const T* dy, T* dx, int64_t row_begin, int64_t row_end, const Weight& weight) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (s.h * s.w), y = row / s.w % s.h, x = row % s.w;
    for (int64_t c = 0; c < s.c; ++c) {
      T sum = 0;
      for (int64_t oy = 0; oy < s.out_h(); ++oy)
        for (int64_t ox = 0; ox < s.out_w(); ++ox) {
          const int64_t ky = y - (oy * s.stride_h - s.pad_h), kx = x - (ox * s.stride_w - s.pad_w);
          if (ky < 0 || ky >= s.kh || kx < 0 || kx >= s.kw) continue;
          const int64_t out = ((n * s.out_h() + oy) * s.out_w() + ox) * s.c + c;
          sum += weight(out, ky * s.kw + kx) ? dy[out] : T(0);
        }
      dx[row * s.c + c] = sum;
    }
  }
}
template <class T>
void max_pool_grad(const ConvShape& s, const T* dy, const uint8_t* positions, T* dx, int64_t row_begin,
                   int64_t row_end) {
  pool_grad(s, dy, dx, row_begin, row_end,
            [&](int64_t out, int64_t at) { return max_position(s, positions, out) == at; });
}
template <class T>
void avg_pool_grad(const ConvShape& s, const T* dy, T* dx, int64_t row_begin, int64_t row_end) {
  pool_grad(s, dy, dx, row_begin, row_end, [](int64_t, int64_t) { return true; });
  for (int64_t i = row_begin * s.c; i < row_end * s.c; ++i) dx[i] /= T(s.kh * s.kw);
}
template <class T>
void global_avg_pool_grad(const T* dy, int64_t pixels, int64_t c, T* dx, int64_t n_begin, int64_t n_end) {
  for (int64_t n = n_begin; n < n_end; ++n)
    for (int64_t i = 0; i < pixels * c; ++i) dx[n * pixels * c + i] = dy[n * c + i % c] / T(pixels);
}

template <class T>
void adaptive_avg_pool_grad(const AdaptivePool& s, const T* dy, T* dx, int64_t row_begin, int64_t row_end) {
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t n = row / (s.h * s.w);
    const AdaptiveRange ys(row / s.w % s.h, s.oh, s.h), xs(row % s.w, s.ow, s.w);
    for (int64_t c = 0; c < s.c; ++c) {
      T sum = 0;
      for (int64_t oy = ys.begin; oy < ys.end; ++oy)
        for (int64_t ox = xs.begin; ox < xs.end; ++ox)
          sum += dy[((n * s.oh + oy) * s.ow + ox) * s.c + c] /
                 T(AdaptiveRange(oy, s.h, s.oh).size() * AdaptiveRange(ox, s.w, s.ow).size());
      dx[row * s.c + c] = sum;
    }
  }
}

}  // namespace bantam::ref
