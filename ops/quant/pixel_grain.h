// How work over codes is cut. For ops/quant alone.
#pragma once

#include "core/base/fixed_point.h"
#include "core/parallel.h"

namespace bantam {

// Pixels of a chunk: a multiple of 8, so that its first element starts a byte of a mask.
inline int64_t pixel_grain(int64_t channels) { return 8 * ceil_div(kElementGrain, 8 * channels); }

}  // namespace bantam
