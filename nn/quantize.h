// Precision as a transformation: a float net as the zoo builds it -> its quantized form. [T 3.2.2]
//
// A layer is a convolution or a linear layer. Each gets the scheme of its weights; with quantized activations, each
// layer's input becomes a quantize node: in place of a relu that only such layers read (the sign of what a relu lets
// through would always be +1, and a codebook from 0 up takes what is below as 0), behind the value otherwise. The first
// and the last layer stay real unless said otherwise.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/net_spec.h"

namespace bantam {

struct QuantRecipe {
  QuantSpec weight = {};
  QuantSpec activation{.surrogate = Surrogate::kClip};
  bool first = false, last = false;  // are the first and the last layer quantized, too?
  bool input_scale = false;          // are the sums of layers that read signs times XNOR-Net's K [input_scale.h]?

  // What else the layers take whose names match a pattern, where '*' stands for any text. Later ones win, and
  // win over `first` and `last`.
  struct Layer {
    std::string pattern = {};
    std::optional<Scheme> weight = {}, activation = {};
    std::optional<int> weight_bits = {}, activation_bits = {};
  };
  std::vector<Layer> layers = {};

  bool changes_nothing() const {
    return weight.scheme == Scheme::kNone && activation.scheme == Scheme::kNone && layers.empty();
  }
};

// "conv2: weight = none; layer3.*: weight = dorefa, weight_bits = 4, activation = none" -> the list. Throws Error
// saying what is wrong.
std::vector<QuantRecipe::Layer> parse_quant_layers(const std::string& text);

// Throws Error naming the layer: a sign of values that are never negative; a codebook that is not for weights, or not
// for activations, or not for so few bits; a pattern that no layer matches; a net that is quantized already.
NetSpec quantize(const NetSpec& spec, const QuantRecipe& recipe);

// A quantized net with the real weights behind it, activations as they are: what non-lazy training runs over the same
// parameters. [T 6.4.3] A learned scale of weights is read by no node of it.
NetSpec real_weights(NetSpec spec);

}  // namespace bantam
