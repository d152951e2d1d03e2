#include "nn/net_spec.h"

#include <doctest/doctest.h>

#include "core/tensor.h"
#include "ops/kernels/conv_shape.h"
#include "tests/nn/forms.h"
#include "tests/nn/hard_swish_net.h"

using namespace bantam;

namespace {

const ModelOptions kCifar = cifar_options(1);

int64_t macs(const NetSpec& net) {
  const auto shapes = infer_shapes(net);
  int64_t sum = 0;
  for (size_t i = 0; i < net.nodes.size(); ++i) {
    const NodeSpec& node = net.nodes[i];
    if (const auto* c = std::get_if<ConvConfig>(&node.config))
      sum += shapes[i].size() * c->kernel_h * c->kernel_w * shapes[size_t(node.inputs[0])][3] / c->groups;
    if (std::get_if<LinearConfig>(&node.config)) sum += shapes[i].size() * shapes[size_t(node.inputs[0])][1];
  }
  return sum;
}

}  // namespace

TEST_CASE("models: the quickstart net needs at most 6 million multiply-accumulates") {
  for (Form form : {Form::kFloat, Form::kBnn})
    CHECK(macs(in_form("quickstart", form)) == 14 * 14 * 32 * 9 + 14 * 14 * 64 * 288 + 7 * 7 * 64 * 576 + 31360);
}

// [T 4.4]
TEST_CASE("models: VGG-11 and ResNet-14 have the thesis's shapes") {
  const NetSpec vgg = in_form("vgg11", Form::kBnn, kCifar);
  auto shapes = infer_shapes(vgg, 2);
  CHECK(shapes[size_t(vgg.find("conv8"))] == Shape{2, 2, 2, 512});
  CHECK(shapes[size_t(vgg.find("flatten"))] == Shape{2, 512});
  CHECK(macs(vgg) / 1000000 == 152);

  ModelOptions wide = kCifar;
  wide.width = 1.25;
  const NetSpec resnet = in_form("resnet14", Form::kBnn, wide);
  shapes = infer_shapes(resnet, 2);
  CHECK(shapes[size_t(resnet.find("conv1"))] == Shape{2, 32, 32, 80});
  CHECK(shapes[size_t(resnet.find("layer3.1.conv2"))] == Shape{2, 8, 8, 320});
  int convs = 0;
  for (const NodeSpec& n : resnet.nodes) convs += n.kind == Kind::kConv;
  CHECK(convs == 1 + 12 + 2);  // 14 layers with the linear one, and two downsampling convolutions
  CHECK(macs(resnet) / 1000000 == 657);
}

TEST_CASE("models: a ResNet's stem divides the image's side by 4, 2 or 1") {
  for (const auto& [stem, side] : {std::pair{Stem::kImageNet, 16}, {Stem::kTinyImageNet, 32}, {Stem::kCifar, 64}}) {
    const NetSpec net = resnet18({.classes = 200, .h = 64, .w = 64, .c = 3, .stem = stem});
    const auto shapes = infer_shapes(net, 2);
    CHECK(shapes[size_t(net.find("layer1.0.add"))] == Shape{2, side, side, 64});
    CHECK(shapes[size_t(net.find("layer4.1.add"))] == Shape{2, side / 8, side / 8, 512});
  }
}

TEST_CASE(
    "models: a bottleneck's stride is in its 3x3 convolution, and each stage begins with a downsampling shortcut") {
  const NetSpec net = resnet50({.classes = 1000, .h = 224, .w = 224, .c = 3});
  const auto stride = [&](const char* name) {
    return std::get<ConvConfig>(net.nodes[size_t(net.find(name))].config).stride_h;
  };
  CHECK(stride("layer2.0.conv1") == 1);
  CHECK(stride("layer2.0.conv2") == 2);
  CHECK(stride("layer2.0.downsample.0") == 2);
  CHECK(stride("layer1.0.downsample.0") == 1);
  CHECK(net.find("layer2.1.downsample.0") == -1);
}

// [T 5.2]
TEST_CASE("models: a re-ordered residual block is convolution, relu, norm twice, and nothing behind the sum") {
  const ModelOptions o{.classes = 10, .h = 64, .w = 64, .c = 3, .order = Order::kReordered};
  const NetSpec net = resnet18(o);
  // The kinds from a node back to the block's input, along the first inputs.
  const auto chain = [&](const char* from, const char* to) {
    std::vector<Kind> kinds;
    for (int i = net.find(from); i != net.find(to); i = net.nodes[size_t(i)].inputs[0])
      kinds.push_back(net.nodes[size_t(i)].kind);
    return kinds;
  };
  using enum Kind;
  CHECK(chain("layer2.0.add", "layer1.1.add") ==
        std::vector{kAdd, kBatchNorm, kRelu, kConv, kBatchNorm, kRelu, kConv});
  CHECK(chain("layer2.1.add", "layer2.0.add") ==
        std::vector{kAdd, kBatchNorm, kRelu, kConv, kBatchNorm, kRelu, kConv});
  CHECK(chain("maxpool", "input") == std::vector{kMaxPool, kBatchNorm, kRelu, kConv});
  CHECK(chain("avgpool", "layer4.1.add") == std::vector{kGlobalAvgPool});

  // The layers have the standard order's names and shapes, so that its weights load.
  ModelOptions standard = o;
  standard.order = Order::kStandard;
  const NetSpec usual = resnet18(standard);
  const auto shapes = infer_shapes(net), usual_shapes = infer_shapes(usual);
  for (size_t i = 0; i < usual.nodes.size(); ++i) {
    const NodeSpec& node = usual.nodes[i];
    if (node.kind != kConv && node.kind != kBatchNorm) continue;
    REQUIRE(net.find(node.name) >= 0);
    CHECK(shapes[size_t(net.find(node.name))] == usual_shapes[i]);
  }
  CHECK_THROWS_AS(build_model("lenet", {.order = Order::kReordered}), Error);
}

TEST_CASE("net: malformed nets are refused by name") {
  auto refused = [](auto change, const char* text) {
    NetSpec net = in_form("vgg11", Form::kBnn, kCifar);
    change(net);
    CHECK_THROWS_WITH_AS(infer_shapes(net), text, Error);
  };
  refused([](NetSpec& n) { n.nodes.clear(); }, "net: the first node must be the input");
  refused([](NetSpec& n) { n.nodes[3].inputs = {3}; }, "net: bn1 (batch_norm): input 3 is not an earlier node");
  refused([](NetSpec& n) { n.nodes[3].inputs = {}; }, "net: bn1 (batch_norm): has 0 inputs");
  refused([](NetSpec& n) { n.nodes[3].name = "conv1"; }, "net: conv1 (batch_norm): the name is taken");
  refused([](NetSpec& n) { std::get<ConvConfig>(n.nodes[1].config).groups = 2; },
          "net: conv1 (conv): 3 input and 64 output channels do not divide into 2 groups");
  refused([](NetSpec& n) { std::get<ConvConfig>(n.nodes[1].config).stride_h = 0; },
          "net: conv1 (conv): stride is 0, must be 1 to 1024");
  refused([](NetSpec& n) { std::get<ConvConfig>(n.nodes[1].config).kernel_h = 100; },
          "net: conv1 (conv): the kernel is larger than its padded input");
  refused([](NetSpec& n) { n.classes = 11; }, "net: fc (linear): the output is [1,10], the net has 11 classes");
  refused([](NetSpec& n) { std::get<InputConfig>(n.nodes[0].config).h = 1ll << 40; },
          "net: input (input): height is 1099511627776, must be 1 to 16777216");
}

TEST_CASE("net: JSON and back is the same net, for every model and form") {
  for (const auto& [name, build, has_stem, orders] : models())
    for (Form form : kForms) {
      if (!has_form(name, form)) continue;
      const std::string json = to_json(in_form(name, form, kCifar));
      CHECK(to_json(net_spec_from_json(json)) == json);
    }
}

TEST_CASE("net: JSON that means something else is refused") {
  const std::string good = to_json(lenet({}));
  auto refused = [&](const std::string& from, const std::string& to, const char* text) {
    std::string bad = good;
    const size_t at = bad.find(from);
    REQUIRE(at != std::string::npos);
    bad.replace(at, from.size(), to);
    CHECK_THROWS_WITH_AS(net_spec_from_json(bad), text, Error);
  };
  refused("\"schema\":1", "\"schema\":2", "net: schema 2 is not known");
  refused("\"kind\":\"conv\"", "\"kind\":\"convolution\"", "net: node 1: unknown kind 'convolution'");
  refused("\"bias\":true", "\"bias\":1", "net: node 1: bias: 1 is not true or false");
  refused("\"bias\":true", "\"bais\":true", "net: node 1: unknown key 'bais'");
  refused("\"bias\":true", "\"bias\":true,\"transposed\":true", "net: node 1: unknown key 'transposed'");
  refused(
      "\"scheme\":\"none\"", "\"scheme\":\"quaternary\"",
      "net: node 1: weight_quant.scheme: unknown value 'quaternary' (did you mean 'ternary'?), known: none | sign | "
      "stochastic | bwn | xnor | twn | ternary | dorefa | tanh | relu | uniform | hwgq | pow2 | log | log2 | kmeans | "
      "f16 | bf16 | int");
  refused("\"scheme\":\"none\"", "\"scheme\":\"relu\"", "net: conv1 (conv): relu is for activations alone");
  refused("\"scheme\":\"none\"", "\"scheme\":\"uniform\",\"bits\":1",
          "net: conv1 (conv): uniform takes 2 to 8 bits, not 1");
  refused("\"nodes\":", "\"init\":\"zero\",\"nodes\":", "net: unknown init 'zero'");
  refused("\"inputs\":[0]", "\"inputs\":[7]", "net: conv1 (conv): input 7 is not an earlier node");
  refused("\"inputs\":[0]", "\"inputs\":[-1]", "net: node 1: input -1 is not a node");
  for (size_t cut = 0; cut < good.size(); cut += 7) CHECK_THROWS_AS(net_spec_from_json(good.substr(0, cut)), Error);
}

TEST_CASE("net: a norm's set and extra outputs are kept in JSON, and written only where there are any") {
  NetBuilder g(4, 4, 1, 2);
  const int x = g.batch_norm("bn", g.conv("conv", g.input(), {.out_channels = 3}), {.set = 2});
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = 2});
  g.extra_output(x);
  NetSpec spec = g.build();
  const NetSpec back = net_spec_from_json(to_json(spec));
  CHECK(to_json(back) == to_json(spec));
  CHECK(std::get<BatchNormConfig>(back.nodes[2].config).set == 2);
  CHECK(back.extra_outputs == std::vector<int>{x});
  CHECK_THROWS_AS(net_spec_from_json(std::string(to_json(spec)).replace(to_json(spec).find("[2]"), 3, "[9]")), Error);
  spec.extra_outputs.clear();
  std::get<BatchNormConfig>(spec.nodes[2].config).set = 0;
  CHECK(to_json(spec).find("set") == std::string::npos);
  CHECK(to_json(spec).find("extra_outputs") == std::string::npos);
}

TEST_CASE("net: hard_swish has its input's shape, no parameters and no config; JSON and back is the same net") {
  const NetSpec spec = hard_swish_net();
  const std::vector<Shape> shapes = infer_shapes(spec, 3);
  int found = 0;
  for (size_t i = 0; i < spec.nodes.size(); ++i) {
    if (spec.nodes[i].kind != Kind::kHardSwish) continue;
    ++found;
    CHECK(shapes[i] == shapes[size_t(spec.nodes[i].inputs[0])]);
  }
  CHECK(found == kHardSwishes);
  const std::string json = to_json(spec);
  CHECK(json.find("\"kind\":\"hard_swish\"") != std::string::npos);
  CHECK(to_json(net_spec_from_json(json)) == json);
  NetBuilder g(4, 4, 1, 2);
  const int x = g.unary(Kind::kFlatten, "flat", g.unary(Kind::kHardSwish, "swish", g.input()));
  g.linear("fc", x, {.out_features = 2});
  std::string bad = to_json(g.build());
  const std::string kind = "\"kind\":\"hard_swish\"";
  bad.replace(bad.find(kind), kind.size(), kind + ",\"slopes\":1");
  CHECK_THROWS_WITH_AS(net_spec_from_json(bad), "net: node 1: unknown key 'slopes'", Error);
}
