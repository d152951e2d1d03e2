// Cross-entropy of one row of logits, C >= 1 of them. Definitions: cross_entropy_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

// log softmax(x)[k] = (x[k] - max) - log_sum.
struct LogSum {
  float max, log_sum;
};
LogSum log_sum_f32(const float* x, int64_t c) noexcept;

// dx = (softmax(x) - q) factor, q = rest everywhere, and hit more at the label. dx may be x.
void cross_entropy_grad_f32(const float* x, int64_t c, int64_t label, float hit, float rest, float factor,
                            float* dx) noexcept;

}  // namespace bantam
