#include "ops/batch_norm.h"

#include <cmath>

#include "bantam_fault.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels/reduce.h"
#include "ops/kernels/reduce_ref.h"
#include "ops/kernels_train/elementwise_grad.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
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

// [chunks, 2, C] f64: two numbers a channel from every chunk of rows, each written by chunk(begin, end, first, second).
template <class Chunk> Tensor partial_sums(const RowChunks& chunks, int64_t rows, int64_t c, Chunk chunk) {
  Tensor partial = Tensor::empty({chunks.count, 2, c}, DType::kF64);
  double* sums = partial.mutable_data<double>();
  parallel_for(rows, chunks.rows, [&](int64_t b, int64_t e, int) {
    double* mine = sums + b / chunks.rows * 2 * c;
    chunk(b, e, mine, mine + c);
  });
  return partial;
}

// sum dy and sum dy (x - mean) in the first two rows of the answer, [chunks, 2, C] f64.
template <class T> Tensor gradient_sums(const T* dy, const T* x, const T* mean, int64_t rows, int64_t c) {
  const RowChunks chunks = RowChunks::of(rows, c);
  Tensor partial = partial_sums(chunks, rows, c, [&](int64_t b, int64_t e, double* first, double* second) {
    if constexpr (kIsF32<T>)
      norm_sums_f32(dy + b * c, x + b * c, mean, e - b, c, first, second);
    else
      ref::norm_sums(dy + b * c, x + b * c, mean, e - b, c, first, second);
  });
  double* sums = partial.mutable_data<double>();
  parallel_for(2 * c, 2 * c, [&](int64_t, int64_t, int) {
    for (int64_t i = 1; i < chunks.count; ++i)
      for (int64_t k = 0; k < 2 * c; ++k) sums[k] += sums[i * 2 * c + k];
  });
  return partial;
}

// dx of the training norm from the sums above.
template <class T>
void input_gradient(const T* dy, const T* x, const T* gamma, const T* mean, const T* inv_std, const double* sums, T* dx,
                    int64_t rows, int64_t c, Tensor coefficients) {
  // dx = a dy + b (x - mean) + d
  T* a = coefficients.mutable_data<T>();
  parallel_for(c, c, [&](int64_t, int64_t, int) {
    for (int64_t k = 0; k < c; ++k) {
      const double r = inv_std[k], gain = gamma[k] * r;
      a[k] = T(gain);
      a[c + k] = T(-gain * r * r * sums[c + k] / double(rows));
      a[2 * c + k] = T(-gain * sums[k] / double(rows));
    }
  });
  parallel_for(rows, row_grain(c), [&](int64_t begin, int64_t e, int) {
    const int64_t at = begin * c;
    if constexpr (kIsF32<T>)
      norm_input_grad_f32(dy + at, x + at, mean, a, a + c, a + 2 * c, dx + at, e - begin, c);
    else
      for (int64_t i = at; i < e * c; ++i)
        dx[i] = ref::norm_input_grad(dy[i], x[i], mean[i % c], a[i % c], a[c + i % c], a[2 * c + i % c]);
  });
}

// dgamma and dbeta from the sums; either may be null.
template <class T> void parameter_gradients(const double* sums, const T* inv_std, int64_t c, T* dgamma, T* dbeta) {
  parallel_for(c, c, [&](int64_t, int64_t, int) {
    for (int64_t k = 0; k < c; ++k) {
      if (dbeta) dbeta[k] = T(sums[k]);
      if (dgamma) dgamma[k] = T(sums[c + k] * double(inv_std[k]));
    }
  });
}

std::vector<Tensor> train_backward(const BackwardArgs& b) {
  const Tensor &x = b[0], &gamma = b[1], &mean = b[2], &inv_std = b[3];
  const int64_t c = gamma.size(), rows = x.size() / c;
  std::vector<Tensor> grads(3);
  if (b.needs[0]) grads[0] = b.room_of(0);  // dx is elementwise in x
  if (b.needs[1]) grads[1] = Tensor::empty({c}, x.dtype());
  if (b.needs[2]) grads[2] = Tensor::empty({c}, x.dtype());
  by_float_type("batch_norm", x, [&]<class T>(T) {
    const T *dy = b.grad.data<T>(), *m = mean.data<T>(), *r = inv_std.data<T>();
    const Tensor sums = gradient_sums(dy, x.data<T>(), m, rows, c);
    parameter_gradients<T>(sums.data<double>(), r, c, b.needs[1] ? grads[1].mutable_data<T>() : nullptr,
                           b.needs[2] ? grads[2].mutable_data<T>() : nullptr);
    if (b.needs[0])
      input_gradient(dy, x.data<T>(), gamma.data<T>(), m, r, sums.data<double>(), grads[0].mutable_data<T>(), rows, c,
                     Tensor::empty({3, c}, x.dtype()));
  });
  return grads;
}

std::vector<Tensor> eval_backward(const BackwardArgs& b) {
  const Tensor& scale = b[0];
  const int64_t c = scale.size(), rows = b.grad.size() / c;
  std::vector<Tensor> grads(3);
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
      const T *x = b[1].data<T>(), *m = b[2].data<T>(), *r = b[3].data<T>();
      const Tensor sums = gradient_sums(dy, x, m, rows, c);
      parameter_gradients<T>(sums.data<double>(), r, c, b.needs[1] ? grads[1].mutable_data<T>() : nullptr,
                             b.needs[2] ? grads[2].mutable_data<T>() : nullptr);
    }
  });
  return grads;
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor* running_mean, Tensor* running_var,
                  double momentum, double eps) {
  check(x, {&gamma, &beta});
  if (running_mean) check(x, {running_mean, running_var});
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  if (rows < 2) throw Error("batch_norm: only one value a channel to train on, input " + to_string(x.shape()));
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  Tensor mean = Tensor::empty({c}, x.dtype()), inv_std = Tensor::empty({c}, x.dtype());

  by_float_type("batch_norm", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    const RowChunks chunks = RowChunks::of(rows, c);
    Tensor partial = partial_sums(chunks, rows, c, [&](int64_t b, int64_t e, double* first, double* second) {
      if constexpr (kIsF32<T>)
        channel_moments_f32(in + b * c, e - b, c, first, second);
      else
        ref::channel_moments(in + b * c, e - b, c, first, second);
    });
    Tensor affine = Tensor::empty({2, c}, x.dtype());
    double* moments = partial.mutable_data<double>();
    const T *g = gamma.data<T>(), *be = beta.data<T>();
    T *m = mean.mutable_data<T>(), *r = inv_std.mutable_data<T>(), *scale = affine.mutable_data<T>();
    T* shift = scale ? scale + c : nullptr;  // null in a dry run
    T* rm = running_mean ? running_mean->mutable_data<T>() : nullptr;
    T* rv = running_mean ? running_var->mutable_data<T>() : nullptr;
    parallel_for(c, c, [&](int64_t, int64_t, int) {
      double *means = moments, *m2s = moments + c;  // those of the first chunk become those of all
      for (int64_t i = 1; i < chunks.count; ++i) {
        const int64_t begin = i * chunks.rows, n = std::min(rows, begin + chunks.rows) - begin;
        merge_moments(double(begin), means, m2s, double(n), moments + i * 2 * c, moments + (i * 2 + 1) * c, c);
      }
      for (int64_t k = 0; k < c; ++k) {
        const double mu = means[k], m2 = m2s[k];
        const double inv = 1 / std::sqrt(m2 / double(rows) + eps);
        m[k] = T(mu);
        r[k] = T(inv);
        scale[k] = T(double(g[k]) * inv);
        shift[k] = T(double(be[k]) - (mu - double(m[k])) * double(g[k]) * inv);  // repairs the rounding of the mean
        if (rm) {
          rm[k] = T((1 - momentum) * double(rm[k]) + momentum * mu);
#ifdef BANTAM_FAULT_BN_BIASED_RUNNING
          rv[k] = T((1 - momentum) * double(rv[k]) + momentum * (m2 / double(rows)));
#else
          rv[k] = T((1 - momentum) * double(rv[k]) + momentum * (m2 / double(rows - 1)));
#endif
        }
      }
    });
    T* y = out.mutable_data<T>();
    parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        norm_channels_f32(in + b * c, m, scale, shift, y + b * c, e - b, c);
      else
        ref::map_channels(in + b * c, y + b * c, e - b, c, [&](T v, int64_t k) { return ref::norm(v, m[k], scale[k], shift[k]); });
    });
  });
  return record("batch_norm", out, {x, gamma, beta}, {{"input", x}, {"gamma", gamma}, {"mean", mean}, {"inv_std", inv_std}},
                train_backward);
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
    const T *in = x.data<T>(), *g = gamma.data<T>(), *be = beta.data<T>(), *rm = running_mean.data<T>(), *rv = running_var.data<T>();
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
  std::vector<SavedTensor> saved{{"scale", scale}};
  if (parameters) saved = {{"scale", scale}, {"input", x}, {"mean", running_mean.clone()}, {"inv_std", inv_std}};
  return record("batch_norm_eval", out, {x, gamma, beta}, std::move(saved), eval_backward);
}

}  // namespace bantam
