// How many output rows and channels a task of an op takes.
#pragma once

#include "compress/pack/fusion.h"

namespace bantam::packed {

// Sets op.band: enough pixels for the kernels' tiles, as long as the scratch stays small; and op.part, where rows alone
// make too few tasks for several lanes. Returns the geometry with them; refuses the node whose record is impossible.
Geometry choose_band(const PackState& s, Chain* chain);

}  // namespace bantam::packed
