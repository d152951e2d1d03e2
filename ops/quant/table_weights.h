// Weights from a codebook that is no grid: value = table[byte]. A look-up table on the device, too; such a layer's sum
// is one of floats, over the values.
//
// kPow2, k bits: 0 and +-2^e, e one of M = 2^(k-1) - 1 integers up to E = floor(log2(max |w|) + 1/2), the nearest by
//   value (half way between two: the smaller). Multiplications are shifts. [T 3.2.2]
// kLog, k bits: LogQuant of x = w / max |w|, two-sided, a bit for the sign; floor 0.33, 0.15, 0.03 for 2, 3, more bits,
// n = 2^(k-1) - 1 steps, one bit is the plain sign:
//   value = s(x) 2^-lhat                                                                                    [Eq. 5.6]
//   lhat = rescale(Q(normalize(l))), l = -log2(max(|x|, floor)), Q of Eq. 5.2 with n steps                  [Eq. 5.7]
//   normalize(l) = (l - least) / (largest - least), the layer's least and largest l                         [Eq. 5.8]
//   rescale(l) = l (largest - least) + least                                                                [Eq. 5.9]
//   s(x) = sign(x), s(0) = +1                                                                              [Eq. 5.10]
// kLog2: the same without rescaling (Miyashita et al. 2016): lhat = clip(round(l), 0, n)
// kKmeans: 2^k centroids by Lloyd's iteration over a histogram of 4,096 bins, from even steps between the layer's least
//   and largest weight, till none moves or 50 times; a weight takes the nearest (half way: the smaller), a centroid
//   without weights stays.
// Surrogates: dw = dvalue; of kLog and kLog2 dvalue / max |w|, the maximum taken as a constant.
#pragma once

#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// w [K, ..., C] -> bytes and table [2^k]. The value is left without elements unless `materialize_value`. Saves nothing,
// or one number.
Quantized table_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value = false);

}  // namespace bantam
