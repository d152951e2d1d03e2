// Scalar definitions of the updates of optimizer.h.
#pragma once

#include <cmath>
#include <cstddef>

#include "bantam_fault.h"

namespace bantam::ref {

template <class T>
void sgd_update(T* theta, const T* g, T* v, size_t n, T lr, T momentum, bool nesterov, T weight_decay, bool first) {
  for (size_t i = 0; i < n; ++i) {
    const T d = std::fma(weight_decay, theta[i], g[i]);
    T move = d;
    if (v) {
      v[i] = first ? d : std::fma(momentum, v[i], d);
      move = nesterov ? std::fma(momentum, v[i], d) : v[i];
    }
    theta[i] = std::fma(-lr, move, theta[i]);
  }
}

template <class T>
void adam_update(T* theta, const T* g, T* s, T* r, size_t n, T b1, T b2, T step, T root, T delta, T weight_decay) {
  for (size_t i = 0; i < n; ++i) {
    const T d = std::fma(weight_decay, theta[i], g[i]);
    s[i] = std::fma(b1, s[i], (T(1) - b1) * d);
    r[i] = std::fma(b2, r[i], (T(1) - b2) * d * d);
#ifdef BANTAM_FAULT_ADAM_DELTA_INSIDE
    theta[i] -= step * s[i] / std::sqrt(r[i] * root * root + delta);
#else
    theta[i] -= step * s[i] / (std::sqrt(r[i]) * root + delta);
#endif
  }
}

}  // namespace bantam::ref
