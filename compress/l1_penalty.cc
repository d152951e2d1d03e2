#include "compress/l1_penalty.h"

#include <cmath>

#include "core/parallel.h"

namespace bantam {

double L1Penalty::add_gradient(Parameter& p) {
  if (!p.decay) return 0;
  const auto add = [&]<class T>(T* g, const T* w) {
    return parallel_sum(p.value.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) {
        sum += std::abs(double(w[i]));
        g[i] += w[i] > 0 ? T(lambda_) : w[i] < 0 ? T(-lambda_) : T(0);
      }
      return sum;
    });
  };
  const double sum = p.value.dtype() == DType::kF64 ? add(p.grad.mutable_data<double>(), p.value.data<double>())
                                                    : add(p.grad.mutable_data<float>(), p.value.data<float>());
  return lambda_ * sum;
}

}  // namespace bantam
