// What the kernels of elementwise_grad.h compute, over any real type.
#pragma once

#include <cmath>
#include <cstdint>

namespace bantam::ref {

template <class T> T relu_grad(T out, T dy) { return out > T(0) ? dy : T(0); }
template <class T> T tanh_grad(T out, T dy) { return dy * (T(1) - out * out); }
template <class T> T sigmoid_grad(T out, T dy) { return dy * (out * (T(1) - out)); }
template <class T> T hard_swish_grad(T x, T dy) {
  return x <= T(-3) ? T(0) : x >= T(3) ? dy : dy * ((x + x + T(3)) * T(1.0 / 6));
}
// At 0 the slope counts, as in PyTorch: sums of signs are often exactly 0.
template <class T> T prelu_grad(T x, T dy, T slope) { return x > T(0) ? dy : dy * slope; }
template <class T> T prelu_slope_term(T x, T dy) { return x >= T(0) ? T(0) : dy * x; }

template <class T> void prelu_slope_sums(const T* x, const T* dy, int64_t rows, int64_t c, double* sums) {
  for (int64_t k = 0; k < c; ++k) sums[k] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < c; ++k) sums[k] += double(prelu_slope_term(x[r * c + k], dy[r * c + k]));
}

template <class T> void softmax_grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c) {
    T s = 0;
    for (int64_t k = 0; k < c; ++k) s += dy[k] * y[k];
    for (int64_t k = 0; k < c; ++k) dx[k] = y[k] * (dy[k] - s);
  }
}
template <class T> void log_softmax_grad_rows(const T* y, const T* dy, T* dx, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, y += c, dy += c, dx += c) {
    T s = 0;
    for (int64_t k = 0; k < c; ++k) s += dy[k];
    for (int64_t k = 0; k < c; ++k) dx[k] = dy[k] - std::exp(y[k]) * s;
  }
}

}  // namespace bantam::ref
