// Tensors for tests, and whether two are the same.
#pragma once

#include <cstring>
#include <vector>

#include "core/rng.h"
#include "core/tensor.h"

namespace bantam {

// N(mean, scale^2), the same for the same seed.
inline Tensor random_tensor(const Shape& shape, uint64_t seed, DType dtype, double scale = 1.0, double mean = 0.0) {
  const Rng rng(seed, kRngTest);
  std::vector<double> v(size_t(shape.size()));
  for (size_t i = 0; i < v.size(); ++i) v[i] = mean + scale * rng.normal(i);
  return Tensor::of(shape, v, dtype);
}
inline Tensor random_f64(const Shape& shape, uint64_t seed, double scale = 1.0, double mean = 0.0) {
  return random_tensor(shape, seed, DType::kF64, scale, mean);
}
inline Tensor random_f32(const Shape& shape, uint64_t seed, double scale = 1.0, double mean = 0.0) {
  return random_tensor(shape, seed, DType::kF32, scale, mean);
}

// Byte for byte.
inline bool same_tensor(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         (a.bytes() == 0 || memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

}  // namespace bantam
