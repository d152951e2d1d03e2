#include "ops/quant/learned_scale.h"

#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/quant/uniform.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

constexpr double kLeastScale = 0x1p-26;

// The ends of a codebook's codes.
struct Ends {
  int lo, hi;
};
Ends ends_of(const QuantSpec& spec, Operand operand) {
  const CodeGrid grid = grid_of(spec, operand);
  return {grid.code(0), grid.code(grid.levels - 1)};
}

// x's part in the gradient of its scale; *inside says whether x's own passes.
template <class T>
T slope(T x, T s, const Ends& ends, bool* inside) {
  const T v = x / s;
  *inside = v >= T(ends.lo) && v <= T(ends.hi);
  const T code = T(ref::round_to_code(v, T(1), ends.lo, ends.hi) + ends.lo);
  return *inside ? code - v : code;
}

}  // namespace

Shape weight_scale_shape(const Shape& w, const QuantSpec& spec) {
  return WeightGroups(w, spec.granularity).scale_shape();
}

Tensor first_weight_scale(const Tensor& w, const QuantSpec& spec) {
  const double hi = ends_of(spec, Operand::kWeight).hi;
  return magnitude_scale(w, WeightGroups(w.shape(), spec.granularity), ScaleRule::kMean,
                         spec.scheme == Scheme::kBwn ? 1 : 2 / std::sqrt(hi));
}

double first_activation_scale(const Tensor& x, const QuantSpec& spec) {
  double sum = 0;
  by_float_type("quantize", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    sum = parallel_sum(x.size(), kElementGrain, [&](int64_t b, int64_t e) {
      double s = 0;
      for (; b < e; ++b) s += std::abs(double(in[b]));
      return s;
    });
  });
  const double s = 2 * sum / double(x.size()) / std::sqrt(double(ends_of(spec, Operand::kActivation).hi));
  return s > kLeastScale ? s : 1;
}

QuantSpec with_scale(QuantSpec spec, double scale) {
  spec.scale = ScaleRule::kNone, spec.set = 0;
  if (scale == 0) return spec;
  const Ends ends = ends_of(spec, Operand::kActivation);
  const double s = scale > kLeastScale ? scale : kLeastScale;  // of NaN, too
  spec.low = ends.lo * s, spec.high = ends.hi * s;             // exact: 8 bits by 24
  return spec;
}

Quantized learned_activation(const Tensor& x, const QuantSpec& spec, const Tensor& scale, bool materialize_value) {
  if (scale.size() != 1) throw Error("quantize: activations have one scale, not " + to_string(scale.shape()));
  const bool known = scale.has_data() && scale.raw();  // not so in a dry run
  const QuantSpec fixed = with_scale(spec, known ? scale.at(0) : 0);
  Quantized q;
  {
    const NoGrad constant;
    q = uniform_activation(x, fixed, materialize_value);
  }
  const bool clip = !traits_of(spec.scheme).clips || is_clipped(spec.surrogate);
  const Ends ends = ends_of(spec, Operand::kActivation);
  const double g = 1 / std::sqrt(double(x.size() / x.dim(0)) * ends.hi);
  q.value = record("learned_activation", q.value, {x, scale}, {{"input", x}, {"scale", q.scale}},
                   [=](const BackwardArgs& b) -> Tensors {
                     Tensor dx = Tensor::empty(b.grad.shape(), b.grad.dtype()), ds = Tensor::empty({1}, dx.dtype());
                     by_float_type("quantize", dx, [&]<class T>(T) {
                       const T *dy = b.grad.data<T>(), *in = b[0].data<T>();
                       T* out = dx.mutable_data<T>();
                       const double sum = parallel_sum(dx.size(), kElementGrain, [&](int64_t i, int64_t e) {
                         const T s = *b[1].data<T>();
                         double part = 0;
                         for (; i < e; ++i) {
                           bool inside;
                           part += double(dy[i]) * double(slope(in[i], s, ends, &inside));
                           out[i] = inside || !clip ? dy[i] : T(0);
                         }
                         return part;
                       });
                       parallel_for(1, 1, [&](int64_t, int64_t, int) { *ds.mutable_data<T>() = T(g * sum); });
                     });
                     return {dx, ds};
                   });
  return q;
}

Quantized learned_weight(const Tensor& w, const QuantSpec& spec, const Tensor& scale, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const WeightGroups groups(w.shape(), spec.granularity);
  if (!(scale.shape() == groups.scale_shape()))
    throw Error("quantize: scales are " + to_string(scale.shape()) + ", must be " + to_string(groups.scale_shape()));
  const bool signs = spec.scheme == Scheme::kBwn;
  const CodeGrid grid = grid_of(spec, Operand::kWeight);
  const Ends ends = ends_of(spec, Operand::kWeight);
  Quantized q;
  q.scale = Tensor::empty(scale.shape(), w.dtype());
  by_float_type("quantize", w, [&]<class T>(T) {
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      const T* from = scale.data<T>();
      for (int64_t i = 0; i < scale.size(); ++i)
        q.scale.mutable_data<T>()[i] = signs || from[i] > T(kLeastScale) ? from[i] : T(kLeastScale);
    });
  });
  q.codes = codes_of_weights(w, grid, groups, q.scale, [=]<class T>(T v, T s) {
    return signs ? uint8_t(sign_bit(v)) : ref::round_to_code(v / s, T(1), ends.lo, ends.hi);
  });
  const bool clip = is_clipped(spec.surrogate);
  const double g = signs ? 1 : 1 / std::sqrt(double(groups.size()) * ends.hi);
  q.value = record("learned_weight", value_of(q, w, materialize_value), {w, scale}, {{"input", w}, {"scale", q.scale}},
                   [=](const BackwardArgs& b) -> Tensors {
                     Tensor dw = Tensor::empty(b.grad.shape(), b.grad.dtype());
                     Tensor ds = Tensor::empty(b[1].shape(), dw.dtype());
                     by_float_type("quantize", dw, [&]<class T>(T) {
                       const T *dy = b.grad.data<T>(), *in = b[0].data<T>(), *s = b[1].data<T>();
                       T *out = dw.mutable_data<T>(), *to = ds.mutable_data<T>();
                       const int64_t grain = std::max<int64_t>(1, kElementGrain / groups.size());
                       parallel_for(groups.count(), grain, [&](int64_t begin, int64_t end, int) {
                         for (int64_t group = begin; group < end; ++group) {
                           double sum = 0;
                           groups.for_each(group, [&](int64_t i) {
                             bool inside = in[i] >= T(-1) && in[i] <= T(1);
                             const T e = signs ? sign_value(in[i]) : slope(in[i], s[group], ends, &inside);
                             sum += double(dy[i]) * double(e);
                             out[i] = !inside && clip ? T(0) : signs ? s[group] * dy[i] : dy[i];
                           });
                           to[group] = T(g * sum);
                         }
                       });
                     });
                     return {dw, ds};
                   });
  return q;
}

}  // namespace bantam
