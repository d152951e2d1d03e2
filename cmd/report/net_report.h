// What a net costs, node by node, from its description alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/json.h"
#include "nn/net_spec.h"

namespace bantam {

struct NodeCost {
  std::string name, kind;
  std::vector<std::string> inputs;  // names of the nodes it reads
  Shape output;                // of one image, without the batch: [H,W,C] or [F]
  int64_t parameters = 0;      // trained ones; a slope that is shared counts where it comes first
  int64_t parameter_bits = 0;  // as deployed: weights have the bits of their codes, everything else 32
  int weight_bits = 0;         // of a convolution or linear layer: 1 to 8, or 32
  int64_t macs =
      0;  // multiply-accumulates of convolutions and linear layers for one image; biases, norms, pooling: none
  bool binary_macs = false;  // of 1-bit weights and signs: xnor and popcount
  bool code_macs = false;    // of codes, in integers
};

struct NetCost {
  std::vector<NodeCost> nodes;
  int64_t parameters = 0, parameter_bits = 0;
  int64_t float_macs = 0, code_macs = 0, binary_macs = 0;
};

NetCost cost_of(const NetSpec& spec);
std::string cost_text(const NetCost& cost);
Json cost_json(const NetCost& cost);

}  // namespace bantam
