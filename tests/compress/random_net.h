// Nets, parameters and images drawn at random, with what packing may trip over: negative and zero gammas, -0.0,
// negative slopes, means on integers, odd channel counts, all paddings, pools before and after norms, residuals, shared
// tensors.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/rng.h"
#include "nn/net.h"

namespace bantam {

inline std::vector<uint8_t> random_image(const NetSpec& spec, uint64_t seed) {
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  const Rng rng(seed, kRngTest, 1);
  std::vector<uint8_t> image(size_t(in.h * in.w * in.c));
  for (size_t i = 0; i < image.size(); ++i) image[i] = uint8_t(rng.bits(i));
  return image;
}

// Normalization as data sets have it, a bit different for each channel.
inline std::vector<float> random_lut(int64_t channels, uint64_t seed) {
  std::vector<float> lut;
  for (int64_t c = 0; c < channels; ++c)
    for (int i = 0; i < 256; ++i)
      lut.push_back((float(i) / 255.0f - 0.45f - 0.01f * float(c)) / (0.25f + 0.001f * float(seed % 7)));
  return lut;
}

// Parameters and statistics. A mean is often an integer: a sum of +-1 then lies exactly on the norm's zero.
inline void randomize(Net* model, uint64_t seed) {
  model->parameters.initialize(seed);
  const auto ends_with = [](const std::string& s, const std::string& end) {
    return s.size() >= end.size() && s.compare(s.size() - end.size(), end.size(), end) == 0;
  };
  const auto is_norm = [&](const std::string& node) {
    const int i = model->spec().find(node);
    return i >= 0 && model->spec().nodes[size_t(i)].kind == Kind::kBatchNorm;
  };
  std::vector<NamedTensor> state = model->parameters.state_dict();
  uint64_t stream = 0;
  for (NamedTensor& t : state) {
    const Rng rng(seed, kRngTest, 2, stream++);
    const std::string node = t.name.substr(0, t.name.rfind('.'));
    Tensor fresh = t.tensor.clone();
    float* v = fresh.mutable_data<float>();
    for (int64_t i = 0; i < fresh.size(); ++i) {
      const uint64_t u = uint64_t(i) * 4;
      const float normal = float(rng.normal(u));
      if (ends_with(t.name, ".running_mean"))
        v[i] = rng.below(u + 1, 2) ? std::round(4 * normal) : 4 * normal;
      else if (ends_with(t.name, ".running_var"))
        v[i] = rng.uniform(u) * 30 + 0.01f;
      else if (is_norm(node) && ends_with(t.name, ".weight"))
        v[i] = rng.below(u + 1, 8) == 0 ? 0.0f : normal;
      else if (is_norm(node))
        v[i] = rng.below(u + 1, 4) == 0 ? -0.0f : 0.3f * normal;
      else if (ends_with(t.name, ".bias"))
        v[i] = rng.below(u + 1, 4) == 0 ? std::round(2 * normal) : normal;
      else if (fresh.rank() == 1)
        v[i] = rng.below(u + 1, 3) == 0 ? 0.25f : normal;  // slopes
    }
    t.tensor = fresh;
  }
  (void)model->parameters.load_state_dict(state);
}

// A net of one real layer, some binary blocks and a real head.
inline NetSpec random_net(uint64_t seed) {
  const Rng rng(seed, kRngTest, 3);
  uint64_t draw = 0;
  const auto below = [&](uint32_t n) { return rng.below(draw++, n); };
  const int64_t channels[] = {1, 63, 64, 65, 130, 16, 3};
  const int64_t h = 5 + below(8), w = 5 + below(8), in_c = 1 + below(3);
  const int64_t classes = 1 + below(12);
  NetBuilder g(h, w, in_c, classes);
  int next_name = 0;
  const auto name = [&](const char* what) { return std::string(what) + std::to_string(next_name++); };
  int64_t c = channels[below(7)], side_h = h, side_w = w;

  // Elementwise nodes and at most one pool behind a convolution, in any order.
  const auto tail = [&](int x, bool pool) {
    const int first = int(below(3));
    for (int step = 0; step < 4; ++step) {
      if (pool && step == first && side_h > 3 && side_w > 3) {
        PoolConfig p;
        p.kernel_h = 1 + below(3), p.kernel_w = 1 + below(3), p.stride_h = 1 + below(2), p.stride_w = 1 + below(2);
        p.pad_h = below(2) ? p.kernel_h / 2 : 0, p.pad_w = below(2) ? p.kernel_w / 2 : 0;
        x = g.max_pool(name("pool"), x, p);
        side_h = (side_h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1;
        side_w = (side_w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
      }
      if (step == 0 && below(2)) {
        PReluConfig p;
        p.slopes = below(2) ? c : 1;
        p.parameter = name("slope");
        x = g.prelu(name("prelu"), x, p);
      }
      if (step == 1 && below(4)) x = g.batch_norm(name("norm"), x);
      if (step == 2 && below(3) == 0) x = g.unary(Kind::kHardtanh, name("hardtanh"), x);
      if (step == 2 && below(6) == 0) x = g.unary(Kind::kRelu, name("relu"), x);
      if (step == 3 && below(5) == 0) x = g.unary(Kind::kHardSwish, name("swish"), x);
    }
    return x;
  };
  const auto conv = [&](int x, int64_t out, bool binary, bool keep) {
    ConvConfig k;
    k.out_channels = out;
    k.kernel_h = keep ? 3 : std::min<int64_t>(1 + below(3), side_h);
    k.kernel_w = keep ? 3 : std::min<int64_t>(1 + below(3), side_w);
    k.stride_h = keep ? 1 : 1 + below(2), k.stride_w = keep ? 1 : 1 + below(2);
    k.pad_h = keep ? 1 : below(uint32_t(k.kernel_h)), k.pad_w = keep ? 1 : below(uint32_t(k.kernel_w));
    if (!keep && side_h > 5 && side_w > 5) k.dilation_h = 1 + below(2), k.dilation_w = 1 + below(2);
    k.bias = below(2);
    if (binary) k.weight = {Scheme::kSign, Surrogate::kIdentity}, k.pad_value = int(below(3)) - 1;
    c = out;
    side_h = (side_h + 2 * k.pad_h - k.dilation_h * (k.kernel_h - 1) - 1) / k.stride_h + 1;
    side_w = (side_w + 2 * k.pad_w - k.dilation_w * (k.kernel_w - 1) - 1) / k.stride_w + 1;
    return g.conv(name("conv"), x, k);
  };

  // One draw a statement: compilers evaluate arguments in different orders, and the nets must be the same everywhere.
  const auto width_of = [&] { return channels[below(7)]; };
  const auto signs = [&](int x) { return g.quantize(name("sign"), x); };
  int x = conv(g.input(), c, false, true);
  bool pool = below(2);
  x = tail(x, pool);
  const int blocks = 2 + int(below(3));
  for (int b = 0; b < blocks; ++b) {
    const uint32_t form = below(7);
    const int64_t out = width_of();
    if (form == 0) {  // residual of two binary convolutions
      const int64_t width = c;
      int y = signs(x);
      y = conv(y, out, true, true);
      y = tail(y, false);
      y = signs(y);
      y = conv(y, width, true, true);
      y = tail(y, false);
      x = below(2) ? g.add(name("add"), y, x) : g.add(name("add"), x, y);
      if (below(3) == 0) x = g.unary(Kind::kHardSwish, name("swish"), x);
    } else if (form == 1) {  // two readers of the same signs, and of the same sum
      int y = signs(x), z = signs(x);
      y = conv(y, out, true, true);
      z = conv(z, out, true, true);
      y = g.batch_norm(name("norm"), y);
      z = g.batch_norm(name("norm"), z);
      x = g.add(name("add"), y, z);
    } else if (form == 2 && below(2)) {  // real weights on real values, depthwise or in groups
      ConvConfig k;
      k.groups = c % 13 == 0 && below(2) ? 13 : c;
      k.out_channels = c = c * (1 + below(2)), k.bias = below(2);
      k.kernel_h = k.kernel_w = 3, k.pad_h = k.pad_w = 1;
      x = g.conv(name("conv"), x, k);
      const bool pooled = below(2);
      x = tail(x, pooled);
    } else if (form == 2) {  // 1-bit weights on real values
      ConvConfig k;
      k.out_channels = c = out, k.bias = below(2), k.weight = {Scheme::kSign, Surrogate::kIdentity};
      x = g.conv(name("conv"), x, k);
    } else if (form == 3) {  // real weights on signs
      ConvConfig k;
      k.out_channels = c, k.bias = below(2), k.groups = below(2) ? c : 1, k.kernel_h = std::min<int64_t>(2, side_h);
      x = signs(x);
      x = g.conv(name("conv"), x, k);
      side_h -= k.kernel_h - 1;
    } else {
      x = signs(x);
      x = conv(x, out, true, false);
      pool = below(2);
      x = tail(x, pool);
    }
  }
  if (below(2)) x = g.quantize(name("sign"), x);
  if (below(2)) x = g.dropout(name("dropout"), x, {.p = 0.5});
  x = below(2) ? g.unary(Kind::kGlobalAvgPool, name("pool"), x) : g.unary(Kind::kFlatten, name("flatten"), x);
  LinearConfig l;
  l.out_features = classes, l.bias = below(2);
  if (below(3) == 0) l.weight = {Scheme::kSign, Surrogate::kIdentity};
  x = g.linear(name("fc"), x, l);
  if (below(3) == 0) x = g.batch_norm(name("norm"), x);
  if (below(6) == 0) g.unary(Kind::kHardSwish, name("swish"), x);
  return g.build();
}

}  // namespace bantam
