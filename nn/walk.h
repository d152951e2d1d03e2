// Pieces of a walk over a plan's nodes. For nn/ alone.
#pragma once

#include "nn/kinds/pass.h"

namespace bantam {

// Nodes first to last. chain: of each value, through how many norms it would be made again. `out`, if given, gets the
// values that somebody asked for.
void run_nodes(int first, int last, const Pass& pass, List<Quantized>* values, List<int>* chain, Outputs* out);

// A segment as one operation, which runs a second time in backward.
Tensor run_segment(const Pass& pass, const Segment& segment, const Quantized& x);

}  // namespace bantam
