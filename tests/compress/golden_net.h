// The net of tests/compress/golden.bnt: small, with parameters that are exact in any arithmetic (multiples of 1/64), so
// that its packed bytes are the same wherever it is packed.
#pragma once

#include <string>
#include <vector>

#include "compress/pack/pack.h"
#include "core/rng.h"
#include "nn/net.h"

namespace bantam {

inline NetSpec golden_spec() {
  const QuantSpec signs{Scheme::kSign, Surrogate::kIdentity};
  NetBuilder g(14, 10, 3, 5);
  ConvConfig c;
  c.out_channels = 20, c.kernel_h = c.kernel_w = 3, c.pad_h = c.pad_w = 1, c.bias = true;
  int x = g.max_pool("pool1", g.conv("conv1", g.input(), c));
  x = g.quantize("sign1", g.unary(Kind::kHardtanh, "tanh1", g.batch_norm("norm1", x)));
  c.out_channels = 70, c.weight = signs, c.pad_value = -1;
  x = g.max_pool("pool2", g.conv("conv2", x, c), {2, 2, 1, 1, 1, 0});
  x = g.batch_norm("norm2", g.prelu("prelu2", x, {.slopes = 1, .init = 0.25, .parameter = "prelu2"}));
  c.bias = false, c.pad_value = 0;
  int y = g.conv("conv3", g.quantize("sign2", x), c);
  y = g.batch_norm("norm3", g.prelu("prelu3", y, {.slopes = 70, .init = 0.25, .parameter = "prelu3"}));
  y = g.batch_norm("norm4", g.conv("conv4", g.quantize("sign3", y), c));
  x = g.add("add", x, y);
  // Codes of 4 and 2 bits by codes of 3 and 2, with thresholds, a pool and groups.
  c.out_channels = 18, c.weight = {.scheme = Scheme::kUniform, .bits = 3}, c.pad_value = 1;
  x = g.conv("conv6", g.quantize("codes5", x, {.quant = {.scheme = Scheme::kUniform, .bits = 4}}), c);
  x = g.batch_norm("norm6", g.max_pool("pool6", x));
  c.out_channels = 12, c.groups = 3, c.weight = {.scheme = Scheme::kTwn, .granularity = Granularity::kChannel};
  x = g.conv("conv7", g.quantize("codes6", x, {.quant = {.scheme = Scheme::kRelu, .bits = 2}}), c);
  x = g.batch_norm("norm7", x);
  c.groups = 1, c.weight = signs, c.pad_value = 0;
  c.out_channels = 9, c.kernel_h = c.kernel_w = 1, c.pad_h = c.pad_w = 0;
  x = g.unary(Kind::kRelu, "relu", g.conv("conv5", x, c));  // 1-bit weights on real values
  x = g.unary(Kind::kGlobalAvgPool, "mean", x);
  LinearConfig fc;
  fc.out_features = 5;
  g.linear("fc", x, fc);
  return g.build();
}

inline void set_golden_parameters(Net* model) {
  uint64_t stream = 0;
  std::vector<NamedTensor> state = model->parameters.state_dict();
  for (NamedTensor& t : state) {
    const Rng rng(1, kRngTest, 4, stream++);
    t.tensor = t.tensor.clone();
    const bool variance = t.name.find("running_var") != std::string::npos;
    for (int64_t i = 0; i < t.tensor.size(); ++i)
      t.tensor.mutable_data<float>()[i] = float(int(rng.below(uint64_t(i), 129)) - (variance ? -16 : 64)) / 64.0f;
  }
  (void)model->parameters.load_state_dict(state);
}

inline std::vector<uint8_t> golden_image() {
  const Rng rng(2, kRngTest, 4);
  std::vector<uint8_t> image(14 * 10 * 3);
  for (size_t i = 0; i < image.size(); ++i) image[i] = uint8_t(rng.bits(i));
  return image;
}

inline std::vector<uint8_t> golden_file() {
  Net model(golden_spec());
  set_golden_parameters(&model);
  PackOptions o;
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 256; ++i) o.lut.push_back(float(i - 128 + c) / 64.0f);
  o.class_names = {"ant", "bee", "cat", "dog", "elk"};
  o.test_image = golden_image();
  return pack(model, o);
}

}  // namespace bantam
