// What quantizers of a net keep beside weights: running ranges, learned scales, and the numbers that are drawn.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "nn/quantize.h"
#include "nn/switch.h"
#include "ops/loss.h"
#include "ops/quant/learned_scale.h"
#include "ops/quant/range.h"
#include "optim/optimizer.h"
#include "tests/core/tensors.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

constexpr int64_t kSize = 6, kClasses = 3;

NetSpec floats() {
  NetBuilder g(kSize, kSize, 2, kClasses);
  const ConvConfig c{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1};
  int x = g.batch_norm("bn1", g.conv("first", g.input(), c));
  x = g.batch_norm("bn2", g.conv("conv", g.unary(Kind::kRelu, "relu1", x), c));
  const int y = g.conv("conv2", g.unary(Kind::kRelu, "relu2", x), c);
  x = g.batch_norm("bn3", g.add("add", y, x));
  g.linear("last", g.unary(Kind::kGlobalAvgPool, "pool", x), {.out_features = kClasses});
  return g.build();
}
NetSpec net_of(const QuantSpec& weight, const QuantSpec& activation, bool input_scale = false) {
  QuantRecipe recipe;
  recipe.weight = weight, recipe.activation = activation, recipe.input_scale = input_scale;
  return quantize(floats(), recipe);
}
const QuantSpec kRanged{.scheme = Scheme::kRelu, .bits = 3, .scale = ScaleRule::kMax};
const QuantSpec kLearns{.scheme = Scheme::kRelu, .bits = 3, .scale = ScaleRule::kLearned};
const QuantSpec kLearnsWeights{
    .scheme = Scheme::kUniform, .bits = 3, .granularity = Granularity::kChannel, .scale = ScaleRule::kLearned};

Tensor images(uint64_t seed, double scale = 1) { return random_f32({5, kSize, kSize, 2}, seed, scale); }
Tensor labels() { return Tensor::of({5}, {0, 1, 2, 0, 1}, DType::kI32); }
std::map<std::string, std::vector<double>> state_of(const Net& net) {
  std::map<std::string, std::vector<double>> all;
  for (const NamedTensor& t : net.parameters.state_dict()) all[t.name] = t.tensor.values();
  return all;
}
// What the node's input is in a pass.
Tensor input_of(Net& net, const std::string& node, const Context& context, const Tensor& x) {
  const NetSpec& spec = net.spec();
  const std::string source = spec.nodes[size_t(spec.nodes[size_t(spec.find(node))].inputs[0])].name;
  Tensor value;
  Context watch = context;
  watch.tap = [&](const NodeSpec& n, const Tensor& t) {
    if (n.name == source) value = t.clone();
  };
  (void)scores(net, watch, x);
  return value;
}

}  // namespace

TEST_CASE("running range: training moves it by each batch's, and quantizes with that; evaluation takes it as it is") {
  Net net(net_of({}, kRanged));
  net.parameters.initialize(1);
  CHECK(state_of(net).at("relu1.running_range") == std::vector<double>{0, 0});
  Tensor want = Tensor::zeros({2});
  for (int step = 0; step < 3; ++step) {
    const Tensor x = images(uint64_t(step), 1 + step);
    const Tensor in = input_of(net, "relu1", Context::training(0, step), x);
    move_range(range_of(in, kRanged), &want);
    CHECK(state_of(net).at("relu1.running_range") == want.values());
  }
  const auto before = state_of(net);
  const Tensor once = scores(net, Context::evaluation(), images(7, 9));
  CHECK(state_of(net) == before);
  // An image that by itself reaches less far scores as among others.
  const Tensor x = images(7, 9);
  CHECK(same_tensor(scores(net, Context::evaluation(), x.slice_outer(1, 2)), once.slice_outer(1, 2).clone()));
  // The constant that packing takes is the evaluation's.
  const NodeSpec& node = net.spec().nodes[size_t(net.spec().find("relu1"))];
  const QuantSpec fixed = net.parameters.fixed_quant(node);
  CHECK(fixed.scale == ScaleRule::kNone);
  CHECK(std::vector<double>{fixed.low, fixed.high} == want.values());
}

TEST_CASE("running range, learned scale, drawn signs: what is computed a second time in backward is what it was") {
  const QuantSpec drawn{.scheme = Scheme::kStochastic, .surrogate = Surrogate::kClip};
  for (const auto& [weight, activation] : std::vector<std::pair<QuantSpec, QuantSpec>>{
           {kLearnsWeights, kRanged}, {kLearnsWeights, kLearns}, {drawn, drawn}, {drawn, {}}}) {
    const NetSpec spec = net_of(weight, activation);
    Net plain(spec), again(spec);
    plain.parameters.initialize(2), again.parameters.initialize(2);
    const std::vector<int> cuts = plain.plan.cuts();
    Context context = Context::training(3, 4);
    backward(cross_entropy(scores(plain, context, images(1)), labels()));
    for (size_t i = 0; i + 1 < cuts.size(); ++i) context.recompute.push_back({cuts[i], cuts[i + 1]});
    backward(cross_entropy(scores(again, context, images(1)), labels()));
    CHECK(state_of(plain) == state_of(again));
    for (const Parameter* p : plain.parameters.all()) {
      REQUIRE(p->grad.defined());
      CHECK_MESSAGE(same_tensor(p->grad, again.parameters.find(p->name)->grad), p->name);
    }
  }
}

TEST_CASE("learned scale: of weights starts from them, of activations by the first batch; both learn, without decay") {
  Net net(net_of(kLearnsWeights, kLearns));
  net.parameters.initialize(1);
  const auto parameter = [&](const char* name) { return net.parameters.find(name); };
  REQUIRE(parameter("conv.weight_scale"));
  REQUIRE(parameter("relu1.scale"));
  CHECK_FALSE(parameter("first.weight_scale"));
  CHECK_FALSE(parameter("conv.weight_scale")->decay);
  CHECK(net.parameters.is_scale(*parameter("relu1.scale")));
  CHECK_FALSE(net.parameters.is_scale(*parameter("conv.weight")));
  CHECK(same_tensor(parameter("conv.weight_scale")->value,
                    first_weight_scale(parameter("conv.weight")->value, kLearnsWeights)));
  CHECK(parameter("relu1.scale")->value.item() == 0);
  (void)scores(net, Context::evaluation(), images(1));
  CHECK(parameter("relu1.scale")->value.item() == 0);

  const Tensor in = input_of(net, "relu1", Context::training(0, 0), images(1));
  const double first = parameter("relu1.scale")->value.item();
  CHECK(first == double(float(first_activation_scale(in, kLearns))));
  backward(cross_entropy(scores(net, Context::training(0, 1), images(2)), labels()));
  CHECK(parameter("relu1.scale")->value.item() == first);
  auto sgd = make_sgd({{net.parameters.all(), 1, 0.0}}, {});
  const std::vector<double> weights = parameter("conv.weight_scale")->value.values();
  sgd->step(0.1);
  CHECK(parameter("relu1.scale")->value.item() != first);
  CHECK(parameter("conv.weight_scale")->value.values() != weights);
  // Each output channel of a layer with scales of its own.
  CHECK(parameter("conv.weight_scale")->value.shape() == Shape{4});
}

TEST_CASE("quantizer state: is saved and loaded by name, and evaluates to the same bytes") {
  for (const QuantSpec& activation : {kRanged, kLearns}) {
    const NetSpec spec = net_of(kLearnsWeights, activation);
    Net a(spec), b(net_spec_from_json(to_json(spec)));
    a.parameters.initialize(1);
    backward(cross_entropy(scores(a, Context::training(), images(1)), labels()));
    make_sgd({{a.parameters.all(), 1, 0.0}}, {})->step(0.1);
    const auto report = b.parameters.load_state_dict(a.parameters.state_dict(), a.parameters.counters());
    CHECK(report.missing.empty());
    CHECK(report.unexpected.empty());
    CHECK(state_of(a) == state_of(b));
    CHECK(same_tensor(scores(a, {}, images(3)), scores(b, {}, images(3))));
    std::vector<NamedTensor> some = a.parameters.state_dict();
    std::erase_if(some, [](const NamedTensor& t) { return t.name.find("range") != std::string::npos; });
    const size_t ranges = activation == kRanged ? 2 : 0;
    CHECK(b.parameters.load_state_dict(some).missing.size() == ranges);
  }
  Net net(net_of({}, kRanged));
  CHECK_THROWS_WITH_AS(net.parameters.load_state_dict({{"relu1.running_range", Tensor::zeros({3})}}),
                       "relu1.running_range: the net has [2], the file [3]", Error);
}

TEST_CASE("quantizer state: switches over one net have a set each, as norms have") {
  QuantRecipe recipe;
  recipe.weight = kLearnsWeights, recipe.activation = kRanged;
  const std::array specs{at(floats(), {.set = 0, .quant = recipe}), at(floats(), {.set = 2, .quant = recipe}),
                         at(floats(), {.width = 0.5, .set = 1})};
  const Parameters all(specs);
  CHECK(all.find("conv.weight_scale"));
  CHECK(all.find("conv.weight_scale.set2"));
  CHECK_FALSE(all.find("conv.weight_scale.set1"));  // of floats
  std::vector<std::string> ranges;
  for (const NamedTensor& t : all.statistics())
    if (t.name.find("relu1.running_range") == 0) ranges.push_back(t.name);
  CHECK(ranges == std::vector<std::string>{"relu1.running_range", "relu1.running_range.set2"});
  CHECK(to_json(net_spec_from_json(to_json(specs[1]))) == to_json(specs[1]));
}

TEST_CASE("stochastic: signs are drawn by seed, step and the node's name in training; in evaluation they are `sign`") {
  const QuantSpec drawn{.scheme = Scheme::kStochastic}, plain{.scheme = Scheme::kSign};
  for (const bool codes : {false, true}) {
    Net a(net_of(drawn, codes ? drawn : QuantSpec{})), b(net_of(plain, codes ? plain : QuantSpec{}));
    a.parameters.initialize(1), b.parameters.initialize(1);
    const Tensor x = images(1);
    CHECK(same_tensor(scores(a, {}, x), scores(b, {}, x)));
    const auto loss = [&](uint64_t seed, int64_t step) { return scores(a, Context::training(seed, step), x).values(); };
    const std::vector<double> one = loss(1, 5);
    CHECK(loss(1, 5) == one);
    CHECK(loss(1, 6) != one);
    CHECK(loss(2, 5) != one);
    Context calm = Context::training(1, 5);
    calm.stochastic = false;
    CHECK(same_tensor(scores(a, calm, x), scores(b, Context::training(1, 5), x)));
  }
}

TEST_CASE("input_scale: stands behind each layer that reads signs, over what these were, and nowhere else") {
  const QuantSpec sign{.scheme = Scheme::kSign}, relu{.scheme = Scheme::kRelu};
  const NetSpec spec = net_of(sign, sign, true);
  const int scale = spec.find("conv.input_scale");
  REQUIRE(scale > 0);
  const NodeSpec& node = spec.nodes[size_t(scale)];
  CHECK(node.inputs == std::vector<int>{spec.find("conv"), spec.find("bn1")});
  CHECK(spec.nodes[size_t(spec.find("bn2"))].inputs == std::vector<int>{scale});
  CHECK(std::get<InputScaleConfig>(node.config).kernel_w == 3);
  CHECK(spec.find("first.input_scale") == -1);
  CHECK(spec.find("last.input_scale") == -1);
  CHECK(net_of(sign, relu, true).find("conv.input_scale") == -1);
  CHECK(net_of(sign, sign).find("conv.input_scale") == -1);
  CHECK(to_json(net_spec_from_json(to_json(spec))) == to_json(spec));
  // The channels of the layer, not those of what it reads: a width takes them along.
  CHECK(infer_shapes(at(spec, {.width = 0.5}))[size_t(scale)] == Shape{1, kSize, kSize, 2});
  Net net(spec);
  net.parameters.initialize(1);
  const Tensor in = input_of(net, "relu1", Context::evaluation(), images(2));
  Tensor before, after;
  Context watch = Context::evaluation();
  watch.tap = [&](const NodeSpec& n, const Tensor& t) {
    if (n.name == "conv") before = t.clone();
    if (n.name == "conv.input_scale") after = t.clone();
  };
  (void)scores(net, watch, images(2));
  double sum = 0;  // of the window around pixel (2, 3) of the first image
  for (int64_t y = 1; y < 4; ++y)
    for (int64_t x = 2; x < 5; ++x)
      for (int64_t c = 0; c < 4; ++c) sum += std::fabs(in.at((y * kSize + x) * 4 + c));
  const int64_t i = (2 * kSize + 3) * 4 + 1;
  CHECK(after.at(i) == doctest::Approx(before.at(i) * sum / 36).epsilon(1e-6));
}
