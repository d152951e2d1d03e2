// What the kernels of reduce.h compute, over any real type: the oracle of their tests, and what runs in f64.
#pragma once

#include <cmath>
#include <cstdint>

namespace bantam::ref {

template <class T> T sum(const T* x, int64_t n) {
  T s = 0;
  for (int64_t i = 0; i < n; ++i) s += x[i];
  return s;
}
template <class T> T dot(const T* a, const T* b, int64_t n) {
  T s = 0;
  for (int64_t i = 0; i < n; ++i) s += a[i] * b[i];
  return s;
}
template <class T> void channel_sums(const T* x, int64_t rows, int64_t c, double* sums) {
  for (int64_t k = 0; k < c; ++k) sums[k] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < c; ++k) sums[k] += double(x[r * c + k]);
}
template <class T> void channel_dots(const T* a, const T* b, int64_t rows, int64_t c, double* dots) {
  for (int64_t k = 0; k < c; ++k) dots[k] = 0;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < c; ++k) dots[k] += double(a[r * c + k]) * double(b[r * c + k]);
}
template <class T>
void channel_moments(const T* x, int64_t rows, int64_t c, double* mean, double* m2, const T* slope = nullptr) {
  const auto value = [&](int64_t i) { return double(slope && !(x[i] >= T(0)) ? x[i] * slope[i % c] : x[i]); };
  for (int64_t k = 0; k < c; ++k) mean[k] = m2[k] = 0;
  for (int64_t i = 0; i < rows * c; ++i) mean[i % c] += value(i);
  for (int64_t k = 0; k < c; ++k) mean[k] = rows > 0 ? mean[k] / double(rows) : 0;
  for (int64_t i = 0; i < rows * c; ++i) m2[i % c] += (value(i) - mean[i % c]) * (value(i) - mean[i % c]);
}

template <class T> T row_max(const T* x, int64_t c) {
  T m = x[0];
  for (int64_t k = 1; k < c; ++k) m = x[k] > m ? x[k] : m;
  return m;
}
template <class T> T row_exp_sum(const T* x, int64_t c, T max) {
  T s = 0;
  for (int64_t k = 0; k < c; ++k) s += std::exp(x[k] - max);
  return s;
}
template <class T> void softmax_rows(const T* x, T* out, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, x += c, out += c) {
    const T m = row_max(x, c), s = row_exp_sum(x, c, m);
    for (int64_t k = 0; k < c; ++k) out[k] = std::exp(x[k] - m) / s;
  }
}
template <class T> void log_softmax_rows(const T* x, T* out, int64_t rows, int64_t c) {
  for (int64_t r = 0; r < rows; ++r, x += c, out += c) {
    const T m = row_max(x, c), s = std::log(row_exp_sum(x, c, m));
    for (int64_t k = 0; k < c; ++k) out[k] = (x[k] - m) - s;
  }
}

}  // namespace bantam::ref
