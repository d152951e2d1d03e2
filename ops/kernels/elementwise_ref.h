// What the kernels of elementwise.h compute, one element at a time, over any real type: the oracle of their tests, and
// what runs in f64 for gradient checks. Read this first.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/elementwise.h"

namespace bantam::ref {

template <class T> T binary(Binary op, T a, T b) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return a / b;
  }
  return T(0);
}
template <class T> T relu(T x) { return x > T(0) ? x : T(0); }
template <class T> T prelu(T x, T slope) { return x >= T(0) ? x : x * slope; }
template <class T> T clamp(T x, T lo, T hi) { return x < lo ? lo : x > hi ? hi : x; }
template <class T> T hard_swish(T x) {
  if (x <= T(-3)) return T(0);
  const T up = x + T(3);
  return x * ((up > T(6) ? T(6) : up) * T(1.0 / 6));  // 6 T(1.0 / 6) is 1 in f32 and in f64
}
template <class T> T sigmoid(T x) {
  const T e = std::exp(-std::fabs(x));
  return (x < T(0) ? e : T(1)) / (T(1) + e);
}
template <class T> T affine(T x, T scale, T shift) { return std::fma(x, scale, shift); }

inline bool get_bit(const uint8_t* bits, int64_t i) { return (bits[i / 8] >> (i % 8)) & 1; }

// Element i of f into bit i; pad bits 0.
template <class F> void fill_bits(uint8_t* bits, int64_t n, F f) {
  for (int64_t i = 0; i < n; i += 8) {
    unsigned byte = 0;
    for (int64_t j = 0; j < 8 && i + j < n; ++j) byte |= unsigned(bool(f(i + j))) << j;
    bits[i / 8] = uint8_t(byte);
  }
}

// out[i] = f(x[i]); out[r, c] = f(x[r, c], c).
template <class T, class F> void map(const T* x, T* out, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) out[i] = f(x[i]);
}
template <class T, class F> void map_channels(const T* x, T* out, int64_t rows, int64_t c, F f) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < c; ++k) out[r * c + k] = f(x[r * c + k], k);
}

}  // namespace bantam::ref
