// Holds that a computation gives the same bytes for 1, 2, 3 and 5 threads.
#pragma once

#include <memory>
#include <vector>

#include "core/parallel.h"
#include "tests/ops/gradcheck.h"

namespace bantam {

// compute() -> Tensors. True if every tensor is the same, byte for byte.
template <class F> bool same_for_any_threads(F compute) {
  const int before = threads();
  set_threads(1);
  const Tensors want = compute();
  bool same = true;
  for (int n : {2, 3, 5}) {
    set_threads(n);
    const Tensors got = compute();
    same &= got.size() == want.size();
    for (size_t i = 0; same && i < got.size(); ++i)
      same &= same_tensor(got[i], want[i]);
  }
  set_threads(before);
  return same;
}

// Output and gradients of f at `inputs`, for a gradient of the output made from `seed`.
inline Tensors forward_backward(const TensorFn& f, const Tensors& inputs, uint64_t seed = 77) {
  std::vector<std::unique_ptr<Parameter>> params;
  Tensors leaves, out;
  for (const Tensor& t : inputs) {
    params.push_back(std::make_unique<Parameter>("x", t));
    leaves.push_back(params.back()->tensor());
  }
  const Tensor y = f(leaves);
  out.push_back(y.detach());
  backward({y}, {random_tensor(y.shape(), seed, y.dtype())});
  for (const auto& p : params)
    out.push_back(p->grad.defined() ? p->grad : Tensor::zeros(p->value.shape(), p->value.dtype()));
  return out;
}

// Largest |f32 - f64| over output and gradients of f, relative to the largest |value| of each tensor (at least 1e-30):
// the kernels against the definitions, op by op.
inline double f32_error(const TensorFn& f, const Tensors& inputs64) {
  Tensors inputs32, rounded;
  for (const Tensor& t : inputs64) {
    inputs32.push_back(t.to(DType::kF32));
    rounded.push_back(inputs32.back().to(DType::kF64));
  }
  const Tensors got = forward_backward(f, inputs32), want = forward_backward(f, rounded);
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const std::vector<double> g = got[i].values(), w = want[i].values();
    double size = 1e-30, error = 0;
    for (size_t j = 0; j < w.size(); ++j) {
      size = std::max(size, std::fabs(w[j]));
      const double e = std::fabs(g[j] - w[j]);
      error = std::isnan(e) ? INFINITY : std::max(error, e);
    }
    worst = std::max(worst, error / size);
  }
  return worst;
}

}  // namespace bantam
