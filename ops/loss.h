// Losses: scalars of shape [], of f32 or f64 predictions; means over examples. [Eq. 2.1] [Eq. 2.3]
//
//   cross_entropy   -sum_k q_k log p_k, p = softmax(logits), the mean over the N rows that are not ignored;
//                   q = (1 - s) onehot(label) + s / K with label smoothing s
//                   gradient (p - q) dloss / count; saves the logits and the labels
//                   minus the log-likelihood [Eq. 2.5], so that the least is the most likely [Eq. 2.4]
//   mse             mean of (prediction - target)^2
//                   gradient +-2 (prediction - target) dloss / size; saves both
#pragma once

#include <cstdint>
#include <limits>

#include "core/tensor.h"

namespace bantam {

struct CrossEntropyOptions {
  double label_smoothing = 0;                             // in [0, 1)
  int32_t ignore = std::numeric_limits<int32_t>::min();   // rows of this label do not count
};

// logits [N,K], labels [N] i32 in [0, K). Throws Error for another label, naming row and value. If every row is ignored
// the loss is 0, and so is its gradient.
Tensor cross_entropy(const Tensor& logits, const Tensor& labels, const CrossEntropyOptions& options = {});

// Of the same shape, not empty.
Tensor mse(const Tensor& prediction, const Tensor& target);

}  // namespace bantam
