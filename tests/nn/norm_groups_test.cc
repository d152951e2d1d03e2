#include "nn/norm_groups.h"

#include <doctest/doctest.h>

#include "tests/nn/forms.h"
#include "tests/nn/hard_swish_net.h"

using namespace bantam;

namespace {

// The group of a norm, by names: "conv pool pre norm add post < source residual", "-" where there is none.
std::string group_of(const NetSpec& spec, const std::string& norm) {
  for (const NormGroup& g : find_norm_groups(spec, infer_shapes(spec))) {
    if (spec.nodes[size_t(g.norm)].name != norm) continue;
    std::string s;
    int last = -1;
    for (int i : {g.conv, g.pool, g.pre, g.norm, g.add, g.post}) {
      s += (i < 0 ? "-" : spec.nodes[size_t(i)].name) + " ";
      if (i >= 0) last = i;
    }
    CHECK(last == g.end);
    return s + "< " + spec.nodes[size_t(g.source)].name + " " +
           (g.residual < 0 ? "-" : spec.nodes[size_t(g.residual)].name);
  }
  return "none";
}

}  // namespace

TEST_CASE(
    "norm groups: of binary nets, convolutions with their pools belong to them; of float nets, a first layer that is "
    "not pooled") {
  const NetSpec vgg = cifar_net("vgg11", Form::kBnn, 1), resnet = cifar_net("resnet14", Form::kBnn, 1),
                real = cifar_net("resnet14", Form::kFloat, 1);
  CHECK(group_of(vgg, "bn1") == "- - - bn1 - hardtanh1 < pool1 -");
  CHECK(group_of(vgg, "bn2") == "conv2 pool2 - bn2 - hardtanh2 < act2 -");
  CHECK(group_of(vgg, "bn3") == "conv3 - - bn3 - hardtanh3 < act3 -");
  CHECK(group_of(resnet, "bn1") == "conv1 - relu1 bn1 - - < input -");
  CHECK(group_of(resnet, "layer1.0.bn1") == "layer1.0.conv1 - layer1.0.prelu1 layer1.0.bn1 - - < layer1.0.act1 -");
  CHECK(group_of(resnet, "layer1.0.bn2") ==
        "layer1.0.conv2 - layer1.0.prelu2 layer1.0.bn2 layer1.0.add - < layer1.0.act2 bn1");
  CHECK(group_of(real, "layer2.0.bn1") == "- - layer2.0.prelu1 layer2.0.bn1 - layer2.0.act2 < layer2.0.conv1 -");
  CHECK(group_of(real, "layer2.0.bn2") ==
        "- - layer2.0.prelu2 layer2.0.bn2 layer2.0.add - < layer2.0.conv2 layer2.0.downsample.1");
  CHECK(group_of(real, "layer2.0.downsample.1") == "- - - layer2.0.downsample.1 - - < layer2.0.downsample.0 -");
}

TEST_CASE("norm groups: an activation between two norms belongs to the first of them alone") {
  NetBuilder g(8, 8, 3, 10);
  const int a = g.batch_norm("a", g.conv("conv", g.input(), {.out_channels = 16, .weight = {}}));
  const int b = g.batch_norm("b", g.unary(Kind::kRelu, "relu", a));
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "avgpool", b), {.out_features = 10, .bias = true, .weight = {}});
  const NetSpec spec = g.build();
  CHECK(group_of(spec, "a") == "conv - - a - relu < input -");
  CHECK(group_of(spec, "b") == "- - - b - - < relu -");
}

TEST_CASE(
    "norm groups: what others read, a sum that is taken or repeats a channel, and a hardtanh behind a sum stay out") {
  NetBuilder g(8, 8, 16, 10);
  const ConvConfig c{.out_channels = 16, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .weight = {}};
  const int relu = g.unary(Kind::kRelu, "relu", g.conv("conv", g.input(), c));
  const int a = g.batch_norm("a", relu), b = g.batch_norm("b", g.conv("conv2", relu, c));
  const int sum = g.add("sum", a, b);
  const int tanh = g.unary(Kind::kHardtanh, "hardtanh", sum);
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "avgpool", tanh), {.out_features = 10, .bias = true, .weight = {}});
  const NetSpec spec = g.build();
  CHECK(group_of(spec, "a") == "- - - a sum - < relu b");
  CHECK(group_of(spec, "b") == "- - - b - - < conv2 -");
}

TEST_CASE("norm groups: hard_swish belongs to the norm before it, and stays out behind a sum and before a norm") {
  const NetSpec net = hard_swish_net();
  CHECK(group_of(net, "norm1") == "conv1 - - norm1 - swish1 < input -");
  CHECK(group_of(net, "norm2") == "- - - norm2 sum2 - < conv2 swish1");
  CHECK(group_of(net, "norm3") == "binary3 - - norm3 - swish3 < sign2 -");
  NetBuilder g(8, 8, 16, 16);
  g.unary(Kind::kGlobalAvgPool, "mean", g.batch_norm("norm", g.unary(Kind::kHardSwish, "swish", g.input())));
  CHECK(group_of(g.build(), "norm") == "- - - norm - - < swish -");
}
