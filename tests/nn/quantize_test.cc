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
