// A kind of node as a room: all that the engine knows of it stands in one file, nn/kinds/<word>.cc, behind this table.
// (What the packed model makes of it stands in compress/pack/lower_<family>.cc.) Nobody else switches over kinds.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/net_spec.h"
#include "nn/parameters.h"
#include "ops/norm_act.h"
#include "ops/quant/quantized.h"

namespace bantam {

// A node in its net: what shapes, parameters and costs are functions of.
struct NodeView {
  const NetSpec& spec;
  size_t index;
  const std::vector<Shape>& shapes;  // of every node's output for one image; those of later nodes may be missing

  const NodeSpec& node() const { return spec.nodes[index]; }
  const NodeSpec& source(size_t i = 0) const { return spec.nodes[size_t(node().inputs[i])]; }
  const Shape& in(size_t i = 0) const { return shapes[size_t(node().inputs[i])]; }
  const Shape& out() const { return shapes[index]; }
  template <class C>
  const C& config() const {
    return std::get<C>(node().config);
  }
};

// How the channels of a node's output hang together with those of its inputs: what pruning may remove together.
enum class Channels : uint8_t {
  kSame,    // channel c of the output is channel c of every input
  kFirst,   // ... of the first input; the others' channels are all taken together
  kNew,     // every output channel is made of all input channels (of its group)
  kJoined,  // the inputs' channels one after the other
  kFlat,    // each input channel becomes one output channel a pixel
};

// What is known of a value's sign.
enum class SignRule : uint8_t { kAny, kNeverNegative, kAsInputs };

class NodePass;  // nn/kinds/pass.h

struct KindRoom {
  Kind kind;
  const char* name;
  int inputs;                    // how many; -1: two or more
  Config (*config)() = nullptr;  // the default one; null: NoConfig
  // The output's shape [n,...] for these inputs. Throws Error by fail() below.
  Shape (*shape)(const NodeSpec& node, const std::vector<Shape>& in, int64_t n);
  // The node's value in a pass. Null for the input, which a pass is given.
  Quantized (*run)(const NodePass& pass);
  Channels channels = Channels::kSame;
  // Makes its config one for an input of `in` channels, which had in_before, and an output of `out`; a depthwise
  // convolution's output follows its input. Null for a kind whose config names no channels.
  void (*resize)(NodeSpec* node, int64_t in_before, int64_t in, int64_t out) = nullptr;
  // What it learns, none for most.
  NodeParameters (*parameters)(const NodeView& node) = nullptr;
  // Multiply-accumulates for one image; only convolutions and linear layers are counted.
  int64_t (*macs)(const NodeView& node) = nullptr;
  // How its weights are quantized; null for a kind without.
  const QuantSpec* (*weight)(const NodeSpec& node) = nullptr;
  // The stage that it becomes before or behind a norm which training runs as one operation with it (ops/norm_act.h).
  std::optional<NormPre> before_norm = std::nullopt;
  std::optional<NormPost> behind_norm = std::nullopt;
  bool behind_sum = false;  // ... behind a residual sum, too
  // Its output is made again from its input where backward reads it: a chain of norms that are made again goes on.
  bool remade_from_input = false;
  SignRule sign = SignRule::kAny;
  // Passes an input of bytes on as it is; whoever does not is handed its values.
  bool takes_bytes = false;
};

const KindRoom& room_of(Kind kind);

// Throws Error "net: NAME (KIND): WHAT".
[[noreturn]] void fail(const NodeSpec& node, const std::string& what);

// Of a kind with that config; fails where the node's is another's.
template <class C>
const C& config_of(const NodeSpec& node) {
  const C* c = std::get_if<C>(&node.config);
  if (!c) fail(node, "its config is of another kind");
  return *c;
}

// For shape rules: fail() unless lo <= v <= hi; unless the shape is an image's.
void check_range(const NodeSpec& node, const char* what, int64_t v, int64_t lo, int64_t hi);
void check_image(const NodeSpec& node, const Shape& in);
void check_quant(const NodeSpec& node, const QuantSpec& spec, Operand operand);
// Output size along one axis of a window that slides; fails where it is larger than its padded input.
int64_t slide(const NodeSpec& node, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation);
// Shape rules of several kinds: the input's; that of two equal inputs; of a window that slides over an image.
Shape same_shape(const NodeSpec& node, const std::vector<Shape>& in, int64_t n);
Shape equal_shapes(const NodeSpec& node, const std::vector<Shape>& in, int64_t n);
Shape pooled_shape(const NodeSpec& node, const std::vector<Shape>& in, int64_t n);

// How a layer's bias starts.
Initial initial_bias(Init init, int64_t fan_in);

constexpr int64_t kMaxDim = 1 << 24;  // of any one dimension of a net read from a file

}  // namespace bantam
