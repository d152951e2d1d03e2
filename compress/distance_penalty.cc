#include "compress/distance_penalty.h"

#include <cmath>

#include "core/parallel.h"
#include "ops/dispatch.h"

namespace bantam {

double distance_penalty(const LatentWeight& w, int p, double factor, Tensor* gradient) {
  const Tensor& value = w.weight->value;
  const Tensor target = quantized_value(w);
  const double share = factor / double(value.size());
  double norm = 0;
  by_float_type("distance_penalty", value, [&]<class T>(T) {
    const T *v = value.data<T>(), *q = target.data<T>();
    const double sum = parallel_sum(value.size(), kElementGrain, [&](int64_t begin, int64_t end) {
      double part = 0;
      for (int64_t i = begin; i < end; ++i) {
        const double lambda = double(v[i]) - double(q[i]);
        part += p == 1 ? std::abs(lambda) : lambda * lambda;
      }
      return part;
    });
    norm = p == 1 ? sum : std::sqrt(sum);
    if (!gradient || norm == 0) return;
    T* g = gradient->mutable_data<T>();
    const double of_lambda = p == 1 ? share : share / norm;
    parallel_for(value.size(), kElementGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const double lambda = double(v[i]) - double(q[i]);
        g[i] += T(of_lambda * (p == 2 ? lambda : lambda > 0 ? 1 : lambda < 0 ? -1 : 0));
      }
    });
  });
  return share * norm;
}

DistancePenalty::DistancePenalty(const NetSpec& spec, const Parameters& parameters, int p, const Ramp& weight,
                                 int64_t steps_per_epoch)
    : p_(p), ramp_(weight), steps_per_epoch_(steps_per_epoch) {
  if (p != 1 && p != 2) throw Error("distance penalty: p is 1 or 2, not " + std::to_string(p));
  for (const LatentWeight& w : latent_weights(spec, parameters)) latent_.emplace(w.weight, w);
  if (latent_.empty()) throw Error("distance penalty: no layer of the net is quantized");
}

double DistancePenalty::add_gradient(Parameter& p) {
  const auto found = latent_.find(&p);
  if (found == latent_.end() || weight_ == 0) return 0;
  return distance_penalty(found->second, p_, weight_ / double(latent_.size()), &p.grad);
}

}  // namespace bantam
