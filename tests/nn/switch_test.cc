#include "nn/switch.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "core/error.h"
#include "nn/models/models.h"
#include "nn/norm_groups.h"
#include "nn/parameters.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

int64_t channels(const NetSpec& net, const char* node) { return infer_shapes(net)[size_t(net.find(node))][-1]; }

}  // namespace

TEST_CASE("switch: a width of a net of the zoo is the net that its builder makes in that width, in every form") {
  for (const NamedModel& model : models())
    for (Form form : kForms) {
      const std::string name = model.name;
      if (!has_form(name, form)) continue;
      CAPTURE(name);
      const NetSpec whole = in_form(name, form, cifar_options(1));
      CHECK(to_json(at(whole, {})) == to_json(whole));
      for (const double width : {0.5, 0.25})
        CHECK(to_json(at(whole, {.width = width})) == to_json(in_form(name, form, cifar_options(width))));
    }
}

TEST_CASE(
    "switch: a precision and a set of norms of a float net, and a plan of it runs over the whole net's parameters") {
  const NetSpec whole = resnet18({.h = 32, .w = 32, .c = 3, .order = Order::kReordered});
  QuantRecipe signs;
  signs.weight.scheme = signs.activation.scheme = Scheme::kSign;
  const NetSpec one = at(whole, {.width = 0.5, .set = 1, .quant = signs});
  CHECK(is_binary_layer(one, one.find("layer1.0.conv2")));
  CHECK(channels(one, "layer4.1.add") == 256);
  for (const NodeSpec& node : one.nodes)
    if (node.kind == Kind::kBatchNorm) CHECK(std::get<BatchNormConfig>(node.config).set == 1);
  const std::vector<NetSpec> both = {whole, one};
  const Parameters all(both);
  CHECK(all.find("layer4.1.conv2.weight")->value.shape() == Shape{512, 3, 3, 512});
  CHECK(all.find("layer4.1.bn2.set1.weight")->value.shape() == Shape{256});
}

// [T 5.3.2]
TEST_CASE("switch: K channels become ceil(K width); input, scores, heads and what is added to them stay as they are") {
  NetBuilder g(8, 8, 3, 4);
  const ConvConfig same{.out_channels = 3, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  ConvConfig more = same, depthwise = same;
  more.out_channels = 10;
  depthwise.out_channels = 20;  // two an input channel
  depthwise.groups = 10;
  const int like_input = g.add("sum", g.input(), g.conv("like_input", g.input(), same));
  int x = g.prelu("act", g.conv("conv", like_input, more), {.slopes = 10, .parameter = "act"});
  x = g.conv("depthwise", x, depthwise);
  x = g.concat("joined", {x, g.conv("side", like_input, more)});
  const int features = g.unary(Kind::kGlobalAvgPool, "features", x);
  const int hidden = g.linear("hidden", features, {.out_features = 7});
  const int head = g.linear("head", features, {.out_features = 5});
  g.unary(Kind::kSoftmax, "scores", g.linear("fc", hidden, {.out_features = 4}));
  g.extra_output(features);
  g.extra_output(head);
  const NetSpec net = at(g.build(), {.width = 0.3});
  CHECK(channels(net, "sum") == 3);
  CHECK(channels(net, "conv") == 3);
  CHECK(std::get<PReluConfig>(net.nodes[size_t(net.find("act"))].config).slopes == 3);
  CHECK(channels(net, "depthwise") == 6);
  CHECK(channels(net, "joined") == 9);
  CHECK(channels(net, "hidden") == 3);  // ceil(2.1)
  CHECK(channels(net, "head") == 5);
  CHECK(channels(net, "scores") == 4);

  // Scores made of a convolution's channels, through what flattens and joins them.
  NetBuilder f(2, 2, 1, 12);
  const int a = f.conv("a", f.input(), {.out_channels = 6}), b = f.conv("b", a, {.out_channels = 1});
  f.concat("scores", {f.unary(Kind::kFlatten, "flat", f.conv("c", a, {.out_channels = 2})),
                      f.unary(Kind::kFlatten, "flat_b", b)});
  const NetSpec flat = at(f.build(), {.width = 0.5});
  CHECK(channels(flat, "a") == 3);
  CHECK(channels(flat, "c") == 2);
}

TEST_CASE("switch: widths that are none, and channels that no longer fit, are refused") {
  const NetSpec net = lenet({});
  for (const double width : {0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(at(net, {.width = width}), Error);
  NetBuilder g(4, 4, 4, 2);
  int x = g.conv("a", g.input(), {.out_channels = 8});
  x = g.conv("grouped", x, {.out_channels = 8, .groups = 4});
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = 2});
  const NetSpec grouped = g.build();
  CHECK(channels(at(grouped, {.width = 0.5}), "grouped") == 4);
  CHECK_THROWS_WITH_AS(at(grouped, {.width = 0.7}),
                       "net: grouped (conv): 6 input and 6 output channels do not divide into 4 groups", Error);
}
