#include "ops/dropout.h"

#include <cmath>

#include "core/autograd.h"
#include "core/base/fixed_point.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels_train/philox.h"

namespace bantam {
namespace {

// dx = bit ? dy s : 0
Tensors backward_of(const BackwardArgs& b, double s) {
  const Tensor &dy = b.grad, &mask = b[0];
  Tensor dx = b.grad_room();
  by_float_type("dropout", dy, [&]<class T>(T) {
    const T* g = dy.data<T>();
    const uint8_t* bits = mask.data<uint8_t>();
    T* out = dx.mutable_data<T>();
    parallel_for(dy.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
      if constexpr (kIsF32<T>)
        select_bits_f32(g + i, bits + i / 8, float(s), out + i, e - i);
      else
        for (; i < e; ++i) out[i] = ref::get_bit(bits, i) ? g[i] * s : T(0);
    });
  });
  return {dx};
}

}  // namespace

Tensor dropout(const Tensor& x, double p, const Rng& rng) {
  if (!(p >= 0 && p < 1))
    throw Error("dropout: p = " + std::to_string(p) + " is not in [0, 1), input " + to_string(x.shape()));
  if (p == 0) return x;
  Tensor mask = Tensor::empty({ceil_div(x.size(), 8)}, DType::kU8), out = Tensor::empty(x.shape(), x.dtype());
  uint8_t* bits = mask.mutable_data<uint8_t>();
  const uint32_t least = uint32_t(std::ceil(p * 16777216.0));  // uniform(i) >= p, without making a float
  const double s = 1 / (1 - p);
  by_float_type("dropout", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    T* y = out.mutable_data<T>();
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>) {
        dropout_f32(rng.stream(), uint64_t(b), least, float(s), in + b, y + b, bits + b / 8, e - b);
      } else {
        ref::fill_bits(bits + b / 8, e - b, [&](int64_t i) { return rng.bits(uint64_t(b + i)) >> 8 >= least; });
        for (int64_t i = b; i < e; ++i) y[i] = ref::get_bit(bits, i) ? in[i] * s : T(0);
      }
    });
  });
  return record("dropout", out, {x}, {{"mask", mask}}, [s](const BackwardArgs& b) { return backward_of(b, s); });
}

}  // namespace bantam
