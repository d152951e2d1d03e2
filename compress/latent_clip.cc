#include "compress/latent_clip.h"

#include <algorithm>

#include "compress/latent_weights.h"
#include "core/parallel.h"

namespace bantam {

LatentClip::LatentClip(const NetSpec& spec, const Parameters& parameters, double bound) : bound_(bound) {
  for (const LatentWeight& w : latent_weights(spec, parameters)) latent_.insert(w.weight);
  if (latent_.empty()) throw Error("latent clip: no layer of the net is quantized");
}

void LatentClip::after_update(Parameter& p, double) {
  if (!latent_.count(&p)) return;
  const auto clip = [&]<class T>(T* w) {
    parallel_for(p.value.size(), kElementGrain, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) w[i] = std::clamp(w[i], T(-bound_), T(bound_));  // NaN stays
    });
  };
  if (p.value.dtype() == DType::kF64)
    clip(p.value.mutable_data<double>());
  else
    clip(p.value.mutable_data<float>());
}

}  // namespace bantam
