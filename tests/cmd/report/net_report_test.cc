#include "cmd/report/net_report.h"

#include <doctest/doctest.h>

#include "nn/models/models.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

ModelOptions options(double width, int64_t side, int64_t channels) {
  ModelOptions o;
  o.width = width;
  o.h = o.w = side;
  o.c = channels;
  return o;
}

}  // namespace

TEST_CASE("net report: a small net worked by hand") {
  NetBuilder g(6, 6, 2, 3);
  int x = g.conv("conv", g.input(),
                 {.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .bias = true, .weight = {}});  // 4x4x4
  x = g.batch_norm("bn", x);
  x = g.prelu("act", x, {.slopes = 4, .init = 0.25, .parameter = "act"});
  x = g.unary(Kind::kGlobalAvgPool, "pool", x);
  x = g.linear("fc", x, {.out_features = 3, .bias = true, .weight = {}});
  const NetCost cost = cost_of(g.build());
  CHECK(cost.nodes[1].parameters == 4 * 2 * 9 + 4);
  CHECK(cost.nodes[1].macs == 4 * 2 * 9 * 16);
  CHECK(cost.nodes[2].parameters == 8);
  CHECK(cost.nodes[3].parameters == 4);
  CHECK(cost.nodes[5].macs == 12);
  CHECK(cost.parameters == 76 + 8 + 4 + 15);
  CHECK(cost.parameter_bits == 32 * cost.parameters);
  CHECK(cost.binary_macs == 0);
  CHECK(cost_text(cost).find("MACs an image    1,164: 1,164 float, 0 binary") != std::string::npos);
  CHECK(cost_json(cost).at("nodes").size() == cost.nodes.size());
  CHECK(cost.nodes[0].inputs.empty());
  CHECK(cost.nodes[2].inputs == std::vector<std::string>{cost.nodes[1].name});
}

TEST_CASE("net report: the thesis's nets have the thesis's sizes") {
  // ResNet-14 1.25x, BNN: 4,677,632 bits, its six PReLU slopes included. [T 4.4]
  CHECK(cost_of(cifar_net("resnet14", Form::kBnn, 1.25)).parameter_bits == 4677632);
  // VGG-11, BNN, first layer real: 9,646,080 bits with a binary first layer, which has 1,728 weights.
  CHECK(cost_of(cifar_net("vgg11", Form::kBnn, 1)).parameter_bits == 9646080 + 31 * 1728);
}

TEST_CASE(
    "net report: torchvision's nets have its numbers of parameters, and fvcore's of multiply-accumulates at 224 px") {
  const struct {
    NetSpec (*build)(const ModelOptions&);
    int64_t parameters, macs;
  } nets[] = {{resnet18, 11689512, 1814073344},
              {resnet50, 25557032, 4089184256},
              {vgg11_torchvision, 132863336, 7609090048},
              {vgg11_bn, 132868840, 7609090048}};
  for (const auto& n : nets) {
    ModelOptions o = options(1, 224, 3);
    o.classes = 1000;
    const NetCost cost = cost_of(n.build(o));
    CHECK(cost.parameters == n.parameters);
    CHECK(cost.float_macs == n.macs);
  }
}

TEST_CASE("net report: the quickstart net has at most 6 million MACs, most of them binary") {
  const NetCost cost = cost_of(in_form("quickstart", Form::kBnn));
  CHECK(cost.float_macs + cost.binary_macs <= 6000000);
  CHECK(cost.binary_macs > 10 * cost.float_macs);
}
