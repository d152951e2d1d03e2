// A piece of a net run a few images at a time: what lies between its ends never exists for the whole batch, neither
// forward nor backward, where the piece is computed again. The executor does this to cheap convolutions, with the max
// pool and the batch norm behind them: their full-size outputs would be the largest tensors of the step.
#pragma once

#include "core/autograd.h"
#include "ops/norm_act.h"
#include "ops/quant/quantized.h"

namespace bantam {

// y = piece(x, rest): x [N,...], real or codes; rest: the parameters. The piece must treat images independently.
using Piece = Closure<Tensor(const Quantized& x, const Tensors& rest)>;

// Equal to piece(x, rest) bit for bit; gradients of `rest` are summed block by block. Blocks have `block` images. Saves
// the input (its codes, if it has some: values that the piece reads are made again from them). With `remake`, whoever
// would save the output computes it again instead. `first`, if given, is what runs forward: a piece that also does what
// must be done once.
Tensor in_batch_blocks(const char* name, int64_t block, const Quantized& x, const Tensors& rest, const Piece& piece,
                       bool remake, const Piece& first = {});

// norm_act(piece(x, rest), form, norm), whose statistics need the whole batch: forward the piece's output is made once
// and becomes the norm's in place; backward it is made twice block by block (once where a block is all), for the norm's
// sums and for the gradients. Saves the piece's input, four numbers a channel, and the bits or the residual that
// norm_act saves.
Tensor norm_in_batch_blocks(const char* name, int64_t block, const Quantized& x, const Tensors& rest,
                            const Piece& piece, const NormForm& form, const NormInputs& norm, bool remake);

}  // namespace bantam
