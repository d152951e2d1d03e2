// Activations on steps that are not even: through tanh, and on powers of two. A codebook is a table: the value is
// values[how many thresholds <= x], the thresholds ascending, which is all that the device computes, too.
//
// k bits; the codebook reaches to `high`: 1, or what ScaleRule::kMax found (ops/quant/range.h); L = 2^k - 1.
//   kTanh   t = tanh(x), m = tanh(high), of a range that is not measured 1                                [Eq. 5.4]
//           value = 2 Q(t / (2 m) + 1/2) - 1 = code / L, code odd from -L to L; a half goes up, so that of 1 bit it is
//           sign(x). These codes are integers: a layer that reads them is one of integers
//   kLog    LogQuant, one-sided: 0, and L values                                                           [Eq. 5.6]
//           value = s(x) 2^-lhat, lhat = rescale(Q(normalize(l))), l = -log2(clip(x, low, high))            [Eq. 5.7]
//           normalize and rescale by l's least and largest                                        [Eq. 5.8] [Eq. 5.9]
//           s(x) = 1 above 0, else 0                                                                      [Eq. 5.10]
//           these are those of high and low, low the least value above 0, at least 0.03 high
//   kLog2   0 and 2^(E - j), j = 0 .. L - 1, E = floor(log2(high) + 1/2); j the nearest by logarithm, at most L - 1
//           (Miyashita et al. 2016)
//   kPow2   the same numbers, the nearest by value, 0 among them
// The logarithmic ones take what is below 2^-126, which some processors take for 0, as 0. Half way between two values x
// takes the larger. NaN takes the first.
// Surrogates: of kTanh as the weights' (ops/quant/tanh_quant.h), the maximum's where high is the batch's own; of the
// others dx = dvalue where 0 <= x <= high, else 0.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// x [..., C] f32 or f64 -> of kTanh codes and step, the value left without elements unless `materialize_value`; of the
// others the value. `of_batch`: spec.high is the largest magnitude of x. Saves a bit mask, or its input.
Quantized step_activation(const Tensor& x, const QuantSpec& spec, bool of_batch, bool materialize_value = false);

// The table of such a codebook, in f64; f32 rounds each number.
struct StepTable {
  int count = 0;  // of thresholds; values are one more
  double thresholds[(1 << kMaxQuantBits) - 1] = {}, values[1 << kMaxQuantBits] = {};
};
StepTable step_table(const QuantSpec& spec);

}  // namespace bantam
