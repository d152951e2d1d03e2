// What the kernels of norm.h compute, one element at a time, over any real type.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
#include "ops/kernels_train/norm.h"

namespace bantam::ref {

// The parameters of one channel.
template <class T> struct NormChannel {
  bool has_slope;
  T slope, mean, scale, shift;

  T deviation(T x) const { return (has_slope && !(x >= T(0)) ? x * slope : x) - mean; }
};
template <class T> T norm_post(NormPost post, T z) {
  switch (post) {
    case NormPost::kNone: return z;
    case NormPost::kRelu: return relu(z);
    case NormPost::kHardtanh: return clamp(z, T(-1), T(1));
    case NormPost::kHardSwish: return hard_swish(z);
  }
  return z;
}
template <class T> T norm_forward(NormPost post, const NormChannel<T>& p, T x) {
  return norm_post(post, std::fma(p.deviation(x), p.scale, p.shift));
}
template <class T> T norm_forward(NormPost post, const NormChannel<T>& p, T x, T residual) {
  return norm_post(post, std::fma(p.deviation(x), p.scale, p.shift) + residual);
}
// dy times the derivative of the activation behind.
template <class T> T norm_passed(NormPost post, const NormChannel<T>& p, T dy, T x) {
  const T z = std::fma(p.deviation(x), p.scale, p.shift);
  switch (post) {
    case NormPost::kNone: return dy;
    case NormPost::kRelu: return z > T(0) ? dy : T(0);
    case NormPost::kHardtanh: return z > T(-1) && z < T(1) ? dy : T(0);
    case NormPost::kHardSwish: return hard_swish_grad(z, dy);
  }
  return dy;
}
template <class T> T norm_grad(NormPost post, const NormChannel<T>& p, T a, T b, T d, T dy, T x) {
  return std::fma(a, norm_passed(post, p, dy, x), std::fma(b, p.deviation(x), d));
}

}  // namespace bantam::ref
