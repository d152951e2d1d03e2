// Codes as values with their padding, and the weight gradient over them. For ops/quant alone.
#pragma once

#include "ops/conv/work.h"
#include "ops/quant/quantized.h"

namespace bantam {

// The convolution without padding, of images that bring their padding along.
ConvShape of_padded(ConvShape s);

// Images [begin, end) as scale * code; with pad_value other than 0 with their padding of scale * pad_value around.
Tensor padded_images(const ConvShape& s, const Codes& codes, const Tensor& scale, int64_t begin, int64_t end,
                     int pad_value, DType dtype);

// Of activations scale * code: over groups of images whose values take little memory, summed up in order.
void weight_grad_of_codes(const ConvShape& s, const Codes& codes, const Tensor& scale, int pad_value, const Tensor& dy,
                          Tensor* dw);

}  // namespace bantam
