#include "ops/quant/tanh_quant.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/kernels/elementwise.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

void tanh_of(const float* x, float* t, int64_t n) { tanh_f32(x, t, n); }
void tanh_of(const double* x, double* t, int64_t n) {
  for (int64_t i = 0; i < n; ++i) t[i] = std::tanh(x[i]);
}

Tensor tanh_values(const Tensor& w) {
  Tensor t = Tensor::empty(w.shape(), w.dtype());
  by_float_type("quantize_weight", w, [&]<class T>(T) {
    const T* in = w.data<T>();
    T* out = t.mutable_data<T>();
    parallel_for(w.size(), kElementGrain, [&](int64_t b, int64_t e, int) { tanh_of(in + b, out + b, e - b); });
  });
  return t;
}

Tensor gradient(const Tensor& g, const Tensor& w, const Tensor& most) {
  const Tensor t = tanh_values(w);
  Tensor dw = Tensor::empty(g.shape(), g.dtype());
  by_float_type("quantize_weight", dw, [&]<class T>(T) {
    const T *in = g.data<T>(), *th = t.data<T>();
    T* out = dw.mutable_data<T>();
    const double along = parallel_sum(dw.size(), kElementGrain, [&](int64_t i, int64_t e) {
      double sum = 0;
      const T m = *most.data<T>();
      for (; i < e; ++i) {
        sum += double(in[i]) * double(th[i]);
        out[i] = in[i] * (T(1) - th[i] * th[i]) / m;
      }
      return sum;
    });
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      const T m = *most.data<T>();
      for (int64_t i = 0; i < dw.size(); ++i)
        if (std::abs(th[i]) == m) {
          out[i] -= sign_value(th[i]) * (T(1) - th[i] * th[i]) * T(along) / (m * m);
          break;
        }
    });
  });
  return dw;
}

}  // namespace

Quantized tanh_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const int n = (1 << spec.bits) - 1;
  const Tensor t = tanh_values(w);
  const WeightGroups whole(w.shape(), Granularity::kLayer);
  const Tensor most = magnitude_scale(t, whole, ScaleRule::kMax);  // 1 where all are 0
  Quantized q;
  q.codes = codes_of_weights(t, grid_of(spec, Operand::kWeight), whole, most,
                             [n]<class T>(T v, T m) { return ref::round_to_code(v / (m + m) + T(0.5), T(n), 0, n); });
  q.scale = Tensor::empty({1}, w.dtype());
  by_float_type("quantize_weight", w, [&]<class T>(T) {
    parallel_for(1, 1, [&](int64_t, int64_t, int) { *q.scale.mutable_data<T>() = T(1) / T(n); });
  });
  q.value = record("tanh_weight", value_of(q, w, materialize_value), {w}, {{"input", w}, {"max", most}},
                   [](const BackwardArgs& b) -> Tensors { return {gradient(b.grad, b[0], b[1])}; });
  return q;
}

}  // namespace bantam
