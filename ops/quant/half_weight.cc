#include "ops/quant/half_weight.h"

#include "core/autograd.h"
#include "core/base/half.h"
#include "core/parallel.h"
#include "ops/dispatch.h"

namespace bantam {

Tensor half_weight(const Tensor& w, const QuantSpec& spec) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  Tensor out = Tensor::empty(w.shape(), w.dtype());
  by_float_type("quantize_weight", w, [&]<class T>(T) {
    parallel_for(w.size(), kElementGrain, [&](int64_t i, int64_t end, int) {
      const T* in = w.data<T>();
      T* to = out.mutable_data<T>();
      if (spec.scheme == Scheme::kF16)
        for (; i < end; ++i) to[i] = T(widen_f16(narrow_f16(double(in[i]))));
      else
        for (; i < end; ++i) to[i] = T(widen_bf16(narrow_bf16(double(in[i]))));
    });
  });
  return record("half_weight", out, {w}, {}, [](const BackwardArgs& b) -> Tensors { return {b.grad}; });
}

}  // namespace bantam
