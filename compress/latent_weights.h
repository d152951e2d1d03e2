// The real weights behind quantized ones: what training moves, and what penalties, projections and reports look at.
#pragma once

#include <string>
#include <vector>

#include "nn/parameters.h"

namespace bantam {

struct LatentWeight {
  std::string layer = {};
  Parameter* weight = nullptr;  // [K, ..., C]
  Parameter* scale = nullptr;   // a learned one; else null
  QuantSpec quant = {};
};

// Of each layer whose weights have codes, in the net's order; floats of 16 bits have none.
std::vector<LatentWeight> latent_weights(const NetSpec& spec, const Parameters& parameters);

// What the layer computes with in evaluation, a constant: scale * code, or of a table its entry.
Tensor quantized_value(const LatentWeight& w);

}  // namespace bantam
