// Dropout, x of any shape, f32 or f64. [T 2.3] [Srivastava et al. 2014]
//
//   y = keep ? x / (1 - p) : 0, where element i is kept if the i-th uniform number of `rng` is at least p
//   gradient: keep ? dy / (1 - p) : 0; saves the mask, a bit an element
// The mask is a function of the stream alone: Rng(seed, kRngDropout, node, step) makes a resumed run drop what the
// uninterrupted one drops. In evaluation do not call it: dropout is then the identity.
#pragma once

#include "core/rng.h"
#include "core/tensor.h"

namespace bantam {

// p in [0, 1), else throws Error. p = 0 gives x itself.
Tensor dropout(const Tensor& x, double p, const Rng& rng);

}  // namespace bantam
