// Which nodes of a net training runs as one: a batch norm with the activation before it, the residual sum and the
// activation behind it (ops/norm_act.h), and the convolution and max pool that feed it, where they are cheap enough to
// be computed again in backward (nn/batch_blocks.h). A tap and evaluation see the nodes one by one; the values are the
// same.
#pragma once

#include <vector>

#include "nn/net_spec.h"
#include "ops/quant/quantize.h"

namespace bantam {

// Nodes by index, -1 where there is none; in the order in which the net runs them. Each but the last is read by the
// next alone.
struct NormGroup {
  int conv = -1, pool = -1;  // cheap convolution, and, of signs, the max pool behind it
  int pre = -1;              // relu or prelu
  int norm = -1;
  int add = -1;
  int post = -1;             // relu; or hardtanh or hard_swish, without add
  int source = -1;           // what the first of them reads
  int residual = -1;         // what the add reads besides
  int end = -1;              // the last of them
};

// How often each node's value is read; by the caller, too, where it is an output.
std::vector<int> count_readers(const NetSpec& spec);

// One for each norm. shapes: of every node's output (infer_shapes).
std::vector<NormGroup> find_norm_groups(const NetSpec& spec, const std::vector<Shape>& shapes);

// Is a convolution worth computing twice: one on bits, or one with few products an output (a first layer)?
bool is_cheap(const NetSpec& spec, const std::vector<Shape>& shapes, int conv);
// How a convolution or linear layer multiplies; kReal for any other node.
Arithmetic arithmetic_of_layer(const NetSpec& spec, int node);
// Is it one of 1-bit weights on signs, for xor and popcount?
inline bool is_binary_layer(const NetSpec& spec, int node) {
  return arithmetic_of_layer(spec, node) == Arithmetic::kBits;
}

}  // namespace bantam
