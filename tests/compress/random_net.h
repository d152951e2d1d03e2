// Nets, parameters and images drawn at random, with what packing may trip over: negative and zero gammas, -0.0,
// negative slopes, means on integers, odd channel counts, all paddings, pools before and after norms, residuals, shared
// tensors; and with every codebook, number of bits, granularity and rule of scales on either side of a product.
#pragma once

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "core/rng.h"
#include "nn/net.h"
#include "ops/quant/quantize.h"

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
      else if (ends_with(t.name, ".running_range"))
        v[i] = i ? 0.25f + 2 * rng.uniform(u) : -2 * rng.uniform(u);
      else if (ends_with(t.name, ".scale"))
        v[i] = 0.02f + 0.3f * rng.uniform(u);
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

// Any codebook for weights, and any for activations, signs most often.
template <class Below>
QuantSpec random_quant(Operand operand, const Below& below) {
  // The codebooks whose layers are of integers twice as often: they have thresholds.
  constexpr Scheme kOfWeights[] = {
      Scheme::kSign,       Scheme::kSign, Scheme::kBwn,     Scheme::kXnor,   Scheme::kTwn,  Scheme::kTernary,
      Scheme::kDorefa,     Scheme::kTanh, Scheme::kUniform, Scheme::kSign,   Scheme::kSign, Scheme::kBwn,
      Scheme::kXnor,       Scheme::kTwn,  Scheme::kTernary, Scheme::kDorefa, Scheme::kTanh, Scheme::kUniform,
      Scheme::kInt,        Scheme::kInt,  Scheme::kPow2,    Scheme::kLog,    Scheme::kLog2, Scheme::kKmeans,
      Scheme::kStochastic, Scheme::kF16,  Scheme::kBf16};
  constexpr Scheme kOfActivations[] = {
      Scheme::kSign, Scheme::kSign, Scheme::kSign,    Scheme::kSign,      Scheme::kSign,   Scheme::kTernary,
      Scheme::kRelu, Scheme::kHwgq, Scheme::kTernary, Scheme::kUniform,   Scheme::kDorefa, Scheme::kRelu,
      Scheme::kHwgq, Scheme::kInt,  Scheme::kUniform, Scheme::kDorefa,    Scheme::kInt,    Scheme::kTanh,
      Scheme::kLog,  Scheme::kLog2, Scheme::kPow2,    Scheme::kStochastic};
  QuantSpec q;
  q.scheme = operand == Operand::kWeight ? kOfWeights[below(uint32_t(std::size(kOfWeights)))]
                                         : kOfActivations[below(uint32_t(std::size(kOfActivations)))];
  const uint32_t least = uint32_t(traits_of(q.scheme).least_bits);
  const uint32_t few = below(3);  // so few that thresholds make them
  q.bits = int(least + below((few ? 5 : 9) - least));
  q.granularity = Granularity(below(3)), q.scale = ScaleRule(below(4));
  if (!refusal(q, operand).empty()) q.scale = ScaleRule::kMax;
  if (operand == Operand::kActivation && traits_of(q.scheme).ranged && q.scale == ScaleRule::kNone) {
    q.low = -0.25 * below(8);
    q.high = 0.25 * (below(8) + (q.low < 0 ? 0 : 1));
  }
  return normal(q, operand);
}

// A net of one layer on the image, some blocks of quantized layers, and a head.
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
  int64_t c = in_c, side_h = h, side_w = w;

  const auto max_pool = [&](int x) {
    if (side_h <= 3 || side_w <= 3) return x;
    PoolConfig p;
    p.kernel_h = 1 + below(3), p.kernel_w = 1 + below(3), p.stride_h = 1 + below(2), p.stride_w = 1 + below(2);
    p.pad_h = below(2) ? p.kernel_h / 2 : 0, p.pad_w = below(2) ? p.kernel_w / 2 : 0;
    side_h = (side_h + 2 * p.pad_h - p.kernel_h) / p.stride_h + 1;
    side_w = (side_w + 2 * p.pad_w - p.kernel_w) / p.stride_w + 1;
    return g.max_pool(name("pool"), x, p);
  };
  // Elementwise nodes and at most one pool behind a convolution, in any order.
  const auto tail = [&](int x, bool pool) {
    const int first = int(below(3));
    for (int step = 0; step < 4; ++step) {
      if (pool && step == first) x = max_pool(x);
      if (step == 0 && below(2)) {
        PReluConfig p;
        p.slopes = below(2) ? c : 1;
        p.parameter = name("slope");
        x = g.prelu(name("prelu"), x, p);
      }
      if (step == 1 && below(4)) x = g.batch_norm(name("norm"), x);
      if (step == 2 && below(3) == 0) x = g.unary(Kind::kHardtanh, name("hardtanh"), x);
      if (step == 2 && below(6) == 0) x = g.unary(Kind::kRelu, name("relu"), x);
      if (step == 3 && below(8) == 0) x = g.unary(Kind::kHardSwish, name("swish"), x);
    }
    return x;
  };
  const QuantSpec real;
  const auto weight = [&] { return random_quant(Operand::kWeight, below); };
  const auto activation = [&] { return random_quant(Operand::kActivation, below); };
  const auto quantized = [&](int x, const QuantSpec& q) { return g.quantize(name("codes"), x, {.quant = q}); };
  // A convolution of what is quantized so; `keep` keeps the image's sides.
  const auto conv = [&](int x, int64_t out, const QuantSpec& of_x, const QuantSpec& of_w, bool keep) {
    ConvConfig k;
    k.out_channels = out;
    k.kernel_h = keep ? 3 : std::min<int64_t>(1 + below(3), side_h);
    k.kernel_w = keep ? 3 : std::min<int64_t>(1 + below(3), side_w);
    k.stride_h = keep ? 1 : 1 + below(2), k.stride_w = keep ? 1 : 1 + below(2);
    k.pad_h = keep ? 1 : below(uint32_t(k.kernel_h)), k.pad_w = keep ? 1 : below(uint32_t(k.kernel_w));
    if (!keep && side_h > 5 && side_w > 5) k.dilation_h = 1 + below(2), k.dilation_w = 1 + below(2);
    const uint32_t grouped = below(5);
    if (grouped == 0) k.groups = std::gcd(c, out);
    if (grouped == 1 && out % c == 0) k.groups = c;
    k.bias = below(2), k.weight = of_w;
    const int pad_value = int(below(3)) - 1;
    const Arithmetic a = arithmetic_of(of_w, of_x, {.taps = k.kernel_h * k.kernel_w, .groups = k.groups});
    if (a == Arithmetic::kBits || a == Arithmetic::kCodes) k.pad_value = pad_value;
    c = out;
    side_h = (side_h + 2 * k.pad_h - k.dilation_h * (k.kernel_h - 1) - 1) / k.stride_h + 1;
    side_w = (side_w + 2 * k.pad_w - k.dilation_w * (k.kernel_w - 1) - 1) / k.stride_w + 1;
    return g.conv(name("conv"), x, k);
  };

  // One draw a statement: compilers evaluate arguments in different orders, and the nets must be the same everywhere.
  const auto width_of = [&] { return channels[below(7)]; };
  int x = g.input();
  {
    const int64_t out = width_of();
    const uint32_t form = below(6);
    const QuantSpec of_x = form == 0 ? activation() : real, of_w = form < 2 ? weight() : real;
    if (form == 0) x = quantized(x, of_x);
    x = conv(x, out, of_x, of_w, true);
    const bool pool = below(2);
    x = tail(x, pool);
  }
  const int blocks = 2 + int(below(3));
  for (int b = 0; b < blocks; ++b) {
    const uint32_t form = below(14);
    const int64_t out = width_of();
    const QuantSpec of_x = activation(), of_w = weight();
    if (form == 0) {  // residual of two quantized convolutions
      const QuantSpec second_x = activation(), second_w = weight();
      const int64_t width = c;
      int y = quantized(x, of_x);
      const int shortcut = below(4) ? x : y;  // of the value, or of its codes
      y = conv(y, out, of_x, of_w, true);
      y = tail(y, false);
      y = quantized(y, second_x);
      y = conv(y, width, second_x, second_w, true);
      y = tail(y, false);
      x = below(2) ? g.add(name("add"), y, shortcut) : g.add(name("add"), shortcut, y);
      if (below(3) == 0) x = g.unary(Kind::kHardSwish, name("swish"), x);
    } else if (form == 1) {  // two readers of the same codes or of two kinds, and of the same sum
      const QuantSpec second_x = below(2) ? of_x : activation(), second_w = weight();
      const int64_t width = c;
      int y = quantized(x, of_x), z = quantized(x, second_x);
      y = conv(y, out, of_x, of_w, true);
      c = width;
      z = conv(z, out, second_x, second_w, true);
      y = g.batch_norm(name("norm"), y);
      z = g.batch_norm(name("norm"), z);
      x = g.add(name("add"), y, z);
    } else if (form == 2) {  // real weights on real values, often depthwise or in groups
      const int64_t more = below(2) ? c * (1 + below(2)) : out;
      x = conv(x, more, real, real, true);
      const bool pooled = below(2);
      x = tail(x, pooled);
    } else if (form == 3) {  // codes by real values
      x = conv(x, out, real, of_w, false);
      x = tail(x, false);
    } else if (form == 4) {  // real weights on codes
      x = quantized(x, of_x);
      x = conv(x, out, of_x, real, false);
    } else if (form == 5 && below(2)) {  // codes that are read as values: pooled, and quantized once more
      x = max_pool(quantized(x, of_x));
      const QuantSpec again = activation();
      x = quantized(x, again);
      x = conv(x, out, again, of_w, false);
    } else {
      x = quantized(x, of_x);
      x = conv(x, out, of_x, of_w, false);
      const bool pool = below(3);
      x = tail(x, pool);
    }
  }
  QuantSpec of_x = activation();
  const uint32_t head = below(4);  // codes of the image; of its features; none
  if (head == 0) x = quantized(x, of_x);
  if (below(2)) x = g.dropout(name("dropout"), x, {.p = 0.5});
  x = below(2) ? g.unary(Kind::kGlobalAvgPool, name("pool"), x) : g.unary(Kind::kFlatten, name("flatten"), x);
  if (head == 1) x = quantized(x, of_x);
  LinearConfig l;
  l.out_features = classes, l.bias = below(2);
  const QuantSpec of_l = weight();
  if (below(2)) l.weight = of_l;
  x = g.linear(name("fc"), x, l);
  if (below(3) == 0) x = g.batch_norm(name("norm"), x);
  if (below(6) == 0) g.unary(Kind::kHardSwish, name("swish"), x);
  return g.build();
}

}  // namespace bantam
