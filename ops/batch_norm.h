// Batch normalization over all axes but the last; x [..., C], everything else [C], f32 or f64.
// [T 2.3] [Ioffe, Szegedy 2015] With n values a channel, m their mean and v = sum (x - m)^2 / n (biased):
//
//   training    y = (x - m) r gamma + beta, r = 1 / sqrt(v + eps)
//               running_mean = (1 - momentum) running_mean + momentum m
//               running_var  = (1 - momentum) running_var  + momentum v n / (n - 1)   (unbiased, as torchvision's)
//     gradient  dbeta = s1 = sum dy; dgamma = s2 = sum dy (x - m) r; dx = gamma r (dy - s1 / n - (x - m) r s2 / n)
//     saves     input, gamma; mean, inv_std and the rounded scale and shift of y
//   evaluation  y = fma(x, scale, shift), scale = gamma / sqrt(running_var + eps), shift = beta - running_mean scale,
//               in f64 and then rounded: the one expression that packing and the device use too (docs/exactness.md)
//     gradient  dbeta = sum dy; dgamma = sum dy (x - running_mean) r; dx = dy scale
//     saves     scale; input, mean and inv_std if gamma needs a gradient
//
// Two passes over memory forward (statistics with the mean known first, block by block; then y) and two backward.
#pragma once

#include <cstdint>

#include "core/tensor.h"

namespace bantam {

// Moves the running statistics, if there are any (both or none), in place. Throws Error if the sizes do not fit or
// there is only one value a channel.
Tensor batch_norm(const Tensor& x, const Tensor& gamma, const Tensor& beta, Tensor* running_mean, Tensor* running_var,
                  double momentum = 0.1, double eps = 1e-5);

Tensor batch_norm_eval(const Tensor& x, const Tensor& gamma, const Tensor& beta, const Tensor& running_mean,
                       const Tensor& running_var, double eps = 1e-5);

// The evaluation norm of one channel as y = fma(x, scale, shift).
struct NormFold {
  double scale, shift;  // the caller rounds both
};
NormFold fold_norm(double gamma, double beta, double mean, double var, double eps);

}  // namespace bantam
