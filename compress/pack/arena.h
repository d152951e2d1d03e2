// Where a packed model's tensors lie in the arena.
#pragma once

#include "compress/pack/packed_file.h"

namespace bantam::packed {

// Sets the tensors' offsets and header.arena_base from the ops that write and read them [planner.h]. Throws Error if
// the arena would be larger than the format allows.
void place_tensors(FileBuilder* file);

}  // namespace bantam::packed
