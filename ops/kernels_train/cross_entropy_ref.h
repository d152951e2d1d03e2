// What the kernels of cross_entropy.h compute, over any real type.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/kernels/reduce_ref.h"

namespace bantam::ref {

template <class T> struct LogSum {
  T max, log_sum;
};
template <class T> LogSum<T> log_sum(const T* x, int64_t c) {
  const T max = row_max(x, c);
  return {max, std::log(row_exp_sum(x, c, max))};
}
template <class T> void cross_entropy_grad(const T* x, int64_t c, int64_t label, T hit, T rest, T factor, T* dx) {
  const T max = row_max(x, c), sum = row_exp_sum(x, c, max);
  for (int64_t k = 0; k < c; ++k) dx[k] = (std::exp(x[k] - max) / sum - (k == label ? hit : T(0)) - rest) * factor;
}

}  // namespace bantam::ref
