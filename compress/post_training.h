// Quantization of a trained net of floats without training: int8, or fewer bits. (Jacob et al. 2018, Nagel et al. 2019)
//
//   1. Norms are folded into the layers before them (fold_norms.h).
//   2. Weights become codes of even steps, the largest |w| of each output channel being the last; what each layer reads
//      becomes codes of a range [low, high] with its zero point. A relu that only such layers read is that range's end.
//   3. Ranges are measured on images: the least and largest value; or those that leave out the outermost values; or
//      those whose codes have the least mean squared error.
//   4. What quantization moves the mean of each output channel by, measured on the same images, is taken back by the
//      layer's bias, layer after layer.
//
// The result is an ordinary net: it is evaluated, trained further (the straight-through gradient of
// ops/quant/uniform.h), packed and verified like any other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "nn/net.h"

namespace bantam {

enum class RangeRule : uint8_t { kMinMax, kPercentile, kMse };
constexpr const char* name_of(RangeRule rule) {
  switch (rule) {
    case RangeRule::kMinMax:
      return "minmax";
    case RangeRule::kPercentile:
      return "percentile";
    case RangeRule::kMse:
      return "mse";
  }
  return nullptr;
}

struct PostTraining {
  int weight_bits = 8, activation_bits = 8;  // 2 to 8
  RangeRule range = RangeRule::kMse;
  double percentile = 99.99;  // of the values that kPercentile keeps
  bool first = true, last = true;
  bool bias_correction = true;
};

// What was measured of one quantized value.
struct MeasuredRange {
  std::string node = {};
  double least = 0, largest = 0;  // of all values
  double low = 0, high = 0;       // taken
};

// `batch(i)` is the i-th of `batches` batches of images. Throws Error where the net is quantized already, or is not
// f32; where an image gives a value that is not finite; where nothing above or below 0 was measured.
std::unique_ptr<Net> quantize_after_training(const Net& net, const PostTraining& how, int64_t batches,
                                             const std::function<Input(int64_t)>& batch,
                                             std::vector<MeasuredRange>* measured = nullptr);

// The net with every layer's real weights as floats of 16 bits (Scheme::kF16 or kBf16), which take half the room in a
// packed file; quantized weights and all else stay. Throws Error where no layer has real weights.
std::unique_ptr<Net> halve_weights(const Net& net, Scheme half);

}  // namespace bantam
