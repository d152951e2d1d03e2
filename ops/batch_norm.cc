#include "ops/batch_norm.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/norm_act.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

void check(const Tensor& x, std::initializer_list<const Tensor*> vectors) {
  if (x.rank() < 1 || x.size() == 0) throw Error("batch_norm: input is empty " + to_string(x.shape()));
  for (const Tensor* v : vectors) {
    if (!(v->shape() == Shape{x.shape()[-1]}))
      throw Error("batch_norm: " + to_string(v->shape()) + " for input " + to_string(x.shape()));
    check_same_type("batch_norm", x, *v);
  }
}

Tensors eval_backward(const BackwardArgs& b) {
  const Tensor& scale = b[0];
  const int64_t c = scale.size(), rows = b.grad.size() / c;
  Tensors grads(3);
  if (b.needs[0]) grads[0] = Tensor::empty(b.grad.shape(), b.grad.dtype());
  if (b.needs[1]) grads[1] = Tensor::empty({c}, b.grad.dtype());
  if (b.needs[2]) grads[2] = Tensor::empty({c}, b.grad.dtype());
  by_float_type("batch_norm_eval", scale, [&]<class T>(T) {
    const T *dy = b.grad.data<T>(), *s = scale.data<T>();
    if (b.needs[0]) {
      T* dx = grads[0].mutable_data<T>();
      parallel_for(rows, row_grain(c), [&](int64_t begin, int64_t e, int) {
        if constexpr (kIsF32<T>)
          scale_channels_f32(dy + begin * c, s, dx + begin * c, e - begin, c);
        else
          ref::map_channels(dy + begin * c, dx + begin * c, e - begin, c, [&](T v, int64_t k) { return v * s[k]; });
      });
    }
    if (b.needs[1] || b.needs[2]) {
      // The sums are those of the training norm; scale and shift have no part in them, and scale stands in for gamma.
      NormGradient gradient({}, {{}, b[2], b[3], scale, scale}, scale, rows, false);
      gradient.add(b.grad, b[1]);
      gradient.finish(b.needs[1] ? &grads[1] : nullptr, b.needs[2] ? &grads[2] : nullptr);
    }
  });
  return grads;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor* running_mean, Tensor* running_var,
                  double momentum, double eps) {
  return norm_act(x, {.momentum = momentum, .eps = eps},
                  {.slope = {},
                   .gamma = gamma,
                   .beta = beta,
                   .residual = {},
                   .running_mean = running_mean,
                   .running_var = running_var});
}

NormFold fold_norm(double gamma, double beta, double mean, double var, double eps) {
  const double scale = gamma / std::sqrt(var + eps);
  return {scale, beta - mean * scale};
}

Tensor batch_norm_eval(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                       const Tensor& running_var, double eps) {
  check(x, {&gamma, &beta, &running_mean, &running_var});
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  const bool parameters = gamma.needs_grad() || beta.needs_grad();
  Tensor scale = Tensor::empty({c}, x.dtype()), shift = Tensor::empty({c}, x.dtype()), inv_std;
  if (parameters) inv_std = Tensor::empty({c}, x.dtype());

  by_float_type("batch_norm_eval", x, [&]<class T>(T) {
    const T *in = x.data<T>(), *g = gamma.data<T>(), *be = beta.data<T>(), *rm = running_mean.data<T>(),
            *rv = running_var.data<T>();
    T *s = scale.mutable_data<T>(), *t = shift.mutable_data<T>(), *r = parameters ? inv_std.mutable_data<T>() : nullptr;
    T* y = out.mutable_data<T>();
    parallel_for(c, c, [&](int64_t, int64_t, int) {
      for (int64_t k = 0; k < c; ++k) {
        const NormFold fold = fold_norm(g[k], be[k], rm[k], rv[k], eps);
        s[k] = T(fold.scale);
        t[k] = T(fold.shift);
        if (r) r[k] = T(1 / std::sqrt(double(rv[k]) + eps));
      }
    });
    parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        affine_channels_f32(in + b * c, s, t, y + b * c, e - b, c);
      else
        ref::map_channels(in + b * c, y + b * c, e - b, c, [&](T v, int64_t k) { return ref::affine(v, s[k], t[k]); });
    });
  });
  List<SavedTensor> saved{{"scale", scale}};
  if (parameters) saved = {{"scale", scale}, {"input", x}, {"mean", running_mean.clone()}, {"inv_std", inv_std}};
  return record("batch_norm_eval", out, {x, gamma, beta}, std::move(saved), eval_backward);
}

}  // namespace bantam
