// Elementwise kernels over contiguous f32, and per-channel ones over rows [rows, C] (an image [N,H,W,C] has N H W
// rows). Single-threaded over the range that they get; the caller splits the work. n >= 0; an output may be one of the
// inputs (same address) but must not overlap it otherwise. Definitions: elementwise_ref.h, equal bit for bit unless a
// line says "near".
#pragma once

#include <cstdint>

namespace bantam {

enum class Binary : uint8_t { kAdd, kSub, kMul, kDiv };

// out[i] = a[i * a_step] op b[i * b_step]; a step is 1, or 0 for one value against all.
void binary_f32(Binary op, const float* a, int64_t a_step, const float* b, int64_t b_step, float* out,
                int64_t n) noexcept;

void add_f32(const float* a, const float* b, float* out, int64_t n) noexcept;
void mul_f32(const float* a, const float* b, float* out, int64_t n) noexcept;
void scale_f32(const float* x, float s, float* out, int64_t n) noexcept;              // x s
void add_into(float* dst, const float* src, int64_t n) noexcept;                      // dst += src
void axpy_f32(float* dst, float a, const float* src, int64_t n) noexcept;             // dst = fma(a, src, dst)

void relu_f32(const float* x, float* out, int64_t n) noexcept;                        // x > 0 ? x : 0 (NaN: 0)
void prelu_f32(const float* x, float slope, float* out, int64_t n) noexcept;          // x >= 0 ? x : x slope
void clamp_f32(const float* x, float lo, float hi, float* out, int64_t n) noexcept;   // NaN stays; hardtanh is (-1, 1)
// x <= -3 ? 0 : x (min(x + 3, 6) (1/6)), each step rounded and none fused, so that all targets give the same bits: +0
// from -3 down (-inf too), x itself from 3 up (+inf too); NaN stays.
void hard_swish_f32(const float* x, float* out, int64_t n) noexcept;

// Near: largest errors in math-inl.h.
void exp_f32(const float* x, float* out, int64_t n) noexcept;
void log_f32(const float* x, float* out, int64_t n) noexcept;
void tanh_f32(const float* x, float* out, int64_t n) noexcept;
void sigmoid_f32(const float* x, float* out, int64_t n) noexcept;

// Comparisons to bits, element i in byte i / 8, bit i % 8; the pad bits of the last byte are 0. NaN gives 0.
void gt_bits_f32(const float* x, float bound, uint8_t* bits, int64_t n) noexcept;                // x > bound
void inside_bits_f32(const float* x, float lo, float hi, uint8_t* bits, int64_t n) noexcept;     // lo < x < hi
void within_bits_f32(const float* x, float lo, float hi, uint8_t* bits, int64_t n) noexcept;     // lo <= x <= hi
// out = bit ? x : 0, times s.
void select_bits_f32(const float* x, const uint8_t* bits, float s, float* out, int64_t n) noexcept;

// Per channel; parameters [C].
void affine_channels_f32(const float* x, const float* scale, const float* shift, float* out, int64_t rows,
                         int64_t c) noexcept;                                         // fma(x, scale, shift)
void bias_channels_f32(const float* x, const float* bias, float* out, int64_t rows, int64_t c) noexcept;    // x + bias
void scale_channels_f32(const float* x, const float* scale, float* out, int64_t rows, int64_t c) noexcept;  // x scale
void prelu_channels_f32(const float* x, const float* slope, float* out, int64_t rows, int64_t c) noexcept;

}  // namespace bantam
