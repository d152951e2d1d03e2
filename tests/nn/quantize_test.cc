#include "nn/quantize.h"

#include <doctest/doctest.h>

#include "core/error.h"
#include "nn/models/models.h"
#include "tests/core/error_text.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

QuantRecipe signs() {
  QuantRecipe r;
  r.weight.scheme = r.activation.scheme = Scheme::kSign;
  return r;
}
Scheme weight_of(const NetSpec& spec, const char* layer) {
  return weight_quant(spec.nodes[size_t(spec.find(layer))])->scheme;
}

}  // namespace

TEST_CASE("quantize: a float net becomes its form, the relus that only layers read become signs") {
  const NetSpec floats = cifar_net("resnet14", Form::kFloat, 0.25);
  CHECK(to_json(quantize(floats, signs())) == to_json(cifar_net("resnet14", Form::kBnn, 0.25)));
  QuantRecipe weights = signs();
  weights.activation.scheme = Scheme::kNone;
  CHECK(to_json(quantize(floats, weights)) == to_json(cifar_net("resnet14", Form::kBinaryConnect, 0.25)));
  CHECK(to_json(quantize(floats, {})) == to_json(floats));
}

TEST_CASE("quantize: first and last layer stay real unless said otherwise, and patterns of names win over both") {
  const NetSpec floats = cifar_net("resnet14", Form::kFloat, 0.25);
  QuantRecipe r;
  r.weight.scheme = Scheme::kSign;
  CHECK(weight_of(quantize(floats, r), "conv1") == Scheme::kNone);
  CHECK(weight_of(quantize(floats, r), "fc") == Scheme::kNone);
  r.last = true;
  r.layers = parse_quant_layers("layer2.*: weight = none; conv1: weight=sign");
  const NetSpec made = quantize(floats, r);
  CHECK(weight_of(made, "conv1") == Scheme::kSign);
  CHECK(weight_of(made, "fc") == Scheme::kSign);
  CHECK(weight_of(made, "layer1.0.conv1") == Scheme::kSign);
  CHECK(weight_of(made, "layer2.1.conv2") == Scheme::kNone);
  r.layers = parse_quant_layers("layer9.*: weight = none");
  CHECK_THROWS_WITH_AS(quantize(floats, r), "quantize: no layer's name matches layer9.*", Error);
  for (const char* wrong : {"conv1", ": weight = sign", "a: weight = quaternary", "a: bits = 2", "a: weight_bits = 0",
                            "a: weight_bits = 9", "a: activation_bits = 16", "a: activation_bits = x"})
    CHECK_THROWS_AS(parse_quant_layers(wrong), Error);
}

TEST_CASE("quantize: signs of values that are never negative are refused, and so is a net that is quantized") {
  ModelOptions o = cifar_options(0.25);
  const std::string what = error_text<Error>([&] { quantize(resnet18(o), signs()); });
  CHECK(what.find("the sign of its input would always be +1, since ") != std::string::npos);
  const NetSpec bnn = cifar_net("vgg11", Form::kBnn, 0.125);
  CHECK_THROWS_WITH_AS(quantize(bnn, signs()), doctest::Contains("is quantized already"), Error);
}

TEST_CASE("quantize: where a value is not a relu's, its codes stand in a node of their own, which its readers share") {
  NetBuilder g(8, 8, 3, 4);
  const ConvConfig c{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  const int x = g.batch_norm("bn", g.conv("first", g.input(), c));
  const int y = g.add("add", g.conv("a", x, c), g.conv("b", x, c));
  g.linear("last", g.unary(Kind::kGlobalAvgPool, "pool", y), {.out_features = 4});
  g.extra_output(x);
  const NetSpec made = quantize(g.build(), signs());
  const int codes = made.find("bn.codes");
  REQUIRE(codes > 0);
  CHECK(made.nodes[size_t(made.find("a"))].inputs == std::vector<int>{codes});
  CHECK(made.nodes[size_t(made.find("b"))].inputs == std::vector<int>{codes});
  CHECK(made.extra_outputs == std::vector<int>{made.find("bn")});
}

TEST_CASE("quantize: a codebook for the other operand, or not for so few bits, is refused by the layer's name") {
  const NetSpec floats = cifar_net("resnet14", Form::kFloat, 0.25);
  const auto error = [&](const QuantSpec& weight, const QuantSpec& activation, const char* layers = "") {
    QuantRecipe r;
    r.weight = weight, r.activation = activation, r.layers = parse_quant_layers(layers);
    return error_text<Error>([&] { quantize(floats, r); });
  };
  const std::string first = "quantize: layer1.0.conv1: ";
  CHECK(error({.scheme = Scheme::kRelu}, {}) == first + "relu is for activations alone");
  CHECK(error({.scheme = Scheme::kHwgq}, {}) == first + "hwgq is for activations alone");
  for (Scheme s : {Scheme::kBwn, Scheme::kXnor, Scheme::kTwn, Scheme::kKmeans})
    CHECK(error({}, {.scheme = s}) == first + name_of(s) + " is for weights alone");
  CHECK(error({.scheme = Scheme::kUniform, .bits = 1}, {}) == first + "uniform takes 2 to 8 bits, not 1");
  CHECK(error({}, {.scheme = Scheme::kUniform, .bits = 1}) == first + "uniform takes 2 to 8 bits, not 1");
  CHECK(error({.scheme = Scheme::kTanh, .bits = 9}, {}) == first + "tanh takes 1 to 8 bits, not 9");
  CHECK(error({}, {.scheme = Scheme::kRelu, .bits = 0}) == first + "relu takes 1 to 8 bits, not 0");
  CHECK(error({}, {.scheme = Scheme::kTanh, .scale = ScaleRule::kLearned}) ==
        first + "tanh has no scale of activations that could be learned: it takes none or max");
  CHECK(error({}, {}, "layer2.0.conv1: weight = relu") == "quantize: layer2.0.conv1: relu is for activations alone");
  CHECK(error({}, {}, "layer2.0.conv1: weight = uniform, weight_bits = 1") ==
        "quantize: layer2.0.conv1: uniform takes 2 to 8 bits, not 1");
}

TEST_CASE("quantize: layers that share an input take the same codes of it, or are refused") {
  NetBuilder g(8, 8, 3, 4);
  const ConvConfig c{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  const int x = g.batch_norm("bn", g.conv("first", g.input(), c));
  const int y = g.add("add", g.conv("a", x, c), g.conv("b", x, c));
  g.linear("last", g.unary(Kind::kGlobalAvgPool, "pool", y), {.out_features = 4});
  const NetSpec floats = g.build();
  const auto error = [&](const char* layers) {
    QuantRecipe r;
    r.activation = {.scheme = Scheme::kRelu, .bits = 4}, r.layers = parse_quant_layers(layers);
    return error_text<Error>([&] { quantize(floats, r); });
  };
  const std::string differ = "quantize: layers that read bn differ in its scheme or bits";
  CHECK(error("b: activation = sign") == differ);
  CHECK(error("a: activation_bits = 3") == differ);
  CHECK(error("a: activation_bits = 3; b: activation_bits = 3") == "accepted");
  CHECK(error("a: activation = none") == "accepted");  // it reads the real values
  CHECK(error("a: weight = twn; b: weight = dorefa, weight_bits = 4") == "accepted");
}

TEST_CASE("quantize: a layer keeps what its scheme takes of bits, granularity and scale, and nothing else") {
  const NetSpec floats = cifar_net("resnet14", Form::kFloat, 0.25);
  QuantRecipe r;
  r.weight = {Scheme::kUniform, Surrogate::kClip, 5, Granularity::kKernel, ScaleRule::kMax};
  r.activation = {
      .scheme = Scheme::kHwgq, .surrogate = Surrogate::kClip, .bits = 3, .granularity = Granularity::kChannel};
  r.layers = parse_quant_layers("layer2.*: weight = sign; layer3.0.conv2: weight_bits = 7, activation_bits = 6");
  const NetSpec made = quantize(floats, r);
  const auto weight = [&](const char* layer) { return *weight_quant(made.nodes[size_t(made.find(layer))]); };
  const auto codes = [&](const char* layer) {
    const NodeSpec& node = made.nodes[size_t(made.find(layer))];
    return std::get<QuantizeConfig>(made.nodes[size_t(node.inputs[0])].config).quant;
  };
  CHECK(weight("layer1.0.conv1") == r.weight);
  CHECK(weight("layer2.0.conv1") == QuantSpec{.scheme = Scheme::kSign, .surrogate = Surrogate::kClip});
  CHECK(weight("layer3.0.conv2").bits == 7);
  CHECK(codes("layer1.0.conv1") == QuantSpec{.scheme = Scheme::kHwgq, .bits = 3});
  CHECK(codes("layer3.0.conv2") == QuantSpec{.scheme = Scheme::kHwgq, .bits = 6});
}
