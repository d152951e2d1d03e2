// A net of separable convolutions of any depth: what training may make again in backward is all of it.
#pragma once

#include <string>

#include "nn/net_spec.h"

namespace bantam {

// A 3x3 convolution of 3 channels, then `blocks` of (norm, relu, depthwise 3x3, norm, relu, 1x1), then a mean and a
// linear layer of 10 classes; images are size x size. With `residual` a third norm and the block's input are added
// behind the 1x1. Up to 32 channels every convolution is cheap (is_cheap); with more, the 1x1 are not.
inline NetSpec separable_net(int blocks, int64_t channels, int64_t size, bool residual = false) {
  NetBuilder g(size, size, 3, 10);
  const ConvConfig stem{.out_channels = channels, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .weight = {}};
  const ConvConfig narrow{.out_channels = channels, .weight = {}};
  ConvConfig depthwise = stem;
  depthwise.groups = channels;
  int x = g.conv("stem", g.input(), stem);
  for (int i = 0; i < blocks; ++i) {
    const std::string at = "block" + std::to_string(i) + ".";
    int y = g.unary(Kind::kRelu, at + "relu1", g.batch_norm(at + "norm1", x));
    y = g.conv(at + "depthwise", y, depthwise);
    y = g.unary(Kind::kRelu, at + "relu2", g.batch_norm(at + "norm2", y));
    y = g.conv(at + "narrow", y, narrow);
    x = residual ? g.add(at + "sum", g.batch_norm(at + "norm3", y), x) : y;
  }
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "mean", x), {.out_features = 10, .bias = true, .weight = {}});
  return g.build();
}

}  // namespace bantam
