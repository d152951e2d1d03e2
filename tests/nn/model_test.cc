#include <doctest/doctest.h>

#include <cmath>

#include "nn/net.h"
#include "tests/nn/forms.h"

using namespace bantam;

TEST_CASE("model: ResNet-14 at 1.25 has the thesis's number of 1-bit weights, and one slope a block") {
  Net m(cifar_net("resnet14", Form::kBnn, 1.25));
  int64_t binary = 0, slopes = 0;
  for (size_t i = 0; i < m.spec().nodes.size(); ++i)
    if (is_binary_layer(m.spec(), int(i)))
      binary += m.parameters.find(m.spec().nodes[i].name + ".weight")->value.size();
  for (const Parameter* p : m.parameters.all())
    if (p->name.ends_with("prelu.weight")) slopes += p->value.size();
  CHECK(binary ==
        4 * 80 * 80 * 9 + (80 * 160 + 3 * 160 * 160) * 9 + 80 * 160 + (160 * 320 + 3 * 320 * 320) * 9 + 160 * 320);
  CHECK(slopes == 6);
  // 4 677 632 bits in all: 1-bit weights; 32-bit first and last layer and slopes; norms with 2 values a channel.
  const int64_t norm_channels = 80 * 5 + 160 * 5 + 320 * 5;
  CHECK(binary + 32 * (80 * 27 + 320 * 10 + 10 + slopes) + 64 * norm_channels == 4677632);
}

TEST_CASE("model: initial weights are a function of seed and name, with the spread they should have") {
  Net a(cifar_net("vgg11", Form::kFloat, 0.25)), b(cifar_net("vgg11", Form::kBnn, 0.25));
  a.parameters.initialize(7);
  b.parameters.initialize(7);
  for (const Parameter* p : a.parameters.all()) CHECK(p->value.values() == b.parameters.find(p->name)->value.values());
  double sum = 0;
  const Tensor& w = a.parameters.find("conv8.weight")->value;  // 128 x 3 x 3 x 128
  for (double v : w.values()) sum += v * v;
  CHECK(sum / double(w.size()) == doctest::Approx(2.0 / (128 * 9)).epsilon(0.02));  // 147,456 draws: sd 0.4 %
  b.parameters.initialize(8);
  CHECK(a.parameters.find("fc.weight")->value.values() != b.parameters.find("fc.weight")->value.values());
}

TEST_CASE("model: torchvision's VGG starts with zero biases and linear weights of deviation 0.01") {
  Net m(cifar_net("vgg11_bn", Form::kFloat, 0.125));
  m.parameters.initialize(7);
  for (const Parameter* p : m.parameters.all())
    if (p->name.ends_with("bias"))
      for (double v : p->value.values()) CHECK(v == 0);
  double sum = 0;
  const Tensor& w = m.parameters.find("classifier.0.weight")->value;  // 512 x 3136
  for (double v : w.values()) sum += v * v;
  CHECK(sum / double(w.size()) == doctest::Approx(1e-4).epsilon(0.005));  // 1.6 million draws: sd 0.11 %
}

TEST_CASE("model: files hold OIHW and CHW: element by element") {
  NetBuilder g(4, 4, 2, 3);
  int x = g.conv("c", g.input(), {.out_channels = 5, .kernel_h = 3, .kernel_w = 2, .weight = {}});
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = 3, .bias = true, .weight = {}});
  Net m(g.build());
  m.parameters.initialize(1);
  const Tensor &w = m.parameters.find("c.weight")->value,
               &f = m.parameters.find("fc.weight")->value;  // [5,3,2,2], [3, 2*3*5]
  const Tensor dw = m.parameters.to_file_layout("c.weight", w), df = m.parameters.to_file_layout("fc.weight", f);
  CHECK(dw.shape() == Shape{5, 2, 3, 2});
  for (int64_t o = 0; o < 5; ++o)
    for (int64_t y = 0; y < 3; ++y)
      for (int64_t z = 0; z < 2; ++z)
        for (int64_t c = 0; c < 2; ++c)
          CHECK(dw.at(((o * 2 + c) * 3 + y) * 2 + z) == w.at(((o * 3 + y) * 2 + z) * 2 + c));
  for (int64_t o = 0; o < 3; ++o)
    for (int64_t y = 0; y < 2; ++y)
      for (int64_t z = 0; z < 3; ++z)
        for (int64_t c = 0; c < 5; ++c)
          CHECK(df.at(o * 30 + (c * 2 + y) * 3 + z) == f.at(o * 30 + (y * 3 + z) * 5 + c));
  CHECK(m.parameters.from_file_layout("c.weight", dw).values() == w.values());
  CHECK(m.parameters.from_file_layout("fc.weight", df).values() == f.values());
}

TEST_CASE("model: a state dict moves to another model of the same net, and what does not fit is named") {
  Net a(cifar_net("resnet14", Form::kBnn, 0.25)), b(cifar_net("resnet14", Form::kBnn, 0.25));
  a.parameters.initialize(3);
  auto state = a.parameters.state_dict();
  auto report = b.parameters.load_state_dict(state, a.parameters.counters());
  CHECK(report.loaded == int(state.size()));
  CHECK(report.missing.empty());
  CHECK(report.unexpected.empty());
  for (const Parameter* p : a.parameters.all()) CHECK(p->value.values() == b.parameters.find(p->name)->value.values());
  state.pop_back();
  state.push_back({"stranger", Tensor::zeros({1})});
  report = b.parameters.load_state_dict(state);
  CHECK(report.missing == std::vector<std::string>{"layer3.1.bn2.running_var"});
  CHECK(report.unexpected == std::vector<std::string>{"stranger"});
  CHECK_THROWS_WITH_AS(b.parameters.load_state_dict({{"fc.bias", Tensor::zeros({9})}}),
                       "fc.bias: the net has [10], the file [9]", Error);
}
