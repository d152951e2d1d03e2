#include "ops/quant/twn.h"

#include "core/autograd.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

constexpr double kDelta = 0.7;

// In f64, whatever the weights are: sums of the same numbers.
template <class T>
double delta_of(const T* w, int64_t group, const WeightGroups& groups) {
  double sum = 0;
  groups.for_each(group, [&](int64_t i) { sum += std::abs(double(w[i])); });
  return kDelta * sum / double(groups.size());
}

}  // namespace

Quantized ternary_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const WeightGroups groups(w.shape(), spec.granularity);
  const Tensor delta = scale_of_groups(w, groups, []<class T>(const T* in, int64_t g, const WeightGroups& of) {
    return double(T(delta_of(in, g, of)));
  });
  Quantized q;
  q.scale = scale_of_groups(w, groups, []<class T>(const T* in, int64_t g, const WeightGroups& of) {
    const T least = T(delta_of(in, g, of));
    double sum = 0;
    int64_t n = 0;
    of.for_each(g, [&](int64_t i) {
      if (std::abs(in[i]) > least) sum += std::abs(double(in[i])), ++n;
    });
    return n ? sum / double(n) : 1.0;
  });
  q.codes = codes_of_weights(w, grid_of(spec, Operand::kWeight), groups, delta, []<class T>(T v, T least) {
    return v > least ? 2 : v < -least ? 0 : 1;
  });
  q.value = record("ternary_weight", value_of(q, w, materialize_value), {w}, {},
                   [](const BackwardArgs& b) -> Tensors { return {b.grad}; });
  return q;
}

}  // namespace bantam
