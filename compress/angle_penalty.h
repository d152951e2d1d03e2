// The angle between latent weights and what they are quantized to, as a penalty: angle-penalized scaled quantization
// (APSQ). [T 6.4.2]
//
//   v_n     the n-th vector: latent weights that share a scale (kernel, channel or layer, by QuantSpec::granularity)
//   q_n     Quant(v_n), a constant: no gradient flows through it
//   cos_n   v_n . q_n / (|v_n| |q_n|), Euclidean norms; their product counts as 1e-8 where it is less
//   R       mean of 1 - cos_n                                                                        [Eq. 6.7]
//           with signs: v . q = |v|_1, and |q| = sqrt(numel): nothing has to be quantized            [Eq. 6.8]
//   dcos/dv = q / (|v| |q|) - cos v / |v|^2                                                          [Eq. 6.17]
//   loss    = task's + beta R                                                                        [Eq. 6.6]
//
// R is bounded and does not depend on the weights' magnitude, so that beta may be large. The mean is that over a
// layer's vectors, then over layers: the beta of published runs were found with it. The text averages over all vectors
// of the net (PenaltyMean::kVectors), which gives almost all weight to the layers with most kernels.
//
// With the forward pass on quantized weights the task's gradient is taken at Quant(v), R's at v: lazy training
// [Eq. 6.11]; with a training plan of real weights (real_weights() in nn/quantize.h) both are taken at v: non-lazy
// training. [Eq. 6.12] Either way evaluation quantizes.
#pragma once

#include <map>

#include "compress/latent_weights.h"
#include "compress/step/step.h"
#include "optim/schedule.h"

namespace bantam {

enum class PenaltyMean : uint8_t {
  kLayers,   // over a layer's vectors, then over layers
  kVectors,  // over all vectors of the net
};
constexpr const char* name_of(PenaltyMean mean) {
  switch (mean) {
    case PenaltyMean::kLayers:
      return "layers";
    case PenaltyMean::kVectors:
      return "vectors";
  }
  return nullptr;
}

// R of one layer: the mean of 1 - cos_n over its vectors. With `gradient`, a tensor of the weights' shape and type,
// factor * dR/dv is added to it; returns factor * R.
double angle_penalty(const LatentWeight& w, double factor, Tensor* gradient);
// 1 - R: the mean cosine between the layer's vectors and what they are quantized to.
inline double mean_cosine(const LatentWeight& w) { return 1 - angle_penalty(w, 1, nullptr); }

class AnglePenalty : public StepHook {
 public:
  // beta by epoch of `steps_per_epoch` steps. Throws Error if no layer is quantized.
  AnglePenalty(const NetSpec& spec, const Parameters& parameters, const Ramp& beta, int64_t steps_per_epoch,
               PenaltyMean mean = PenaltyMean::kLayers);
  const char* name() const override { return "angle"; }
  void begin(int64_t step) override { beta_ = ramp_value(ramp_, step / steps_per_epoch_); }
  double add_gradient(Parameter& p) override;

 private:
  struct Share {
    LatentWeight latent;
    double of_mean;  // its part in the mean over layers
  };
  std::map<const Parameter*, Share> shares_;
  Ramp ramp_;
  int64_t steps_per_epoch_;
  double beta_ = 0;
};

}  // namespace bantam
