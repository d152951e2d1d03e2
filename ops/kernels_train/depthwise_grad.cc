#include "ops/kernels_train/depthwise_grad.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/depthwise_grad.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gather-inl.h"
#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/phases.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

constexpr int64_t kBlock = 256;

// sum[0 .. V * kN) += sum over the block's pixels of dy x at one tap, for V vectors of channels, the last of them
// loaded by `last`: V chains hide each other's latency. `offset` leads from a window's origin to the tap.
template <int V, class Last>
HWY_INLINE HWY_ATTR void tap_sum(const float* x, const float* dy, int64_t c, const Window* win, int64_t pixels,
                                 int64_t dy_h, int64_t dy_w, const GemmRows& g, float* sum, const Last& last) {
  const DF d;
  VF acc[V];
  static_for<V>([&](auto v) BANTAM_LAMBDA { acc[v] = hn::Zero(d); });
  const float* tap = x + (dy_h * g.w + dy_w) * c;
  for (int64_t i = 0; i < pixels; ++i, dy += c) {
    if (uint64_t(win[i].y + dy_h) >= uint64_t(g.h) || uint64_t(win[i].x + dy_w) >= uint64_t(g.w)) continue;
    const float* in = tap + win[i].origin * c;
    static_for<V - 1>([&](auto v) BANTAM_LAMBDA {
      acc[v] = hn::MulAdd(hn::LoadU(d, in + v * kN), hn::LoadU(d, dy + v * kN), acc[v]);
    });
    acc[V - 1] = hn::MulAdd(last(in + (V - 1) * kN), last(dy + (V - 1) * kN), acc[V - 1]);
  }
  // Sums have room for whole vectors.
  static_for<V>([&](auto v) BANTAM_LAMBDA {
    hn::StoreU(hn::Add(hn::LoadU(d, sum + v * kN), acc[v]), d, sum + v * kN);
  });
}

HWY_ATTR void weight_grad(const ConvShape& s, const float* x, const float* dy, int64_t split_begin, int64_t split_end,
                          float* sums) {
  const int64_t rows = conv_f32_rows(s), blocks = (rows + kBlock - 1) / kBlock,
                splits = depthwise_weight_grad_splits(s);
  const int64_t c = s.c, stride = depthwise_stride(c);
  const GemmRows g = conv_f32_gather(s, x, nullptr, 0);
  Window win[kBlock];
  for (int64_t split = split_begin; split < split_end; ++split) {
    float* out = sums + split * depthwise_packed_floats(s);
    memset(out, 0, size_t(depthwise_packed_floats(s)) * sizeof(float));
    Pixel pixel(g, split * blocks / splits * kBlock);
    for (int64_t b = split * blocks / splits; b < (split + 1) * blocks / splits; ++b) {
      const int64_t pixels = rows - b * kBlock < kBlock ? rows - b * kBlock : kBlock;
      for (int64_t i = 0; i < pixels; ++i, pixel.next(g)) win[i] = pixel.window(g);
      const float* grad = dy + b * kBlock * c;
      for (int64_t t = 0; t < s.taps(); ++t) {
        const int64_t dh = t / s.kw * s.dilation_h, dw = t % s.kw * s.dilation_w;
        float* sum = out + t * stride;
        int64_t j = 0;
        for (; j + 4 * kN <= c; j += 4 * kN)
          tap_sum<4>(x + j, grad + j, c, win, pixels, dh, dw, g, sum + j, WholeLoad());
        for (; j + 2 * kN <= c; j += 2 * kN)
          tap_sum<2>(x + j, grad + j, c, win, pixels, dh, dw, g, sum + j, WholeLoad());
        if (j + kN < c)
          tap_sum<2>(x + j, grad + j, c, win, pixels, dh, dw, g, sum + j, PartLoad{c - j - kN});
        else if (j + kN == c)
          tap_sum<1>(x + j, grad + j, c, win, pixels, dh, dw, g, sum + j, WholeLoad());
        else if (j < c)
          tap_sum<1>(x + j, grad + j, c, win, pixels, dh, dw, g, sum + j, PartLoad{c - j});
      }
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(weight_grad);

void depthwise_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, int64_t split_begin,
                               int64_t split_end, float* sums) noexcept {
  HWY_DYNAMIC_DISPATCH(weight_grad)(s, x, dy, split_begin, split_end, sums);
}

void depthwise_weight_grad_finish(const ConvShape& s, const float* sums, float* dw) noexcept {
  const int64_t stride = depthwise_stride(s.c), size = depthwise_packed_floats(s),
                splits = depthwise_weight_grad_splits(s);
  for (int64_t c = 0; c < s.c; ++c)
    for (int64_t t = 0; t < s.taps(); ++t) {
      float sum = sums[t * stride + c];
      for (int64_t i = 1; i < splits; ++i) sum += sums[i * size + t * stride + c];
      dw[c * s.taps() + t] = sum;
    }
}

void depthwise_input_grad_pack_weights(const ConvShape& s, const float* w, float* packed) noexcept {
  const int64_t stride = depthwise_stride(s.c);
  for_each_phase(s, [&](const Phase& phase) {
    for (int64_t t = 0; t < phase.taps(); ++t) {
      float* out = packed + (phase.taps_before + t) * stride;
      const float* in = w + phase.tap(s, t);
      for (int64_t c = 0; c < stride; ++c) out[c] = c < s.c ? in[c * s.taps()] : 0.0f;
    }
  });
}

void depthwise_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t row_begin,
                              int64_t row_end) noexcept {
  int64_t row0 = 0;  // of this phase
  for_each_phase(s, [&](const Phase& phase) {
    const GemmRows g = phase.rows(s, dy, dx);
    const int64_t begin = row_begin > row0 ? row_begin - row0 : 0;
    const int64_t end = row_end - row0 < g.rows() ? row_end - row0 : g.rows();
    row0 += g.rows();
    if (begin < end) depthwise_f32_rows(g, packed + phase.taps_before * depthwise_stride(s.c), nullptr, begin, end);
  });
}

}  // namespace bantam
#endif
