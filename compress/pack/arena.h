// Where a packed model's tensors lie in the arena.
#pragma once

#include "compress/pack/packed_file.h"

namespace bantam::packed {

// Sets the offsets of the tensors from first_tensor on, and s.arena_base, from the ops of the switch, which write and
// read them [planner.h]. Throws Error if the arena would be larger than the format allows.
void place_tensors(FileBuilder* file, size_t first_tensor, SwitchRecord* s);

}  // namespace bantam::packed
