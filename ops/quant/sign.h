// sign(x): +1 for x >= 0, -1 otherwise (NaN included): the binary codebook of [T 3.2.2].
//
// Its derivative is 0 almost everywhere; the gradient is that of a declared surrogate [Eq. 3.10]:
//   kIdentity   dx = dq                 of x itself
//   kClip       dx = dq * 1{|x| <= 1}   of hardtanh(x); the bounds count as inside, NaN as outside
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// Of activations, x [..., C] f32 or f64: bits, step 1. The value is left without elements unless `materialize_value`:
// for those whose every reader takes the codes.
// Saves nothing (kIdentity), or the mask |x| <= 1 as bits (kClip).
Quantized sign(const Tensor& x, Surrogate surrogate, bool materialize_value = false);

// Of weights: a tensor of +-1, their projection [Eq. 3.11]; with kIdentity they get the gradient at it. [Eq. 3.12]
// Saves its input, which for a parameter costs nothing, and makes its output again from it where backward wants it.
Tensor sign_ste(const Tensor& w, Surrogate surrogate);

}  // namespace bantam
