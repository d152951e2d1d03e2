// The sizes of a 2-D convolution (also of pooling): the one description that training, packing and the device share.
#pragma once

#include <cstdint>

namespace bantam {

struct ConvShape {
  int64_t n = 1, h = 1, w = 1, c = 1;  // input [N,H,W,C]
  int64_t k = 1;                       // output channels
  int64_t kh = 1, kw = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;        // on both sides
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;                  // weights are [K, kh, kw, C / groups]

  constexpr int64_t out_h() const { return (h + 2 * pad_h - dilation_h * (kh - 1) - 1) / stride_h + 1; }
  constexpr int64_t out_w() const { return (w + 2 * pad_w - dilation_w * (kw - 1) - 1) / stride_w + 1; }
  constexpr int64_t group_c() const { return c / groups; }
  constexpr int64_t group_k() const { return k / groups; }
  constexpr int64_t taps() const { return kh * kw; }
  // Multiply-accumulates of a forward pass, padding counted as if multiplied.
  constexpr int64_t macs() const { return n * out_h() * out_w() * k * taps() * group_c(); }
};

// Some of the output channels, [begin, end); end 0: all from begin on. Whoever asks for them gets rows of them alone.
struct ChannelRange {
  int64_t begin = 0, end = 0;

  constexpr int64_t last(int64_t channels) const { return end ? end : channels; }
  constexpr int64_t size(int64_t channels) const { return last(channels) - begin; }
};

}  // namespace bantam
