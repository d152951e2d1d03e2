#include "ops/softmax.h"

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/reduce.h"
#include "ops/kernels/reduce_ref.h"
#include "ops/kernels_train/elementwise_grad.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

template <class T> using Forward = void (*)(const T* x, T* out, int64_t rows, int64_t c);
template <class T> using Backward = void (*)(const T* y, const T* dy, T* dx, int64_t rows, int64_t c);

Tensor forward(const char* op, const Tensor& x, Forward<float> kernel, Forward<double> definition) {
  if (x.rank() < 1 || x.shape()[-1] < 1) throw Error(std::string(op) + ": no classes in " + to_string(x.shape()));
  const int64_t c = x.shape()[-1], rows = x.size() / c;
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  by_float_type(op, x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        kernel(in + b * c, y + b * c, e - b, c);
      else
        definition(in + b * c, y + b * c, e - b, c);
    });
  });
  return out;
}

Tensors backward_of(const char* op, const BackwardArgs& b, Backward<float> kernel, Backward<double> definition) {
  const int64_t c = b.grad.shape()[-1], rows = b.grad.size() / c;
  Tensor dx = Tensor::empty(b.grad.shape(), b.grad.dtype());
  by_float_type(op, dx, [&]<class T>(T) {
    const T *y = b[0].data<T>(), *dy = b.grad.data<T>();
    T* g = dx.mutable_data<T>();
    parallel_for(rows, row_grain(c), [&](int64_t i, int64_t e, int) {
      if constexpr (kIsF32<T>)
        kernel(y + i * c, dy + i * c, g + i * c, e - i, c);
      else
        definition(y + i * c, dy + i * c, g + i * c, e - i, c);
    });
  });
  return {dx};
}

}  // namespace

Tensor softmax(const Tensor& x) {
  Tensor out = forward("softmax", x, softmax_rows_f32, ref::softmax_rows<double>);
  return record("softmax", out, {x}, {{"output", out}}, [](const BackwardArgs& b) {
    return backward_of("softmax", b, softmax_grad_rows_f32, ref::softmax_grad_rows<double>);
  });
}

Tensor log_softmax(const Tensor& x) {
  Tensor out = forward("log_softmax", x, log_softmax_rows_f32, ref::log_softmax_rows<double>);
  return record("log_softmax", out, {x}, {{"output", out}}, [](const BackwardArgs& b) {
    return backward_of("log_softmax", b, log_softmax_grad_rows_f32, ref::log_softmax_grad_rows<double>);
  });
}

}  // namespace bantam
