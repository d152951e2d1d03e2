// What packing knows of a net while it walks over it, and what has been packed so far. Inside compress/pack only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compress/pack/packed_file.h"
#include "compress/pack/trained_net.h"
#include "compress/runtime/geometry.h"

namespace bantam::packed {

// A node's value as the packed model holds it: as floats, as bits or codes, as both, or (so far) not at all. Tensors'
// indices.
struct Value {
  uint32_t f32 = kNone, codes = kNone;
};

struct PackState {
  explicit PackState(const TrainedNet& trained);
  PackState(const PackState&) = delete;

  const TrainedNet net;
  const NetSpec spec;                        // its ranges and learned scales of activations as constants
  const std::vector<Shape> shapes;           // of every node's output
  std::vector<Value> values;                 // of every node
  std::vector<bool> covered;                 // is the node part of an op?
  std::vector<std::vector<int>> consumers;   // of every node's value, past the nodes that vanish
  FileBuilder file;
  // Integer layers' weights in panels of so many channels, as the target that they are for reads them; 0: as rows.
  int panel = 0;

  int nodes() const { return int(spec.nodes.size()); }
  const NodeSpec& node(int i) const { return spec.nodes[size_t(i)]; }
  template <class C> const C& config(int i) const { return std::get<C>(node(i).config); }
  bool vanishes(int i) const;                // [lower.h]
  int real(int i) const;                     // the node whose value a node's is: itself, if it does not vanish
  int input(int i, size_t which = 0) const { return real(node(i).inputs[which]); }
  int other_input(int i, int from) const { return input(i, 0) == from ? input(i, 1) : input(i, 0); }
  int output() const { return real(nodes() - 1); }
  Dims dims(uint32_t tensor) const {
    const TensorRecord& t = file.tensors[tensor];
    return {t.h, t.w, t.c, t.elements()};
  }
};

// Throws Error "pack: NODE (KIND): why".
[[noreturn]] void refuse(const PackState& s, int node, const std::string& why);

// v[n]; refuses the node if a value is not finite: what that would make of a sign is not worth shipping.
const float* finite(const PackState& s, int node, const std::string& name, const float* v, int64_t n);
// Values [n] of a parameter. Refuses the node if there is none of that size, or one is not finite.
const float* parameter(const PackState& s, int node, const std::string& name, int64_t n);

// A new tensor of floats, or of bits or codes, which holds the node's value. Returns its index.
uint32_t add_tensor(PackState* s, int node, const TensorRecord& type, uint64_t h, uint64_t w, uint64_t c);
// The type of a tensor that holds activations quantized so: bits, or codes with all that makes them from floats.
TensorRecord type_of(const QuantSpec& codes);

}  // namespace bantam::packed
