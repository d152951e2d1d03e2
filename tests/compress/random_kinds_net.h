// Nets of the kinds that mobile and densely connected nets are made of, drawn at random: an inverted bottleneck with a
// gate, a dense block, pools of means, norms behind a flatten; wide layers, which are cut into parts of their channels.
#pragma once

#include <string>
#include <vector>

#include "tests/compress/random_net.h"

namespace bantam {

inline NetSpec random_kinds_net(uint64_t seed) {
  const Rng rng(seed, kRngTest, 4);
  uint64_t draw = 0;
  const auto below = [&](uint32_t n) { return rng.below(draw++, n); };
  const int64_t widths[] = {3, 16, 63, 65, 130, 200};
  int64_t h = 6 + below(6), w = 6 + below(6), classes = 2 + below(20);
  NetBuilder g(h, w, 1 + below(3), classes);
  int next_name = 0;
  const auto name = [&](const char* what) { return std::string(what) + std::to_string(next_name++); };
  const QuantSpec real;
  const auto conv = [&](int x, int64_t out, int64_t kernel, int64_t groups, const QuantSpec& weight) {
    ConvConfig c;
    c.out_channels = out, c.kernel_h = c.kernel_w = kernel, c.pad_h = c.pad_w = kernel / 2, c.groups = groups;
    c.bias = below(2), c.weight = weight;
    return g.batch_norm(name("norm"), g.conv(name("conv"), x, c));
  };
  const auto activate = [&](int x) {
    constexpr Kind kKinds[] = {Kind::kRelu, Kind::kHardSwish, Kind::kSigmoid, Kind::kTanh, Kind::kSoftmax};
    return g.unary(kKinds[below(5)], name("act"), x);
  };
  int64_t c = widths[below(6)];
  int x = activate(conv(g.input(), c, 3, 1, real));
  for (uint32_t block = 0, blocks = 2 + below(3); block < blocks; ++block) {
    const uint32_t form = below(5);
    if (form == 0) {  // a gate of one number a channel
      const int64_t squeezed = 1 + c / 4;
      int gate = g.unary(Kind::kGlobalAvgPool, name("mean"), x);
      gate = g.unary(Kind::kRelu, name("relu"), g.linear(name("down"), gate, {.out_features = squeezed}));
      gate = g.unary(Kind::kSigmoid, name("gate"), g.linear(name("up"), gate, {.out_features = c, .bias = true}));
      x = g.mul(name("scaled"), x, gate);
    } else if (form == 1) {  // several values behind one another, the first of them twice
      const int64_t more = widths[below(6)];
      const int y = activate(conv(x, more, 3, 1, real));
      std::vector<int> parts = {x, y};
      c += more;
      if (below(2)) parts.push_back(x), c += c - more;
      x = g.concat(name("dense"), parts);
      if (below(2)) x = g.unary(Kind::kRelu, name("relu"), x);
    } else if (form == 2) {  // means of windows
      PoolConfig p;
      p.kernel_h = 1 + below(3), p.kernel_w = 1 + below(3), p.stride_h = 1 + below(2), p.stride_w = 1 + below(2);
      p.pad_h = below(2) ? p.kernel_h / 2 : 0, p.pad_w = below(2) ? p.kernel_w / 2 : 0;
      if (h > 3 && w > 3) {
        x = g.avg_pool(name("pool"), conv(x, c, 3, below(2) ? c : 1, real), p);
        h = (h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1, w = (w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
      }
    } else if (form == 3) {  // a gate of every value; codes, of which a wide layer's are cut into parts
      const int y = activate(conv(x, c, 1, 1, real));
      x = g.mul(name("gated"), below(2) ? x : y, y);
      const QuantSpec of_x = random_quant(Operand::kActivation, below), of_w = random_quant(Operand::kWeight, below);
      c = widths[below(6)];
      x = conv(g.quantize(name("codes"), x, {.quant = of_x}), c, 3, 1, of_w);
      if (below(2)) x = g.quantize(name("codes"), x, {.quant = random_quant(Operand::kActivation, below)});
    } else {
      h = 1 + below(7), w = 1 + below(7);
      x = g.adaptive_avg_pool(name("adaptive"), x, {.out_h = h, .out_w = w});
    }
  }
  if (below(2)) {
    x = g.unary(Kind::kFlatten, name("flat"), x);
    if (below(2)) x = g.batch_norm(name("norm"), x);
    if (below(3) == 0) x = g.unary(Kind::kSoftmax, name("softmax"), x);
    if (below(3) == 0) x = g.concat(name("twice"), {x, x});
  } else {
    x = g.unary(Kind::kGlobalAvgPool, name("mean"), x);
  }
  x = g.linear(name("fc"), x, {.out_features = classes, .bias = true});
  if (below(2)) g.unary(Kind::kSoftmax, name("probabilities"), x);
  return g.build();
}

}  // namespace bantam
