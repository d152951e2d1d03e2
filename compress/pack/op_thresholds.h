// Integer comparisons in place of an op's stages [thresholds.h says for one channel what they are].
#pragma once

#include "compress/pack/fusion.h"

namespace bantam::packed {

// Of an op of integer sums whose codes alone are kept: replaces its stages, but for a max pool, by thresholds, if
// every channel has them and every stage a scalar form. Otherwise the op keeps its floats. Codes of more than 4 bits,
// of which there would be too many, keep them, too.
void use_thresholds(FileBuilder* file, Chain* chain, const QuantSpec& codes);

}  // namespace bantam::packed
