#include "ops/quant/scaled_sign.h"

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

// g where |w| <= 1.
Tensor clipped(const Tensor& g, const Tensor& w) {
  Tensor dw = Tensor::empty(g.shape(), g.dtype());
  by_float_type("quantize_weight", dw, [&]<class T>(T) {
    const T *in = g.data<T>(), *v = w.data<T>();
    T* out = dw.mutable_data<T>();
    parallel_for(dw.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
      for (; i < e; ++i) out[i] = v[i] >= T(-1) && v[i] <= T(1) ? in[i] : T(0);
    });
  });
  return dw;
}

Tensor xnor_gradient(const Tensor& g, const Tensor& w, const Tensor& scale, const WeightGroups& groups) {
  Tensor dw = Tensor::empty(g.shape(), g.dtype());
  by_float_type("quantize_weight", dw, [&]<class T>(T) {
    const T *in = g.data<T>(), *v = w.data<T>(), *alpha = scale.data<T>();
    T* out = dw.mutable_data<T>();
    parallel_for(groups.count(), std::max<int64_t>(1, kElementGrain / groups.size()), [&](int64_t b, int64_t e, int) {
      for (int64_t group = b; group < e; ++group) {
        double along = 0;
        groups.for_each(group, [&](int64_t i) { along += double(in[i]) * double(sign_value(v[i])); });
        const T share = T(along / double(groups.size()));
        groups.for_each(group, [&](int64_t i) {
          const T direct = v[i] >= T(-1) && v[i] <= T(1) ? alpha[group] * in[i] : T(0);
          out[i] = direct + sign_value(v[i]) * share;
        });
      }
    });
  });
  return dw;
}

}  // namespace

Quantized scaled_sign(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const WeightGroups groups(w.shape(), spec.granularity);
  Quantized q;
  const ScaleRule rule = spec.scheme == Scheme::kXnor ? ScaleRule::kMean : spec.scale;  // a plain sign has none
  if (rule != ScaleRule::kNone) q.scale = magnitude_scale(w, groups, rule);
  q.codes = codes_of_weights(w, kSignGrid, groups, {}, []<class T>(T v, T) { return uint8_t(sign_bit(v)); });
  const bool full = spec.scheme == Scheme::kXnor, clip = !full && is_clipped(spec.surrogate);
  List<SavedTensor> saved;
  if (full || clip) saved.push_back({"input", w});
  if (full) saved.push_back({"scale", q.scale});
  q.value = record("scaled_sign", value_of(q, w, materialize_value), {w}, std::move(saved),
                   [full, clip, groups](const BackwardArgs& b) -> Tensors {
                     if (full) return {xnor_gradient(b.grad, b[0], b[1], groups)};
                     return {clip ? clipped(b.grad, b[0]) : b.grad};
                   });
  return q;
}

}  // namespace bantam
