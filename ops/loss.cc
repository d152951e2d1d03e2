#include "ops/loss.h"

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/reduce_ref.h"
#include "ops/kernels_train/cross_entropy.h"
#include "ops/kernels_train/cross_entropy_ref.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

// log softmax(x)[k] = (x[k] - max) - log_sum
template <class T> auto log_sum(const T* x, int64_t k) {
  if constexpr (kIsF32<T>)
    return log_sum_f32(x, k);
  else
    return ref::log_sum(x, k);
}

double count_rows(const Tensor& labels, int32_t ignore) {
  const int32_t* y = labels.data<int32_t>();
  return parallel_sum(labels.size(), kElementGrain, [&](int64_t b, int64_t e) {
    double n = 0;
    for (int64_t i = b; i < e; ++i) n += y[i] != ignore;
    return n;
  });
}

Tensor scalar_of(double value, DType dtype) { return Tensor::full({}, value, dtype); }

Tensor cross_entropy_gradient(const Tensor& logits, const Tensor& labels, const Tensor& dloss,
                              const CrossEntropyOptions& o) {
  const int64_t n = logits.dim(0), k = logits.dim(1);
  Tensor dx = Tensor::empty(logits.shape(), logits.dtype());
  const double count = count_rows(labels, o.ignore);
  by_float_type("cross_entropy", logits, [&]<class T>(T) {
    const T *x = logits.data<T>(), *dl = dloss.data<T>();
    const int32_t* y = labels.data<int32_t>();
    T* g = dx.mutable_data<T>();
    parallel_for(n, row_grain(k), [&](int64_t b, int64_t e, int) {
      const T factor = T(count > 0 ? double(*dl) / count : 0), rest = T(o.label_smoothing / double(k));
      for (int64_t i = b; i < e; ++i) {
        T* row = g + i * k;
        if (y[i] == o.ignore) {
          for (int64_t j = 0; j < k; ++j) row[j] = 0;
          continue;
        }
        const T hit = T(1 - o.label_smoothing);
        if constexpr (kIsF32<T>)
          cross_entropy_grad_f32(x + i * k, k, y[i], hit, rest, factor, row);
        else
          ref::cross_entropy_grad(x + i * k, k, y[i], hit, rest, factor, row);
      }
    });
  });
  return dx;
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options) {
  if (logits.rank() != 2 || logits.dim(1) < 1 || !(labels.shape() == Shape{logits.dim(0)}))
    throw Error("cross_entropy: logits " + to_string(logits.shape()) + " with labels " + to_string(labels.shape()));
  if (labels.dtype() != DType::kI32)
    throw Error(std::string("cross_entropy: labels are ") + name_of(labels.dtype()) + ", not i32");
  if (!(options.label_smoothing >= 0 && options.label_smoothing < 1))
    throw Error("cross_entropy: label smoothing " + std::to_string(options.label_smoothing) + " is not in [0, 1)");
  const int64_t n = logits.dim(0), k = logits.dim(1);
  const double s = options.label_smoothing;
  const int32_t ignore = options.ignore;
  Tensor loss;
  by_float_type("cross_entropy", logits, [&]<class T>(T) {
    const T* x = logits.data<T>();
    const int32_t* y = labels.data<int32_t>();
    Tensor losses = Tensor::empty({n}, DType::kF64);
    double* each = losses.mutable_data<double>();
    parallel_for(n, row_grain(k), [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) {
        each[i] = 0;
        if (y[i] == ignore) continue;
        if (y[i] < 0 || y[i] >= k)
          throw Error("cross_entropy: label " + std::to_string(y[i]) + " in row " + std::to_string(i) + ", logits " +
                      to_string(logits.shape()));
        const T* row = x + i * k;
        const auto log = log_sum(row, k);
        const auto logp = [&](int64_t j) { return double((row[j] - log.max) - log.log_sum); };
        double l = -(1 - s) * logp(y[i]);
        if (s > 0)
          for (int64_t j = 0; j < k; ++j) l -= s / double(k) * logp(j);
        each[i] = l;
      }
    });
    const double total =
        parallel_sum(n, kElementGrain, [&](int64_t b, int64_t e) { return ref::sum(each + b, e - b); });
    const double count = count_rows(labels, ignore);
    loss = scalar_of(count > 0 ? total / count : 0, logits.dtype());
  });
  return record("cross_entropy", loss, {logits}, {{"input", logits}, {"labels", labels}},
                [options](const BackwardArgs& b) -> Tensors {
                  return {cross_entropy_gradient(b[0], b[1], b.grad, options)};
                });
}

Tensor mse(const Tensor& prediction, const Tensor& target) {
  check_same_type("mse", prediction, target);
  if (!(prediction.shape() == target.shape()) || prediction.size() == 0)
    throw Error("mse: prediction " + to_string(prediction.shape()) + " with target " + to_string(target.shape()));
  const int64_t n = prediction.size();
  Tensor loss;
  by_float_type("mse", prediction, [&]<class T>(T) {
    const T *p = prediction.data<T>(), *t = target.data<T>();
    const double total = parallel_sum(n, kElementGrain, [&](int64_t b, int64_t e) {
      double sum = 0;
      for (int64_t i = b; i < e; ++i) sum += (double(p[i]) - double(t[i])) * (double(p[i]) - double(t[i]));
      return sum;
    });
    loss = scalar_of(total / double(n), prediction.dtype());
  });
  const auto gradient = [](const BackwardArgs& b) {
    Tensors grads(2);
    const int64_t n = b[0].size();
    for (int i = 0; i < 2; ++i) {
      if (!b.needs[size_t(i)]) continue;
      const Tensor &mine = b[size_t(i)], &other = b[size_t(1 - i)];
      Tensor g = Tensor::empty(mine.shape(), mine.dtype());
      by_float_type("mse", mine, [&]<class T>(T) {
        const T *p = mine.data<T>(), *t = other.data<T>(), *dl = b.grad.data<T>();
        T* out = g.mutable_data<T>();
        parallel_for(n, kElementGrain, [&](int64_t at, int64_t e, int) {
          const T factor = T(2 * double(*dl) / double(n));
          for (int64_t j = at; j < e; ++j) out[j] = (p[j] - t[j]) * factor;
        });
      });
      grads[size_t(i)] = g;
    }
    return grads;
  };
  return record("mse", loss, {prediction, target}, {{"input", prediction}, {"target", target}}, gradient);
}

}  // namespace bantam
