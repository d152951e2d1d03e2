// Where tensors lie in the arena: two tensors may share bytes if no moment needs both.
#pragma once

#include <cstdint>
#include <vector>

namespace bantam::packed {

// A tensor is written by op `first` and last read by op `last` (at least `first`), both included.
struct Lifetime {
  uint64_t bytes = 0;
  int first = 0, last = 0;
};

struct ArenaPlan {
  std::vector<uint64_t> offsets;  // multiples of `align`
  uint64_t bytes = 0;             // one past the last byte, rounded up to `align`
};

// Greedy by size, each tensor at the lowest offset that is free during its whole life (first fit): the larger a tensor,
// the fewer holes it fits in. Not always the smallest plan (that is NP-hard); never below the largest sum of living
// tensors.
ArenaPlan plan_arena(const std::vector<Lifetime>& tensors, uint64_t align);

// The largest sum of tensors alive at one moment: what no plan can undercut.
uint64_t live_bytes(const std::vector<Lifetime>& tensors, uint64_t align);

}  // namespace bantam::packed
