// A piece of a net run a few images at a time: what lies between its ends never exists for the whole batch, neither forward
// nor backward, where the piece is computed again. The executor does this to a cheap convolution and the max pool behind it,
// whose full-size output would be the largest tensor of the step.
#pragma once

#include <functional>
#include <vector>

#include "core/autograd.h"
#include "ops/quant/quantized.h"

namespace bantam {

// y = piece(x, rest): x [N,...], real or signs; rest: the parameters. The piece must treat images independently.
using Piece = std::function<Tensor(const Quantized& x, const std::vector<Tensor>& rest)>;

// Equal to piece(x, rest) bit for bit; gradients of `rest` are summed block by block. Blocks have `block` images. Saves the
// input (its codes, of signs). With `remake`, whoever would save the output computes it again instead.
Tensor in_batch_blocks(const char* name, int64_t block, const Quantized& x, const std::vector<Tensor>& rest, const Piece& piece,
                       bool remake);

}  // namespace bantam
