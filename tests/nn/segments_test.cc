#include <doctest/doctest.h>

#include <cmath>

#include "nn/models/models.h"
#include "ops/loss.h"
#include "tests/nn/forms.h"
#include "tests/nn/net_calls.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

std::vector<std::string> names(const NetSpec& spec, const std::vector<int>& nodes) {
  std::vector<std::string> all;
  for (int i : nodes) all.push_back(spec.nodes[size_t(i)].name);
  return all;
}

// A net with dropout, a residual sum and an activation behind it.
NetSpec block_net() {
  NetBuilder g(6, 6, 2, 3);
  const ConvConfig c{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .weight = {}};
  const PReluConfig slope{.slopes = 1, .init = 0.25, .parameter = "slope"};
  int x = g.prelu("prelu0", g.conv("conv0", g.input(), c), slope);
  int y = g.batch_norm("bn1", g.conv("conv1", g.dropout("drop", x, {.p = 0.25}), c));
  y = g.batch_norm("bn2", g.prelu("prelu2", g.conv("conv2", g.unary(Kind::kRelu, "relu1", y), c), slope));
  x = g.unary(Kind::kRelu, "relu2", g.add("add", y, x));
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = 3, .bias = true, .weight = {}});
  return g.build();
}

Context training(List<Segment> recompute, int64_t step) {
  Context c = Context::training(3, step);
  c.recompute = std::move(recompute);
  return c;
}

}  // namespace

TEST_CASE(
    "segments: a net can be cut where one value is all that later nodes read, and not inside of what runs as one") {
  const NetSpec net = block_net(), bnn = cifar_net("vgg11", Form::kBnn, 0.125);
  CHECK(names(net, Plan(net).cuts()) == std::vector<std::string>{"input", "conv0", "prelu0", "relu2", "flatten", "fc"});
  const std::vector<std::string> cuts = names(bnn, Plan(bnn).cuts());
  for (const char* in : {"hardtanh1", "hardtanh2", "hardtanh3", "fc"})
    CHECK(std::count(cuts.begin(), cuts.end(), in) == 1);
  for (const char* out : {"conv1", "bn1", "act2", "conv2", "pool2"})
    CHECK(std::count(cuts.begin(), cuts.end(), out) == 0);
}

TEST_CASE("segments: computing pieces again in backward changes no bit of loss, gradients and running statistics") {
  const auto check = [](const NetSpec& spec, int64_t side, int64_t channels) {
    const std::vector<int> cuts = Plan(spec).cuts();
    std::vector<List<Segment>> plans = {{{cuts.front(), cuts.back()}}};
    plans.emplace_back();  // every piece
    for (size_t i = 0; i + 1 < cuts.size(); ++i) plans.back().push_back({cuts[i], cuts[i + 1]});
    plans.emplace_back();  // every second piece of two
    for (size_t i = 1; i + 2 < cuts.size(); i += 4) plans.back().push_back({cuts[i], cuts[i + 2]});
    const Tensor x = random_f32({6, side, side, channels}, 9);
    const Tensor y = Tensor::of({6}, {0, 1, 2, 0, 1, 2}, DType::kI32);
    Net plain(spec);
    plain.parameters.initialize(4);
    const Tensor loss = cross_entropy(scores(plain, training({}, 5), x), y);
    backward(loss);
    for (const auto& plan : plans) {
      Net model(spec);
      model.parameters.initialize(4);
      const Tensor again = cross_entropy(scores(model, training(plan, 5), x), y);
      CHECK(again.item() == loss.item());
      backward(again);
      for (const Parameter* p : plain.parameters.all()) {
        REQUIRE(model.parameters.find(p->name)->grad.defined());
        CHECK_MESSAGE(model.parameters.find(p->name)->grad.values() == p->grad.values(), p->name);
      }
      const auto a = model.parameters.state_dict(), b = plain.parameters.state_dict();
      for (size_t i = 0; i < a.size(); ++i) CHECK_MESSAGE(a[i].tensor.values() == b[i].tensor.values(), a[i].name);
      CHECK(model.parameters.counters() == plain.parameters.counters());
    }
  };
  check(block_net(), 6, 2);
  for (Form form : {Form::kFloat, Form::kBnn, Form::kBinaryConnect})
    for (const char* name : {"vgg11", "resnet14"}) check(cifar_net(name, form, 0.125), 32, 3);
}

TEST_CASE("segments: a piece that is computed again keeps only its input") {
  const NetSpec spec = cifar_net("resnet14", Form::kFloat, 0.25);
  const DryRun dry;
  Net model(spec);
  const std::vector<int> cuts = model.plan.cuts();
  auto held = [&](List<Segment> plan) {
    const Tensor x = Tensor::empty({64, 32, 32, 3});
    const size_t before = pool_stats().live_bytes;
    const Tensor y = scores(model, training(std::move(plan), 0), x);
    return pool_stats().live_bytes - before;
  };
  CHECK(held({{cuts.front(), cuts.back()}}) < 64 * 1024);
  CHECK(held({}) > 20 << 20);
}

TEST_CASE("segments: gradients, and the segment's node is in the graph") {
  const NetSpec spec = block_net();
  Net model(spec, DType::kF64);
  model.parameters.initialize(6);
  const std::vector<int> cuts = model.plan.cuts();
  // From prelu0 on; the first layer is the input's only way in. Seeds without a kink near.
  const TensorFn f = [&](const Tensors& in) {
    for (Parameter* p : model.parameters.all()) p->zero_grad();
    return scores(model, training({{cuts[2], cuts[3]}}, 0), in[0]);
  };
  CHECK(gradcheck("segment", f, {random_f64({3, 6, 6, 2}, 2)}) == "");
}
