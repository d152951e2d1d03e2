// Integer comparisons in place of an op's stages [thresholds.h says for one channel what they are].
#pragma once

#include "compress/pack/fusion.h"

namespace bantam::packed {

// Of an xnor op whose signs alone are kept: replaces its stages, but for a max pool, by thresholds, if every channel
// has them and every stage a scalar form. Otherwise the op keeps its floats.
void use_thresholds(FileBuilder* file, Chain* chain);

}  // namespace bantam::packed
