#include "compress/angle_penalty.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

constexpr double kLeastNorms = 1e-8;

// Where Quant(v) is the sign, whatever the scale.
bool is_signs(const QuantSpec& quant) { return grid_of(quant, Operand::kWeight).is_signs(); }

// Of a vector v and its reference; q null: the signs of v.
struct Sums {
  double dot = 0, vv = 0, qq = 0;

  double norms() const { return std::max(std::sqrt(vv) * std::sqrt(qq), kLeastNorms); }
  double cosine() const { return dot / norms(); }
};

template <class T>
Sums sums_of(const WeightGroups& groups, int64_t group, const T* v, const T* q) {
  Sums s;
  groups.for_each(group, [&](int64_t i) {
    const double x = v[i], y = q ? double(q[i]) : sign_value(x);
    s.dot += x * y, s.vv += x * x, s.qq += y * y;
  });
  return s;
}

// g += factor * d(1 - cos)/dv.
template <class T>
void add_to(T* g, const Sums& s, double factor, const WeightGroups& groups, int64_t group, const T* v, const T* q) {
  const double norms = std::sqrt(s.vv) * std::sqrt(s.qq);
  const double of_q = -factor / s.norms();
  const double of_v = norms > kLeastNorms ? factor * s.cosine() / s.vv : 0;  // else the norms count as a constant
  groups.for_each(group, [&](int64_t i) {
    const double x = v[i], y = q ? double(q[i]) : sign_value(x);
    g[i] += T(of_q * y + of_v * x);
  });
}

}  // namespace

double angle_penalty(const LatentWeight& w, double factor, Tensor* gradient) {
  const Tensor& value = w.weight->value;
  const WeightGroups groups(value.shape(), w.quant.granularity);
  const Tensor reference = is_signs(w.quant) ? Tensor() : quantized_value(w);
  const double share = factor / double(groups.count());
  double sum = 0;
  by_float_type("angle_penalty", value, [&]<class T>(T) {
    const T *v = value.data<T>(), *q = reference.defined() ? reference.data<T>() : nullptr;
    T* g = gradient ? gradient->mutable_data<T>() : nullptr;
    const int64_t grain = std::max<int64_t>(1, kElementGrain / groups.size());
    sum = parallel_sum(groups.count(), grain, [&](int64_t begin, int64_t end) {
      double part = 0;
      for (int64_t group = begin; group < end; ++group) {
        const Sums s = sums_of(groups, group, v, q);
        part += 1 - s.cosine();
        if (g) add_to(g, s, share, groups, group, v, q);
      }
      return part;
    });
  });
  return share * sum;
}

AnglePenalty::AnglePenalty(const NetSpec& spec, const Parameters& parameters, const Ramp& beta, int64_t steps_per_epoch,
                           PenaltyMean mean)
    : ramp_(beta), steps_per_epoch_(steps_per_epoch) {
  const std::vector<LatentWeight> all = latent_weights(spec, parameters);
  if (all.empty()) throw Error("angle penalty: no layer of the net is quantized");
  const auto vectors = [](const LatentWeight& w) {
    return double(WeightGroups(w.weight->value.shape(), w.quant.granularity).count());
  };
  double total = 0;
  for (const LatentWeight& w : all) total += mean == PenaltyMean::kLayers ? 1 : vectors(w);
  for (const LatentWeight& w : all)
    shares_.emplace(w.weight, Share{w, (mean == PenaltyMean::kLayers ? 1 : vectors(w)) / total});
}

double AnglePenalty::add_gradient(Parameter& p) {
  const auto found = shares_.find(&p);
  if (found == shares_.end() || beta_ == 0) return 0;
  return angle_penalty(found->second.latent, beta_ * found->second.of_mean, &p.grad);
}

}  // namespace bantam
