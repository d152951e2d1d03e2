#include "compress/soft_projection.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/parallel.h"
#include "core/pool.h"
#include "ops/dispatch.h"

namespace bantam {

void prox_quant(const LatentWeight& w, double t) {
  Tensor& value = w.weight->value;
  const Tensor target = quantized_value(w);
  by_float_type("prox_quant", value, [&]<class T>(T) {
    T* v = value.mutable_data<T>();
    const T* q = target.data<T>();
    parallel_for(value.size(), kElementGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        const T away = v[i] - q[i], left = std::max(std::abs(away) - T(t), T(0));
        v[i] = q[i] + (away < 0 ? -left : left);
      }
    });
  });
}

ProxQuant::ProxQuant(const NetSpec& spec, const Parameters& parameters, const Ramp& lambda, int64_t steps_per_epoch)
    : ramp_(lambda), steps_per_epoch_(steps_per_epoch) {
  for (const LatentWeight& w : latent_weights(spec, parameters)) latent_.emplace(w.weight, w);
  if (latent_.empty()) throw Error("prox: no layer of the net is quantized");
}

void ProxQuant::after_update(Parameter& p, double lr) {
  if (const auto found = latent_.find(&p); found != latent_.end()) prox_quant(found->second, lr * lambda_);
}

BinaryRelax::BinaryRelax(const NetSpec& spec, const Parameters& parameters, const Ramp& lambda, int64_t steps_per_epoch)
    : ramp_(lambda), steps_per_epoch_(steps_per_epoch) {
  static const std::string kLabel = "relax";
  for (const LatentWeight& w : latent_weights(spec, parameters)) {
    const AllocLabel label("optimizer", &kLabel);
    held_.emplace(w.weight, Held{w, Tensor::empty(w.weight->value.shape(), w.weight->value.dtype())});
  }
  if (held_.empty()) throw Error("relax: no layer of the net is quantized");
}

void BinaryRelax::begin(int64_t step) {
  const double lambda = ramp_value(ramp_, step / steps_per_epoch_);
  for (auto& [p, held] : held_) {
    Tensor& value = held.latent.weight->value;
    const Tensor target = quantized_value(held.latent);
    by_float_type("relax", value, [&, y = &held.y]<class T>(T) {
      T *v = value.mutable_data<T>(), *keep = y->mutable_data<T>();
      const T* q = target.data<T>();
      parallel_for(value.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
        for (int64_t i = b; i < e; ++i) {
          keep[i] = v[i];
          v[i] = T((double(v[i]) + lambda * double(q[i])) / (1 + lambda));
        }
      });
    });
  }
}

double BinaryRelax::add_gradient(Parameter& p) {
  if (const auto found = held_.find(&p); found != held_.end()) std::swap(p.value, found->second.y);
  return 0;
}

}  // namespace bantam
