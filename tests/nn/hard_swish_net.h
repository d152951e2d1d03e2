// A net with hard_swish wherever it may stand: what trains, packs and runs on other processors must hold each place.
#pragma once

#include <string>

#include "nn/net_spec.h"

namespace bantam {

// Images of 9x7x3, 5 classes. Behind a norm (swish1), a residual sum with two readers (swish2), a norm and before a
// sign (swish3), a pooled binary convolution and before a sign (swish4), a depthwise convolution (swish5), a linear
// layer (swish6), and as the output (swish7). sign5 reads a norm: a place for thresholds, the only one.
inline constexpr int kHardSwishes = 7;
inline NetSpec hard_swish_net() {
  NetBuilder g(9, 7, 3, 5);
  const auto swish = [&](int i, int x) { return g.unary(Kind::kHardSwish, "swish" + std::to_string(i), x); };
  const ConvConfig real{.out_channels = 20, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .bias = true};
  ConvConfig binary = real, depthwise = real;
  binary.weight = {Scheme::kSign, Surrogate::kIdentity};
  depthwise.groups = 20;
  int x = swish(1, g.batch_norm("norm1", g.conv("conv1", g.input(), real)));
  x = swish(2, g.add("sum2", g.batch_norm("norm2", g.conv("conv2", x, real)), x));
  int y = g.conv("binary3", g.quantize("sign2", x), binary);
  y = g.quantize("sign3", swish(3, g.batch_norm("norm3", y)));
  y = g.max_pool("pool4", g.conv("binary4", y, binary), {3, 3, 1, 1, 1, 1});
  y = g.quantize("sign4", swish(4, y));
  y = g.quantize("sign5", g.batch_norm("norm5", g.conv("binary5", y, binary)));
  y = g.batch_norm("norm6", g.conv("binary6", y, binary));
  x = swish(5, g.conv("depthwise", g.add("sum6", x, y), depthwise));
  x = swish(6, g.linear("hidden", g.unary(Kind::kGlobalAvgPool, "mean", x), {.out_features = 11}));
  swish(7, g.linear("fc", x, {.out_features = 5}));
  return g.build();
}

}  // namespace bantam
