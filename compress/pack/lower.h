// What each kind of node becomes in a packed model: one table, whose rows stand in lower_<family>.cc. A kind without a
// row, or a node that its row cannot start, is refused by name: "the packed format has no such operation".
#pragma once

#include <span>

#include "compress/pack/fusion.h"
#include "compress/pack/pack_state.h"

namespace bantam::packed {

struct Lowering {
  Kind kind = Kind::kInput;
  // Changes the node nothing, in evaluation and in memory? Its value is its input's then. Null: it never vanishes.
  bool (*vanishes)(const PackState& s, int node) = nullptr;
  // Makes the op that begins with the node, with all that fuses into it [fusion.h]. Null: there is no such op.
  void (*start)(PackState* s, int node) = nullptr;
  // The stage that the node is behind other rows: its first operand is the chain's value. Null: it is no stage.
  StageRecord (*stage)(PackState* s, const StagePlace& at) = nullptr;
  // May the node join the chain whose value so far is that of node `from`? Null: a stage may, always.
  bool (*joins)(const PackState& s, const Chain& chain, int node, int from) = nullptr;
};

// The row of a kind, or null.
const Lowering* lowering_of(Kind kind);
// Makes the op that begins with the node; refuses what has none.
void lower(PackState* s, int node);

// The rows, by family.
std::span<const Lowering> conv_lowerings();         // convolutions and linear layers
std::span<const Lowering> elementwise_lowerings();  // norms, activations, sums, quantizers
std::span<const Lowering> pool_lowerings();
std::span<const Lowering> shape_lowerings();        // the image, and what only changes a shape

}  // namespace bantam::packed
