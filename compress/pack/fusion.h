// Nodes that run as one op: a source, and the nodes behind it as its stages, as long as nobody else reads what lies
// between.
#pragma once

#include <cstdint>
#include <vector>

#include "compress/pack/pack_state.h"

namespace bantam::packed {

// An op under construction.
struct Chain {
  explicit Chain(int node) : root(node) {}
  int root;      // the node that starts it
  OpRecord op;
  Dims in;       // of the source's input
  Elements out = {};  // of the codes that it makes besides floats
  std::vector<StageRecord> stages;
  std::vector<int> nodes;  // of the stages; the root's for its own bias
  // Of the rows that stages work on.
  uint32_t channels() const {
    if (op.k) return op.k;
    if (Source(op.source) == Source::kFeatures) return in.h * in.w * in.c;
    uint32_t c = in.c;
    for (const StageRecord& s : stages) c += s.c;  // 0 but for those of kConcat
    return c;
  }
};

// Where a node becomes a stage: behind rows of so many channels, which are the value of node `from`.
struct StagePlace {
  int node, from;
  uint32_t channels;
};

// The tensor of floats that holds a node's value; made from its codes if need be.
uint32_t f32_of(PackState* s, int node);

// An op that loads the node's first operand, with the node as its first stage, and what follows it.
void start_with_load(PackState* s, int node);

// Takes in the nodes behind the chain that may join it, then adds the op.
void extend(PackState* s, Chain* chain);

// Adds the op; its floats are node `f32`'s value (or -1), its bits or codes are the values of the quantize nodes in
// `codes`, which are quantized alike.
void add_op(PackState* s, Chain* chain, int f32, const std::vector<int>& codes);

}  // namespace bantam::packed
