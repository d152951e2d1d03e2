// Products of a few rows with a large matrix, as linear layers on a batch of one to four: each weight is read once,
// where it lies. Packing them would cost more than multiplying.
#pragma once

#include <cstdint>

namespace bantam {

constexpr int64_t kFewRows = 4;

// y[n][k] = bias[k] + sum_c x[n][c] w[k][c] for k in [k_begin, k_end); x [rows, C], w [K, C], y [rows, K]; rows <=
// kFewRows. Sums of 16 columns' chains, then across: one order for all targets' vectors of 16, 8 or 4, not the
// canonical one. bias may be null.
void few_rows_forward_f32(int64_t rows, int64_t c, int64_t k, const float* x, const float* w, const float* bias,
                          float* y, int64_t k_begin, int64_t k_end) noexcept;

// dx[n][c] = sum_k dy[n][k] w[k][c] for c in [c_begin, c_end): one chain over k each, as gemm_f32 has it.
void few_rows_input_grad_f32(int64_t rows, int64_t c, int64_t k, const float* dy, const float* w, float* dx,
                             int64_t c_begin, int64_t c_end) noexcept;

// dw[k][c] = sum_n dy[n][k] x[n][c] for k in [k_begin, k_end): one chain over n each, as conv_weight_grad_f32 has it.
void few_rows_weight_grad_f32(int64_t rows, int64_t c, int64_t k, const float* x, const float* dy, float* dw,
                              int64_t k_begin, int64_t k_end) noexcept;

}  // namespace bantam
