#include "compress/step/step.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <optional>

#include "compress/angle_penalty.h"
#include "compress/distance_penalty.h"
#include "compress/l1_penalty.h"
#include "compress/latent_clip.h"
#include "compress/soft_projection.h"
#include "core/pool.h"
#include "nn/models/models.h"
#include "nn/net.h"
#include "ops/arith.h"
#include "ops/loss.h"
#include "ops/reduce.h"
#include "tests/core/error_text.h"
#include "tests/nn/forms.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

const LossFn kCrossEntropy = [](const Outputs& out, const Tensor& y, std::span<const Outputs>) {
  return cross_entropy(out.scores, y);
};

// 4 features in, 3 classes out.
NetSpec dense() {
  NetBuilder g(1, 1, 4, 3);
  g.linear("fc", g.unary(Kind::kFlatten, "flatten", g.input()), {.out_features = 3});
  return g.build();
}
Tensor labels(int64_t n, int64_t classes) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double((i * 7 + 3) % classes));
  return Tensor::of({n}, y, DType::kI32);
}
std::vector<std::vector<double>> values(const Parameters& parameters) {
  std::vector<std::vector<double>> all;
  for (const NamedTensor& t : parameters.state_dict()) all.push_back(t.tensor.values());
  return all;
}

// Steps of a net on one batch; the last report.
StepReport train(Net* net, Optimizer* optimizer, StepSpec spec, int64_t steps, int64_t batch = 8) {
  if (spec.passes.empty()) spec.passes.push_back({&net->plan, Context::training(), kCrossEntropy});
  TrainingStep step(&net->parameters, optimizer, std::move(spec));
  const InputConfig& in = net->plan.input();
  const Tensor x = random_f64({batch, in.h, in.w, in.c}, 1).to(net->parameters.dtype());
  StepReport report;
  for (int64_t i = 0; i < steps; ++i) report = step(x, labels(batch, net->spec().classes), i, 0.01);
  return report;
}

// Adds its rate to what it keeps, and a root that pulls the first parameter to 1.
struct Recorder : StepHook {
  explicit Recorder(const Parameters& p) : kept(Tensor::zeros({2})), of_first(p.all()[0]->value.clone()) {
    first = p.all()[0];
  }
  const char* name() const override { return "recorder"; }
  void begin(int64_t step) override { steps.push_back(step); }
  void add_roots(const Parameters& p, Tensors* roots) override {
    const Tensor w = p.all()[0]->tensor();
    roots->push_back(mse(w, Tensor::full(w.shape(), 1, w.dtype())));
  }
  void after_update(Parameter& p, double lr) override {
    kept.mutable_data<float>()[0] += float(lr);
    if (&p == first) of_first = p.value.clone();
  }
  std::vector<OptimizerState> state() override {
    return {{"sums", nullptr, &kept}, {"average.fc.weight", first, &of_first}};
  }
  Tensor kept, of_first;
  const Parameter* first;
  std::vector<int64_t> steps;
};

}  // namespace

TEST_CASE(
    "step: the update along with backward gives the bytes of the update after it, with penalties and hooks, too") {
  for (Form form : {Form::kFloat, Form::kBnn}) {
    std::vector<std::vector<double>> weights[2];
    StepReport reports[2];
    for (const UpdateMode mode : {UpdateMode::kAfter, UpdateMode::kAlong}) {
      Net net(cifar_net("resnet14", form, 0.125));
      net.parameters.initialize(2);
      const auto adam = make_adam({{net.parameters.all(), 1, 1e-4}}, {});
      L1Penalty l1(1e-3);
      std::optional<LatentClip> clip;  // of latent weights, which the float net has none of
      std::vector<StepHook*> hooks = {&l1};
      std::optional<AnglePenalty> angle;
      std::optional<DistancePenalty> distance;
      std::optional<BinaryRelax> relax;
      if (form == Form::kBnn) {
        hooks.push_back(&clip.emplace(net.spec(), net.parameters, 0.05));
        hooks.push_back(&angle.emplace(net.spec(), net.parameters, Ramp{.start = 5}, 1));
        hooks.push_back(&distance.emplace(net.spec(), net.parameters, 2, Ramp{.start = 100}, 1));
        hooks.push_back(&relax.emplace(net.spec(), net.parameters, Ramp{.start = 0.5}, 1));
      }
      const size_t at = mode == UpdateMode::kAlong;
      reports[at] = train(&net, adam.get(), {.passes = {}, .hooks = hooks, .update = mode}, 3);
      weights[at] = values(net.parameters);
    }
    CHECK(weights[0] == weights[1]);
    CHECK(reports[0].loss == reports[1].loss);
    CHECK(reports[0].gradient_norm == reports[1].gradient_norm);
    CHECK(reports[0].penalty == doctest::Approx(reports[1].penalty).epsilon(1e-12));
    CHECK(reports[0].penalty > 0);
  }
}

// [T 2.3]
TEST_CASE("step: an L1 penalty adds lambda * sign(w) to the gradient of weights alone") {
  Net net(dense(), DType::kF64), plain(dense(), DType::kF64);
  for (Net* n : {&net, &plain}) n->parameters.initialize(1);
  Tensor& w = net.parameters.find("fc.weight")->value;
  w.mutable_data<double>()[0] = plain.parameters.find("fc.weight")->value.mutable_data<double>()[0] = 0;
  const Tensor before = w.clone();
  const double lambda = 0.125, lr = 0.01;
  double l1_norm = 0;
  for (double v : before.values()) l1_norm += std::abs(v);
  L1Penalty l1(lambda);
  const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {}), other = make_sgd({{plain.parameters.all(), 1, 0}}, {});
  const StepReport report = train(&net, sgd.get(), {.passes = {}, .hooks = {&l1}}, 1);
  train(&plain, other.get(), {}, 1);
  CHECK(report.penalty == doctest::Approx(lambda * l1_norm).epsilon(1e-14));
  for (int64_t i = 0; i < w.size(); ++i) {
    const double sign = before.at(i) > 0 ? 1 : before.at(i) < 0 ? -1 : 0;
    CHECK(w.at(i) ==
          doctest::Approx(plain.parameters.find("fc.weight")->value.at(i) - lr * lambda * sign).epsilon(1e-14));
  }
  CHECK(net.parameters.find("fc.bias")->value.values() == plain.parameters.find("fc.bias")->value.values());
}

TEST_CASE("step: latent weights of quantized layers are clipped after each update, others are not") {
  Net net(cifar_net("resnet14", Form::kBnn, 0.125));
  net.parameters.initialize(2);
  const auto adam = make_adam({{net.parameters.all(), 1, 0}}, {});
  LatentClip clip(net.spec(), net.parameters, 0.05);
  train(&net, adam.get(), {.passes = {}, .hooks = {&clip}}, 2);
  double latent = 0, real = 0;
  for (const NodeSpec& node : net.spec().nodes)
    if (const QuantSpec* q = weight_quant(node))
      for (double v : net.parameters.find(node.name + ".weight")->value.values())
        (q->scheme == Scheme::kNone ? real : latent) =
            std::max(q->scheme == Scheme::kNone ? real : latent, std::abs(v));
  CHECK(latent == double(0.05f));
  CHECK(real > 0.05);
}

TEST_CASE("step: hooks see each step and update, their roots are differentiated, and their state has their name") {
  for (const UpdateMode mode : {UpdateMode::kAfter, UpdateMode::kAlong}) {
    Net net(dense());
    net.parameters.initialize(3);
    const Tensor w = net.parameters.all()[0]->value.clone();
    const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
    Recorder hook(net.parameters);
    // No loss of its own: what moves the weights is the root. d mse / dw = 2 (w - 1) / 12.
    const LossFn nothing = [](const Outputs& out, const Tensor&, std::span<const Outputs>) {
      return mul(sum(out.scores), Tensor::full({}, 0));
    };
    StepSpec spec{.passes = {{&net.plan, Context::training(), nothing}}, .hooks = {&hook}, .update = mode};
    train(&net, sgd.get(), std::move(spec), 1);
    CHECK(hook.steps == std::vector<int64_t>{0});
    for (int64_t i = 0; i < w.size(); ++i)
      CHECK(net.parameters.all()[0]->value.at(i) ==
            doctest::Approx(w.at(i) - 0.01 * 2 * (w.at(i) - 1) / 12).epsilon(1e-6));
    CHECK(hook.kept.at(0) == 0.02f);  // weight and bias
    CHECK(hook.of_first.values() == net.parameters.all()[0]->value.values());
    const std::vector<OptimizerState> state = state_of({&hook});
    REQUIRE(state.size() == 2);
    CHECK(state[0].name == "recorder.sums");
    CHECK(state[1].name == "recorder.average.fc.weight");
  }
}

TEST_CASE(
    "step: two widths in one step: one backward over both, or one for each, the same gradients, the smaller memory") {
  ModelOptions wide = cifar_options(0.25), narrow = wide;
  narrow.width = 0.125;
  std::array specs{resnet14(wide), resnet14(narrow)};
  for (NodeSpec& node : specs[1].nodes)
    if (auto* norm = std::get_if<BatchNormConfig>(&node.config)) norm->set = 1;
  const Plan plans[] = {Plan(specs[0]), Plan(specs[1])};
  const Tensor x = random_f32({16, 32, 32, 3}, 1), y = labels(16, 10);
  std::vector<std::vector<double>> weights[2];
  size_t peak[2];
  for (const BackwardMode mode : {BackwardMode::kOnce, BackwardMode::kEachPass}) {
    const size_t at = mode == BackwardMode::kEachPass;
    Parameters p(specs);
    p.initialize(4);
    const auto sgd = make_sgd({{p.all(), 1, 0}}, {});
    StepSpec spec{
        .passes = {{&plans[0], Context::training(), kCrossEntropy}, {&plans[1], Context::training(), kCrossEntropy}},
        .hooks = {},
        .backward = mode};
    TrainingStep step(&p, sgd.get(), spec);
    step(x, y, 0, 0.01);
    const size_t before = pool_stats().live_bytes;
    reset_high_water();
    const StepReport report = step(x, y, 1, 0.01);
    peak[at] = pool_stats().high_water_bytes - before;
    CHECK(report.loss > 0);
    weights[at] = values(p);
    // The dry run of the same code predicts it.
    const DryRun dry;
    Parameters q(specs);
    const auto again = make_sgd({{q.all(), 1, 0}}, {});
    TrainingStep dry_step(&q, again.get(), spec);
    const Tensor dx = Tensor::empty(x.shape()), dy = Tensor::empty(y.shape(), DType::kI32);
    const size_t dry_before = pool_stats().live_bytes;
    reset_high_water();
    dry_step(dx, dy, 0, 0.01);
    CHECK(double(pool_stats().high_water_bytes - dry_before) == doctest::Approx(double(peak[at])).epsilon(0.02));
  }
  CHECK(weights[0] == weights[1]);  // a sum of two terms does not depend on their order
  CHECK(double(peak[1]) < 0.85 * double(peak[0]));
}

TEST_CASE("step: a loss sees the outputs of the passes before it, where there is one backward call") {
  Net net(dense());
  net.parameters.initialize(5);
  const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
  size_t seen = 99;
  const LossFn distilled = [&](const Outputs& out, const Tensor&, std::span<const Outputs> earlier) {
    seen = earlier.size();
    return mse(out.scores, seen ? earlier[0].scores.detach() : out.scores.detach());
  };
  const TrainingPass teacher{&net.plan, Context::training(), kCrossEntropy},
      student{&net.plan, Context::training(), distilled};
  train(&net, sgd.get(), {.passes = {teacher, student}}, 1);
  CHECK(seen == 1);
  train(&net, sgd.get(), {.passes = {teacher, student}, .hooks = {}, .backward = BackwardMode::kEachPass}, 1);
  CHECK(seen == 0);
}

TEST_CASE("step: what would not be exact or has no meaning is refused by name") {
  Net net(dense());
  const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
  const TrainingPass pass{&net.plan, Context::training(), kCrossEntropy};
  const auto refused = [&](StepSpec spec) {
    return error_text<Error>([&] { TrainingStep(&net.parameters, sgd.get(), std::move(spec)); });
  };
  CHECK(refused({.passes = {pass}, .hooks = {}, .update = UpdateMode::kAlong, .clip_norm = 1}).find("clipping") !=
        std::string::npos);
  CHECK(
      refused({.passes = {pass, pass}, .hooks = {}, .backward = BackwardMode::kEachPass, .update = UpdateMode::kAlong})
          .find("one for each of 2 passes") != std::string::npos);
  CHECK(refused({}) == "training step: there is no pass");
  L1Penalty a(1), b(2);
  CHECK(refused({.passes = {pass}, .hooks = {&a, &b}}) == "training step: two hooks named l1");
}

TEST_CASE("step: a loss or gradient that is not finite ends it, naming where that was first seen") {
  Net net(cifar_net("vgg11", Form::kFloat, 0.125));
  net.parameters.initialize(1);
  net.parameters.find("fc.bias")->value.mutable_data<float>()[1] = NAN;
  const auto sgd = make_sgd({{net.parameters.all(), 1, 0}}, {});
  const std::string what = error_text<NotFinite>([&] { train(&net, sgd.get(), {}, 1); });
  CAPTURE(what);
  CHECK(what.find("the loss is nan; first seen at layer fc (linear, [8,10]): 8 of 80 values are not finite") == 0);
}
