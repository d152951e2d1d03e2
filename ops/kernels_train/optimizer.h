// Parameter updates, one pass over memory each. f64 runs the same definitions in plain loops (optimizer_ref.h).
#pragma once

#include <cstddef>

namespace bantam {

// v = momentum * v + g'; theta -= lr * (nesterov ? g' + momentum * v : v), where g' = g + weight_decay * theta.
// v may be null when momentum is 0; `first` starts v at g'.
void sgd_update(float* theta, const float* g, float* v, size_t n, float lr, float momentum, bool nesterov,
                float weight_decay, bool first) noexcept;

// g' = g + weight_decay * theta; s = b1 s + (1 - b1) g'; r = b2 r + (1 - b2) g'^2;
// theta -= step * s / (sqrt(r) * root + delta), step = lr / (1 - b1^t), root = 1 / sqrt(1 - b2^t).
void adam_update(float* theta, const float* g, float* s, float* r, size_t n, float b1, float b2, float step, float root,
                 float delta, float weight_decay) noexcept;

}  // namespace bantam
