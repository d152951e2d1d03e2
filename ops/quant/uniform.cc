#include "ops/quant/uniform.h"

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/quant/mask.h"
#include "ops/quant/pixel_grain.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

// uniform_rule() in either type: f64 has the definition, for gradient checks.
template <class T>
struct Rule {
  T factor, step;
  int lo, hi;
  bool first_above_zero;
  T inside_lo, inside_hi;

  uint8_t byte(T x) const {
    const uint8_t b = ref::round_to_code(x, factor, lo, hi);
    return first_above_zero && b == 0 && x > T(0) ? 1 : b;
  }
};

template <class T>
Rule<T> rule_of(const QuantSpec& spec) {
  const int n = (1 << spec.bits) - 1, h = (1 << (spec.bits - 1)) - 1;
  // `most` codes from 0 up, in the codebook's own range or to the one that was found.
  const auto steps = [&](int most, bool both) {
    const int lo = both ? -most : 0;
    if (!(spec.high > 0)) return Rule<T>{T(most), T(1) / T(most), lo, most, false, T(both ? -1 : 0), T(1)};
    const T step = T(spec.high / most);
    return Rule<T>{T(1) / step, step, lo, most, false, T(both ? -spec.high : 0), T(spec.high)};
  };
  switch (spec.scheme) {
    case Scheme::kRelu:
    case Scheme::kDorefa:
      return steps(n, false);
    case Scheme::kUniform:
      return steps(h, true);
    case Scheme::kTernary:
      return steps(1, true);
    case Scheme::kHwgq: {
      const T step = T(hwgq_step(spec.bits));
      return {T(1) / step, step, 0, n, true, T(0), T(n) * step};
    }
    case Scheme::kInt: {
      if (!(spec.low <= 0 && spec.high >= 0 && spec.high > spec.low))
        throw Error("quantize: the range of int activations has not been measured");
      const int z = zero_point(spec);
      return {T(1) / T(int_step(spec)), T(int_step(spec)), -z, n - z, false, T(spec.low), T(spec.high)};
    }
    case Scheme::kNone:
    case Scheme::kSign:
    case Scheme::kStochastic:
    case Scheme::kBwn:
    case Scheme::kXnor:
    case Scheme::kTwn:
    case Scheme::kTanh:
    case Scheme::kPow2:
    case Scheme::kLog:
    case Scheme::kLog2:
    case Scheme::kKmeans:
    case Scheme::kF16:
    case Scheme::kBf16:
      break;
  }
  throw Error(std::string("quantize: ") + name_of(spec.scheme) + " has no even steps");
}

void encode(const Rule<float>& r, const float* x, uint8_t* bytes, int64_t n) {
  round_to_codes(x, r.factor, r.lo, r.hi, bytes, n);
  if (!r.first_above_zero) return;
  for (int64_t i = 0; i < n; ++i) bytes[i] = uint8_t(bytes[i] | (bytes[i] == 0 && x[i] > 0.0f));
}
void encode(const Rule<double>& r, const double* x, uint8_t* bytes, int64_t n) {
  for (int64_t i = 0; i < n; ++i) bytes[i] = r.byte(x[i]);
}

}  // namespace

double hwgq_step(int bits) {
  constexpr double kSteps[] = {0.7978845608029, 0.5388119233997, 0.3217289090678, 0.1842433427632,
                               0.1029840103060, 0.0565843439827, 0.0306913738894, 0.0164817841057};
  if (bits < 1 || bits > kMaxQuantBits) throw Error("quantize: hwgq has 1 to 8 bits, not " + std::to_string(bits));
  return kSteps[bits - 1];
}

UniformRule uniform_rule(const QuantSpec& spec) {
  const Rule<float> r = rule_of<float>(spec);
  return {r.factor, r.step, r.lo, r.hi, r.first_above_zero, r.inside_lo, r.inside_hi};
}
uint8_t UniformRule::byte(float x) const {
  return Rule<float>{factor, step, lo, hi, first_above_zero, inside_lo, inside_hi}.byte(x);
}

Quantized uniform_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value) {
  if (x.rank() < 1 || x.size() == 0) throw Error("quantize: input is empty " + to_string(x.shape()));
  Quantized q;
  q.codes = Codes::empty(x.shape(), grid_of(spec, Operand::kActivation));
  q.scale = Tensor::empty({1}, x.dtype());
  const bool masked = (!traits_of(spec.scheme).clips || is_clipped(spec.surrogate)) && recording({x});
  Tensor mask;
  if (masked) mask = Tensor::empty({(x.size() + 7) / 8}, DType::kU8);
  by_float_type("quantize", x, [&]<class T>(T) {
    const Rule<T> rule = rule_of<T>(spec);
    const T* in = x.data<T>();
    uint8_t* inside = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(1, 1, [&](int64_t, int64_t, int) { *q.scale.mutable_data<T>() = rule.step; });
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      encode(rule, in + b, q.codes.mutable_bytes() + b, e - b);
      if (masked) range_mask(in + b, rule.inside_lo, rule.inside_hi, inside + b / 8, e - b);
    });
  });
  q.value =
      materialize_value ? expand(q.codes, q.scale, x.shape(), x.dtype()) : Tensor::virtual_like(x.shape(), x.dtype());
  List<SavedTensor> saved;
  if (masked) saved.push_back({"mask", mask});
  q.value = record("quantize", q.value, {x}, std::move(saved), [masked](const BackwardArgs& b) -> Tensors {
    if (!masked) return {b.grad};
    return {where_bits(b.grad, b[0], b.grad_room())};
  });
  return q;
}

Tensor magnitude_scale(const Tensor& w, const WeightGroups& groups, ScaleRule rule, double of_mean) {
  return scale_of_groups(w, groups, [rule, of_mean](const auto* in, int64_t g, const WeightGroups& of) {
    double sum = 0, most = 0;
    of.for_each(g, [&](int64_t i) {
      const double v = std::abs(double(in[i]));
      sum += v;
      if (v > most) most = v;
    });
    const double s = rule == ScaleRule::kMean ? of_mean * sum / double(of.size()) : most;
    return s > 0 ? s : 1.0;
  });
}

Quantized uniform_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const WeightGroups groups(w.shape(), spec.granularity);
  const CodeGrid grid = grid_of(spec, Operand::kWeight);
  const int h = -grid.add;
  Quantized q;
  // The reach of the codebook, and the step that codes are multiples of.
  const ScaleRule rule = spec.scheme == Scheme::kInt ? ScaleRule::kMax : spec.scale;
  const Tensor reach = rule == ScaleRule::kNone ? Tensor() : magnitude_scale(w, groups, rule, 2 * std::sqrt(h));
  q.codes = codes_of_weights(w, grid, groups, reach,
                             [h]<class T>(T v, T s) { return ref::round_to_code(v / s, T(h), -h, h); });
  q.scale = Tensor::empty(reach.defined() ? reach.shape() : Shape{1}, w.dtype());
  by_float_type("quantize", w, [&]<class T>(T) {
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      for (int64_t i = 0; i < q.scale.size(); ++i)
        q.scale.mutable_data<T>()[i] = (reach.defined() ? reach.data<T>()[i] : T(1)) / T(h);
    });
  });
  const bool clip = is_clipped(spec.surrogate);
  List<SavedTensor> saved;
  if (clip) saved = {{"input", w}, {"reach", reach}};
  q.value = record("quantize_weight", value_of(q, w, materialize_value), {w}, std::move(saved),
                   [clip, groups](const BackwardArgs& b) -> Tensors {
                     if (!clip) return {b.grad};
                     Tensor dw = Tensor::empty(b.grad.shape(), b.grad.dtype());
                     by_float_type("quantize", dw, [&]<class T>(T) {
                       const T *g = b.grad.data<T>(), *in = b[0].data<T>();
                       const T* s = b[1].defined() ? b[1].data<T>() : nullptr;
                       T* out = dw.mutable_data<T>();
                       parallel_for(dw.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
                         for (; i < e; ++i) {
                           const T most = s ? s[groups.of(i)] : T(1);
                           out[i] = in[i] >= -most && in[i] <= most ? g[i] : T(0);
                         }
                       });
                     });
                     return {dw};
                   });
  return q;
}

}  // namespace bantam
