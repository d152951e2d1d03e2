// Several plans over one set of parameters; values that a pass hands out; what a context says in parts.
#include "nn/plan.h"

#include <doctest/doctest.h>

#include <array>
#include <map>

#include "core/pool.h"
#include "nn/models/models.h"
#include "ops/loss.h"
#include "ops/slice.h"
#include "tests/core/error_text.h"
#include "tests/nn/forms.h"
#include "tests/nn/net_calls.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

// A net of a width: convolutions also depthwise, norms of a set of their own, a slope, a dense layer behind a flatten.
NetSpec slim(int64_t width, int64_t set = 0) {
  NetBuilder g(8, 8, 3, 4);
  const BatchNormConfig norm{.set = set};
  int x = g.conv("conv1", g.input(), {.out_channels = width, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1});
  x = g.unary(Kind::kRelu, "relu1", g.batch_norm("bn1", x, norm));
  x = g.conv(
      "dw", x,
      {.out_channels = width, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .groups = width, .bias = true});
  x = g.batch_norm("bn2", g.prelu("act2", x, {.slopes = width, .init = 0.25, .parameter = "act2"}), norm);
  x = g.max_pool("pool", x);
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", x), {.out_features = 4});
  return g.build();
}

Tensor labels(int64_t n) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double(i % 4));
  return Tensor::of({n}, y, DType::kI32);
}

std::map<std::string, std::vector<double>> gradients(const Parameters& parameters) {
  std::map<std::string, std::vector<double>> all;
  for (const Parameter* p : parameters.all())
    all[p->name] = p->grad.defined() ? p->grad.values() : std::vector<double>(size_t(p->value.size()), 0.0);
  return all;
}

void clear(Parameters& parameters) {
  for (Parameter* p : parameters.all()) p->zero_grad();
}

}  // namespace

TEST_CASE("plans: parameters of two widths are as large as the wider takes them, whichever comes first") {
  const std::array specs{slim(4), slim(8)}, turned{slim(8), slim(4)};
  for (const auto& both : {specs, turned}) {
    const Parameters p(both);
    CHECK(p.find("conv1.weight")->value.shape() == Shape{8, 3, 3, 3});
    CHECK(p.find("dw.weight")->value.shape() == Shape{8, 3, 3, 1});
    CHECK(p.find("fc.weight")->value.shape() == Shape{4, 4 * 4 * 8});
    CHECK(p.state_dict().size() == Parameters(specs[1]).state_dict().size());
  }
  Parameters both(specs), wide(specs[1]);
  both.initialize(3);
  wide.initialize(3);
  for (const Parameter* p : wide.all()) CHECK(both.find(p->name)->value.values() == p->value.values());
}

TEST_CASE("plans: a narrow plan computes what a net with the leading channels of the weights computes") {
  const NetSpec narrow = slim(4), wide = slim(8);
  const std::array specs{wide, narrow};
  Parameters shared(specs, DType::kF64);
  shared.initialize(5);
  Net own(narrow, DType::kF64);
  const Plan plan(narrow);
  for (Parameter* p : own.parameters.all()) {
    const Tensor& all = shared.find(p->name)->value;
    if (p->name == "fc.weight")  // columns are pixels times channels
      p->value = leading_block(all.view({4, 4, 4, 8}), {4, 4, 4, 4}).view({4, 64});
    else
      p->value = leading_block(all, p->value.shape());
  }
  const Tensor x = random_f64({6, 8, 8, 3}, 1), y = labels(6);
  for (const bool training : {true, false}) {
    const Context context = training ? Context::training() : Context::evaluation();
    const Tensor a = forward(plan, shared, x, context).scores, b = scores(own, context, x);
    CHECK(a.values() == b.values());
    if (!training) continue;
    backward(cross_entropy(a, y));
    backward(cross_entropy(b, y));
  }
  for (const Parameter* p : own.parameters.all()) {
    CAPTURE(p->name);
    const Tensor& all = shared.find(p->name)->grad;
    REQUIRE(all.shape() == shared.find(p->name)->value.shape());
    const Tensor part = p->name == "fc.weight" ? leading_block(all.view({4, 4, 4, 8}), {4, 4, 4, 4}).view({4, 64})
                                               : leading_block(all, p->value.shape());
    CHECK(part.values() == p->grad.values());
    double inside = 0, whole = 0;
    for (double v : part.values()) inside += std::abs(v);
    for (double v : all.values()) whole += std::abs(v);
    CHECK(inside == doctest::Approx(whole).epsilon(1e-12));  // nothing reaches the other channels
  }
  // Running statistics of the leading channels have moved, those of the others have not.
  for (const NamedTensor& t : shared.statistics())
    for (int64_t c = 0; c < 8; ++c) {
      const double start = t.name.ends_with("var") ? 1 : 0;
      CHECK((t.tensor.at(c) == start) == (c >= 4));
    }
}

TEST_CASE(
    "plans: two widths over one set of parameters in one backward pass: gradients are the sum of two separate ones") {
  const std::array specs{slim(8), slim(4, 1)};
  const Plan wide(specs[0]), narrow(specs[1]);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    Parameters p(specs, dtype);
    p.initialize(7);
    const Tensor x = random_f64({8, 8, 8, 3}, 2).to(dtype), y = labels(8);
    const auto loss = [&](const Plan& plan) {
      return cross_entropy(forward(plan, p, x, Context::training()).scores, y);
    };
    backward(loss(wide));
    const auto a = gradients(p);
    clear(p);
    backward(loss(narrow));
    const auto b = gradients(p);
    clear(p);
    backward({loss(wide), loss(narrow)}, {});
    const auto both = gradients(p);
    for (const auto& entry : both) {
      const std::string& name = entry.first;
      const std::vector<double>& g = entry.second;
      CAPTURE(name);
      std::vector<double> sum = a.at(name);
      for (size_t i = 0; i < sum.size(); ++i)
        sum[i] = dtype == DType::kF32 ? double(float(sum[i]) + float(b.at(name)[i])) : sum[i] + b.at(name)[i];
      CHECK(g == sum);  // two terms: their order does not matter, so the sums are equal to the bit
    }
    // Each plan has norms of its own: the narrow one's set moves with it alone.
    CHECK(p.counters().at("bn1.num_batches_tracked") == 2);
    CHECK(p.counters().at("bn1.set1.num_batches_tracked") == 2);
    CHECK(p.find("bn1.set1.weight")->value.shape() == Shape{4});
    CHECK(p.find("bn1.weight")->value.shape() == Shape{8});
  }
}

TEST_CASE("plans: one pass after the other holds the memory of the larger, both together that of their sum") {
  ModelOptions o = cifar_options(0.5), half = o;
  half.width = 0.25;
  const std::array specs{resnet14(o), resnet14(half)};
  const Plan plans[] = {Plan(specs[0]), Plan(specs[1])};
  const DryRun dry;
  Parameters p(specs);
  const Tensor x = Tensor::empty({32, 32, 32, 3});
  const auto held = [&](std::vector<int> which) {
    const size_t before = pool_stats().live_bytes;
    std::vector<Tensor> alive;
    for (int i : which) alive.push_back(forward(plans[i], p, x, Context::training()).scores);
    return double(pool_stats().live_bytes - before);
  };
  const double wide = held({0}), narrow = held({1}), both = held({0, 1});
  CHECK(narrow < 0.6 * wide);
  CHECK(both == doctest::Approx(wide + narrow).epsilon(0.01));
}

TEST_CASE("plans: parameters of another net are refused by name, and so are nets that do not fit together") {
  const Plan wide(slim(8));
  Parameters narrow(slim(4));
  const Tensor x = Tensor::zeros({1, 8, 8, 3});
  CHECK_THROWS_WITH_AS(forward(wide, narrow, x, {}), "plan: conv1.weight is [4,3,3,3], the plan takes [8,3,3,3]",
                       Error);
  NetBuilder g(8, 8, 3, 4);
  g.linear("fc", g.unary(Kind::kGlobalAvgPool, "pool", g.conv("other", g.input(), {.out_channels = 2})),
           {.out_features = 4});
  const NetSpec other = g.build();
  CHECK_THROWS_WITH_AS(forward(Plan(other), narrow, x, {}), "plan: there is no parameter other.weight", Error);
  const std::array both{slim(4), other};
  CHECK_THROWS_WITH_AS(Parameters{both}, doctest::Contains("fc.weight is shared by nets that do not fit"), Error);
}

TEST_CASE(
    "outputs: extra outputs and wanted values are those of the nodes, with their gradients, also inside of groups") {
  NetSpec spec = slim(8);
  const int head = spec.find("pool"), norm = spec.find("bn1"), conv = spec.find("dw");
  Net plain(spec);
  spec.extra_outputs = {head};
  Net net(spec);
  plain.parameters.initialize(2);
  net.parameters.initialize(2);
  const Tensor x = random_f32({6, 8, 8, 3}, 3), y = labels(6);
  Context seen = Context::training();
  std::map<std::string, std::vector<double>> values;
  seen.tap = [&](const NodeSpec& node, const Tensor& v) { values[node.name] = v.values(); };
  {
    const NoGrad no_grad;
    scores(plain, seen, x);
  }
  plain.parameters.initialize(2);
  Context context = Context::training();
  context.wanted = {norm, conv};
  const Outputs out = forward(net.plan, net.parameters, x, context);
  REQUIRE(out.extra.size() == 1);
  REQUIRE(out.wanted.size() == 2);
  CHECK(out.extra[0].values() == values.at("pool"));
  CHECK(out.wanted[0].values() == values.at("bn1"));
  CHECK(out.wanted[1].values() == values.at("dw"));
  CHECK(out.scores.values() == values.at("fc"));
  // The gradient of a wanted value alone stops at what lies behind it.
  backward({out.wanted[0]}, {Tensor::full(out.wanted[0].shape(), 1)});
  CHECK(net.parameters.find("bn1.bias")->grad.defined());
  CHECK(net.parameters.find("conv1.weight")->grad.defined());
  CHECK(!net.parameters.find("dw.weight")->grad.defined());
  CHECK(!net.parameters.find("fc.weight")->grad.defined());
  CHECK(net.parameters.find("bn1.bias")->grad.at(0) == 6 * 8 * 8);

  const std::vector<int> cuts = Plan(slim(8)).cuts();
  context.recompute = {{cuts.front(), cuts.back()}};
  CHECK_THROWS_WITH_AS(forward(net.plan, net.parameters, x, context), doctest::Contains("is computed again"), Error);
}

TEST_CASE("context: batch statistics, dropout and what is kept for backward are separate") {
  NetBuilder g(4, 4, 2, 3);
  int x = g.batch_norm("bn", g.conv("conv", g.input(), {.out_channels = 4}));
  x = g.dropout("drop", g.unary(Kind::kGlobalAvgPool, "pool", g.unary(Kind::kRelu, "relu", x)), {.p = 0.5});
  g.linear("fc", x, {.out_features = 3});
  Net net(g.build());
  net.parameters.initialize(4);
  const Tensor image = random_f32({5, 4, 4, 2}, 5), y = Tensor::of({5}, {0, 1, 2, 0, 1}, DType::kI32);
  // Frozen norms: gradients flow, statistics stay, and the values are those of evaluation.
  Context frozen = Context::training();
  frozen.batch_statistics = frozen.dropout = false;
  const Tensor a = scores(net, frozen, image), b = scores(net, Context::evaluation(SumOrder::kAny), image);
  CHECK(a.values() == b.values());
  backward(cross_entropy(a, y));
  for (const Parameter* p : net.parameters.all()) CHECK_MESSAGE(p->grad.defined(), p->name);
  CHECK(net.parameters.counters().at("bn.num_batches_tracked") == 0);
  // Dropout alone (as in Monte Carlo dropout); batch statistics alone (as in tuning norms).
  Context drops = Context::evaluation();
  drops.dropout = true;
  CHECK(scores(net, drops, image).values() != b.values());
  CHECK(net.parameters.counters().at("bn.num_batches_tracked") == 0);
  Context tunes = Context::evaluation();
  tunes.batch_statistics = true;
  scores(net, tunes, image);
  CHECK(net.parameters.counters().at("bn.num_batches_tracked") == 1);
  const Parameters& fixed = net.parameters;
  CHECK_THROWS_WITH_AS(forward(net.plan, fixed, image, tunes),
                       "model: batch statistics move parameters, which are const here", Error);
}

TEST_CASE("context: dropout is drawn by the node's name, so that a net's other nodes do not change it") {
  const auto net = [](bool longer) {
    NetBuilder g(2, 2, 8, 32);
    int x = g.unary(Kind::kFlatten, "flatten", g.input());
    if (longer) x = g.unary(Kind::kRelu, "more", x);
    g.dropout("drop", x, {.p = 0.5});
    return g.build();
  };
  Net a(net(false)), b(net(true));
  const Tensor x = Tensor::full({3, 2, 2, 8}, 1);
  CHECK(scores(a, Context::training(9, 4), x).values() == scores(b, Context::training(9, 4), x).values());
  CHECK(scores(a, Context::training(9, 4), x).values() != scores(a, Context::training(9, 5), x).values());
}

TEST_CASE("plan: a padding value other than 0 is refused where a layer multiplies floats") {
  const auto error_of = [](Scheme weight, Scheme activation, int64_t groups) {
    NetBuilder g(6, 6, 4, 4);
    int x = g.quantize("codes", g.conv("first", g.input(), {.out_channels = 4, .kernel_h = 1, .kernel_w = 1}),
                       {.quant = {.scheme = activation}});
    ConvConfig c{.out_channels = 4, .kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1, .groups = groups};
    c.weight.scheme = weight, c.pad_value = 1;
    g.unary(Kind::kGlobalAvgPool, "pool", g.conv("second", x, c));
    const NetSpec spec = g.build();
    return error_text<Error>([&] { Plan plan(spec); });
  };
  const std::string refused =
      "net: second (conv): a pad_value other than 0 is a code: it needs quantized weights and inputs, and of signs one "
      "group";
  CHECK(error_of(Scheme::kSign, Scheme::kSign, 1) == "accepted");
  CHECK(error_of(Scheme::kSign, Scheme::kSign, 2) == refused);
  CHECK(error_of(Scheme::kUniform, Scheme::kRelu, 2) == "accepted");
  CHECK(error_of(Scheme::kNone, Scheme::kSign, 1) == refused);
  CHECK(error_of(Scheme::kUniform, Scheme::kNone, 1) == refused);
}
