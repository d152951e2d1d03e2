#include "ops/activations.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels_train/elementwise_grad.h"
#include "ops/kernels_train/elementwise_grad_ref.h"
#include "ops/row_chunks.h"

namespace bantam {
namespace {

using UnaryKernel = void (*)(const float* x, float* out, int64_t n) noexcept;
using GradKernel = void (*)(const float* saved, const float* dy, float* dx, int64_t n) noexcept;

// out = f(x): the kernel for f32, the definition for f64.
Tensor map(const char* op, const Tensor& x, UnaryKernel kernel, double (*definition)(double), Tensor out = {}) {
  if (!out.defined()) out = Tensor::empty(x.shape(), x.dtype());
  by_float_type(op, x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        kernel(in + b, y + b, e - b);
      else
        ref::map(in + b, y + b, e - b, definition);
    });
  });
  return out;
}

// The gradient of an op that saved its output, or its input, as the first tensor: what its derivative is a function of.
Tensors grad_of_saved(const char* op, const BackwardArgs& b, GradKernel kernel, double (*definition)(double, double)) {
  const Tensor& saved = b[0];
  Tensor dx = b.room(0);
  by_float_type(op, dx, [&]<class T>(T) {
    const T *y = saved.data<T>(), *dy = b.grad.data<T>();
    T* g = dx.mutable_data<T>();
    parallel_for(dx.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
      if constexpr (kIsF32<T>)
        kernel(y + i, dy + i, g + i, e - i);
      else
        for (; i < e; ++i) g[i] = definition(y[i], dy[i]);
    });
  });
  return {dx};
}

// dx = bit ? dy : 0, of an op that saved the bits as the first tensor.
Tensors grad_of_mask(const char* op, const BackwardArgs& b) {
  Tensor dx = b.grad_room();
  by_float_type(op, dx, [&]<class T>(T) {
    const T* dy = b.grad.data<T>();
    const uint8_t* bits = b[0].data<uint8_t>();
    T* g = dx.mutable_data<T>();
    parallel_for(dx.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
      if constexpr (kIsF32<T>)
        select_bits_f32(dy + i, bits + i / 8, 1, g + i, e - i);
      else
        for (; i < e; ++i) g[i] = ref::get_bit(bits, i) ? dy[i] : T(0);
    });
  });
  return {dx};
}

// Rows and columns of x as a prelu sees them: one slope makes one column of everything.
struct SlopeShape {
  int64_t rows, c;
};
SlopeShape slope_shape(const Tensor& x, const Tensor& slope) {
  return slope.size() == 1 ? SlopeShape{x.size(), 1} : SlopeShape{x.size() / slope.size(), slope.size()};
}

Tensor prelu_forward(const Tensor& x, const Tensor& slope) {
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  const auto [rows, c] = slope_shape(x, slope);
  by_float_type("prelu", x, [&, rows = rows, c = c]<class T>(T) {
    const T *in = x.data<T>(), *s = slope.data<T>();
    T* y = out.mutable_data<T>();
    parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>) {
        if (c == 1)
          prelu_f32(in + b, *s, y + b, e - b);
        else
          prelu_channels_f32(in + b * c, s, y + b * c, e - b, c);
      } else {
        ref::map_channels(in + b * c, y + b * c, e - b, c, [&](T v, int64_t k) { return ref::prelu(v, s[k]); });
      }
    });
  });
  return out;
}

// Into dx, which may be x.
void prelu_input_grad(const Tensor& x, const Tensor& slope, const Tensor& dy, Tensor dx) {
  const auto [rows, c] = slope_shape(x, slope);
  by_float_type("prelu", x, [&, rows = rows, c = c]<class T>(T) {
    const T *in = x.data<T>(), *g = dy.data<T>(), *s = slope.data<T>();
    T* out = dx.mutable_data<T>();
    parallel_for(rows, row_grain(c), [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>) {
        if (c == 1)
          prelu_grad_f32(in + b, g + b, *s, out + b, e - b);
        else
          prelu_channels_grad_f32(in + b * c, g + b * c, s, out + b * c, e - b, c);
      } else {
        for (int64_t i = b * c; i < e * c; ++i) out[i] = ref::prelu_grad(in[i], g[i], s[i % c]);
      }
    });
  });
}

Tensor prelu_slope_grad(const Tensor& x, const Tensor& slope, const Tensor& dy) {
  Tensor ds = Tensor::empty(slope.shape(), slope.dtype());
  const auto [rows, c] = slope_shape(x, slope);
  const RowChunks chunks = RowChunks::of(rows, c);
  Tensor partial = Tensor::empty({chunks.count, c}, DType::kF64);
  by_float_type("prelu", x, [&, rows = rows, c = c]<class T>(T) {
    const T *in = x.data<T>(), *g = dy.data<T>();
    double* sums = partial.mutable_data<double>();
    T* out = ds.mutable_data<T>();
    parallel_for(rows, chunks.rows, [&](int64_t b, int64_t e, int) {
      double* mine = sums + b / chunks.rows * c;
      if constexpr (kIsF32<T>)
        prelu_slope_sums_f32(in + b * c, g + b * c, e - b, c, mine);
      else
        ref::prelu_slope_sums(in + b * c, g + b * c, e - b, c, mine);
    });
    parallel_for(c, c, [&](int64_t, int64_t, int) {
      for (int64_t k = 0; k < c; ++k) {
        double s = 0;
        for (int64_t i = 0; i < chunks.count; ++i) s += sums[i * c + k];
        out[k] = T(s);
      }
    });
  });
  return ds;
}

}  // namespace

Tensor relu(const Tensor& x) {
  Tensor out = map("relu", x, relu_f32, ref::relu<double>);
  if (!recomputable(x) || !recording({x}))
    return record("relu", out, {x}, {{"output", out}}, [](const BackwardArgs& b) {
      return grad_of_saved("relu", b, relu_grad_f32, ref::relu_grad<double>);
    });
  // The input can be made again, so the output can: a bit an element is all that is kept.
  Tensor mask = Tensor::empty({ceil_div(x.size(), 8)}, DType::kU8);
  by_float_type("relu", x, [&]<class T>(T) {
    const T* y = out.data<T>();
    uint8_t* bits = mask.mutable_data<uint8_t>();
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        gt_bits_f32(y + b, 0, bits + b / 8, e - b);
      else
        ref::fill_bits(bits + b / 8, e - b, [&](int64_t i) { return y[b + i] > T(0); });
    });
  });
  return record(
      "relu", out, {x}, {{"mask", mask}, {"input", x}}, [](const BackwardArgs& b) { return grad_of_mask("relu", b); },
      [](const Node& node) {
        Tensor y = saved_value(node.saved[1]);
        return y.unique() ? map("relu", y, relu_f32, ref::relu<double>, y)
                          : map("relu", y, relu_f32, ref::relu<double>);
      });
}

Tensor sigmoid(const Tensor& x) {
  Tensor out = map("sigmoid", x, sigmoid_f32, ref::sigmoid<double>);
  return record("sigmoid", out, {x}, {{"output", out}}, [](const BackwardArgs& b) {
    return grad_of_saved("sigmoid", b, sigmoid_grad_f32, ref::sigmoid_grad<double>);
  });
}

Tensor tanh(const Tensor& x) {
  Tensor out = map("tanh", x, tanh_f32, [](double v) { return std::tanh(v); });
  return record("tanh", out, {x}, {{"output", out}},
                [](const BackwardArgs& b) { return grad_of_saved("tanh", b, tanh_grad_f32, ref::tanh_grad<double>); });
}

Tensor hardtanh(const Tensor& x) {
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  const bool masked = recording({x});
  Tensor mask;
  if (masked) mask = Tensor::empty({ceil_div(x.size(), 8)}, DType::kU8);
  by_float_type("hardtanh", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    uint8_t* bits = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>) {
        clamp_f32(in + b, -1, 1, y + b, e - b);
        if (masked) inside_bits_f32(in + b, -1, 1, bits + b / 8, e - b);
      } else {
        ref::map(in + b, y + b, e - b, [](T v) { return ref::clamp(v, T(-1), T(1)); });
        if (masked)
          ref::fill_bits(bits + b / 8, e - b, [&](int64_t i) { return in[b + i] > T(-1) && in[b + i] < T(1); });
      }
    });
  });
  return record("hardtanh", out, {x}, {{"mask", mask}},
                [](const BackwardArgs& b) { return grad_of_mask("hardtanh", b); });
}

Tensor hard_swish(const Tensor& x) {
  const auto forward = [](const Tensor& in) { return map("hard_swish", in, hard_swish_f32, ref::hard_swish<double>); };
  RecomputeFn recompute;  // one cheap pass instead of a kept output
  if (recomputable(x)) recompute = [=](const Node& node) { return forward(saved_value(node.saved[0])); };
  return record(
      "hard_swish", forward(x), {x}, {{"input", x}},
      [](const BackwardArgs& b) {
        return grad_of_saved("hard_swish", b, hard_swish_grad_f32, ref::hard_swish_grad<double>);
      },
      std::move(recompute));
}

Tensor prelu(const Tensor& x, const Tensor& slope) {
  check_same_type("prelu", x, slope);
  if (slope.size() != 1 && (x.rank() < 1 || slope.size() != x.shape()[-1]))
    throw Error("prelu: " + to_string(slope.shape()) + " slopes for input " + to_string(x.shape()));
  RecomputeFn recompute;  // two cheap passes instead of a kept output
  if (recomputable(x))
    recompute = [](const Node& node) { return prelu_forward(saved_value(node.saved[0]), saved_value(node.saved[1])); };
  return record(
      "prelu", prelu_forward(x, slope), {x, slope}, {{"input", x}, {"slope", slope}},
      [](const BackwardArgs& b) {
        Tensors grads(2);
        if (b.needs[1]) grads[1] = prelu_slope_grad(b[0], b[1], b.grad);
        if (b.needs[0]) prelu_input_grad(b[0], b[1], b.grad, grads[0] = b.room(0));
        return grads;
      },
      std::move(recompute));
}

}  // namespace bantam
