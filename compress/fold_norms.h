// Norms in evaluation as part of the layer before them: y = a (w * x + b) + c is a layer of weights a w and bias
// a b + c.
#pragma once

#include <memory>

#include "nn/net.h"

namespace bantam {

// The net without each norm that alone reads a convolution or linear layer of real weights, whose weights and bias (in
// f32, each rounded once) take it in; a layer without a bias gets one. Other norms stay. Names stay. f32 nets.
std::unique_ptr<Net> fold_norms(const Net& net);

}  // namespace bantam
