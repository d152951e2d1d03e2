// How one net runs: a NetSpec and all that follows from it alone. A plan is immutable and cheap to copy; several may
// run over the same Parameters (widths, precisions, pruned forms of one net).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/net_spec.h"
#include "nn/norm_groups.h"
#include "nn/parameters.h"

namespace bantam {

// Nodes begin + 1 to end, which read nothing older than begin's value; both are of Plan::cuts().
struct Segment {
  int begin = 0, end = 0;
};

class Plan {
 public:
  // Throws Error if the net is malformed.
  explicit Plan(NetSpec spec);

  const NetSpec& spec() const { return made_->spec; }
  const std::vector<Shape>& shapes() const { return made_->shapes; }  // of every node's output, for one image
  const InputConfig& input() const { return std::get<InputConfig>(spec().nodes[0].config); }
  size_t size() const { return spec().nodes.size(); }

  // Nodes at which the net can be cut: all that later nodes read is their value, and they are no codes. The input and
  // the output are the first and the last.
  std::vector<int> cuts() const;

  // What training runs as one, and which of them a node is part of; -1 for none.
  const std::vector<NormGroup>& norm_groups() const { return made_->norm_groups; }
  int group_of(size_t node) const { return made_->group_of[node]; }
  // Values that nobody reads after a node, where nodes run one by one, and where they run in groups.
  const std::vector<int>& last_reads(size_t node, bool grouped) const { return made_->last_reads[grouped][node]; }
  // How a convolution or linear layer multiplies.
  Arithmetic arithmetic(size_t node) const { return made_->arithmetic[node]; }
  // ... by xor and popcount, on bits.
  bool is_binary(size_t node) const { return arithmetic(node) == Arithmetic::kBits; }
  // ... in integers, on codes of both operands.
  bool is_integer(size_t node) const { return is_binary(node) || arithmetic(node) == Arithmetic::kCodes; }
  // A convolution whose only reader is a max pool, and that may be computed again.
  bool is_cheap_before_pool(size_t node) const { return made_->cheap_before_pool[node]; }
  // Is a quantize node's value read by anything but integer layers?
  bool real_value_used(size_t node) const { return made_->real_value_used[node]; }
  const NodeParameters& parameters(size_t node) const { return made_->parameters[node]; }

 private:
  friend class Parameters;
  struct Made {
    NetSpec spec;
    std::vector<Shape> shapes;
    std::vector<NodeParameters> parameters;
    std::vector<NormGroup> norm_groups;
    std::vector<int> group_of;
    std::vector<std::vector<int>> last_reads[2];
    std::vector<Arithmetic> arithmetic;
    std::vector<bool> cheap_before_pool, real_value_used;
  };
  static void plan_reads(Made* m);

  std::shared_ptr<const Made> made_;
};

}  // namespace bantam
