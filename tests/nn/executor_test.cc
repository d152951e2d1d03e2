#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "core/parallel.h"
#include "nn/model.h"
#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/core/tensors.h"
#include "tests/nn/cifar_options.h"

using namespace bantam;

namespace {

Tensor labels_of(int64_t n) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double((i * 7 + 3) % 10));
  return Tensor::of({n}, y, DType::kI32);
}

Context training(int64_t step = 0) {
  Context c;
  c.training = true;
  c.step = step;
  return c;
}

// A few steps on one batch; the losses.
std::vector<double> train(Model& model, int steps, double lr, int64_t batch = 16) {
  auto adam = make_adam({{model.parameters(), 1, 0.0}}, {});
  const auto& in = std::get<InputConfig>(model.spec().nodes[0].config);
  const Tensor x = random_tensor({batch, in.h, in.w, in.c}, 1, model.dtype()), y = labels_of(batch);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(model.forward(training(step), x), y);
    losses.push_back(loss.item());
    backward(loss);
    adam->step(lr);
    for (Parameter* p : model.parameters()) p->zero_grad();
  }
  return losses;
}

// Every gradient of `a` within `tolerance` of b's, relative to the largest element. A convolution's bias before a norm
// has a gradient of 0: what is left is rounding of a sum over all pixels, to be held against the gradient of the same
// layer's weights.
void check_gradients(const Model& a, const Model& b, double tolerance) {
  for (const Parameter* p : a.parameters()) {
    CAPTURE(p->name);
    const Tensor& want = b.parameter(p->name)->grad;
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(p->grad.at(i) - want.at(i)));
    const bool before_norm = p->name.starts_with("conv") && p->name.ends_with("bias");
    const std::string of = before_norm ? p->name.substr(0, p->name.size() - 4) + "weight" : p->name;
    for (double v : b.parameter(of)->grad.values()) largest = std::max(largest, std::abs(v));
    CHECK(worst <= tolerance * largest);
  }
}

}  // namespace

TEST_CASE("executor: every net of the zoo learns one batch by heart, in every form") {
  for (const auto& [name, build, float_only, has_stem] : models())
    for (Form form : {Form::kFloat, Form::kBinaryConnect, Form::kBnn}) {
      if (float_only && form != Form::kFloat) continue;
      const std::string net = name;
      CAPTURE(net);
      CAPTURE(int(form));
      ModelOptions o = cifar_options(form, 0.125);
      if (net == "quickstart" || net == "lenet") o.h = o.w = 28, o.c = 1, o.width = 0.5;
      Model model(build(o));
      model.initialize(1);
      // torchvision's plain VGG, without norms and from weights of 0.01, takes longer to begin.
      const auto losses =
          train(model, net == "vgg11-torchvision" ? 80 : 40, net == "resnet14" || net == "vgg11" ? 1e-2 : 3e-3);
      CHECK(losses.front() > 1.5);
      CHECK(losses.back() < 0.6 * losses.front());
    }
}

TEST_CASE("executor: f32 follows f64 through a whole net, forward and backward") {
  for (const char* name : {"vgg11", "resnet14"}) {
    CAPTURE(name);
    Model a(build_model(name, cifar_options(Form::kFloat, 0.125))),
        b(build_model(name, cifar_options(Form::kFloat, 0.125)), DType::kF64);
    a.initialize(2);
    b.load_state_dict(a.state_dict(), a.counters());
    const Tensor x = random_f32({8, 32, 32, 3}, 2), y = labels_of(8);
    const Tensor la = cross_entropy(a.forward(training(), x), y),
                 lb = cross_entropy(b.forward(training(), x.to(DType::kF64)), y);
    CHECK(la.item() == doctest::Approx(lb.item()).epsilon(1e-5));
    backward(la);
    backward(lb);
    check_gradients(a, b, 1e-4);
  }
}

TEST_CASE("executor: the same bytes for any number of threads") {
  const std::pair<const char*, Form> nets[] = {
      {"resnet14", Form::kFloat}, {"resnet14", Form::kBnn}, {"resnet50", Form::kFloat}, {"vgg11_bn", Form::kFloat}};
  for (const auto& [name, form] : nets) {
    std::map<std::string, std::vector<double>> one;
    const int old = threads();
    for (int n : {1, 2, 3}) {
      set_threads(n);
      Model model(build_model(name, cifar_options(form, 0.125)));
      model.initialize(3);
      train(model, 3, 1e-2);
      for (const NamedTensor& t : model.state_dict()) {
        if (n == 1)
          one[t.name] = t.tensor.values();
        else
          CHECK_MESSAGE(t.tensor.values() == one[t.name], t.name << ", " << n << " threads");
      }
    }
    set_threads(old);
  }
}

TEST_CASE("executor: evaluation uses running statistics, training moves them, and a tap sees every node") {
  Model model(vgg11(cifar_options(Form::kBnn, 0.125)));
  model.initialize(4);
  const Tensor x = random_f32({4, 32, 32, 3}, 3);
  const auto before = model.state_dict();
  std::map<std::string, Shape> seen;
  Context watch;
  watch.tap = [&](const NodeSpec& node, const Tensor& value) {
    seen[node.name] = value.shape();
    if (node.kind == Kind::kQuantize)
      for (double v : value.values()) CHECK((v == 1 || v == -1));
  };
  NoGrad off;
  const Tensor a = model.forward(watch, x);
  CHECK(seen.size() == model.spec().nodes.size());
  CHECK(seen["conv8"] == Shape{4, 2, 2, 64});
  for (size_t i = 0; i < before.size(); ++i) CHECK(before[i].tensor.values() == model.state_dict()[i].tensor.values());
  // One image at a time gives the same: nothing depends on the batch.
  const Tensor b = model.forward({}, x.slice_outer(2, 3));
  for (int64_t k = 0; k < 10; ++k) CHECK(a.at(20 + k) == b.at(k));
  const Model& unchanged = model;
  CHECK(unchanged.evaluate({}, x).values() == a.values());
  CHECK_THROWS_WITH_AS(unchanged.evaluate(training(), x), "model: an evaluation in training", Error);
  model.forward(training(), x);
  CHECK(model.counters().at("bn1.num_batches_tracked") == 1);
  bool moved = false;
  for (const NamedTensor& t : model.state_dict())
    if (t.name == "bn1.running_mean") moved = t.tensor.values() != std::vector<double>(8, 0.0);
  CHECK(moved);
}

TEST_CASE("executor: an input of another size is refused by name") {
  Model model(vgg11(cifar_options(Form::kFloat, 0.125)));
  CHECK_THROWS_WITH_AS(model.forward({}, Tensor::zeros({2, 28, 28, 3})),
                       "model: the net takes [2,32,32,3], the input is [2,28,28,3]", Error);
  CHECK_THROWS_WITH_AS(model.forward({}, Tensor::zeros({2, 32, 32, 3}, DType::kF64)),
                       "model: the net is f32, the input f64", Error);
}

TEST_CASE(
    "executor: norms with what stands around them, in blocks of images where they are large, give what the nodes give "
    "one by one") {
  // A tap turns groups off. 100 images: the first layer of VGG-11 at width 0.5 takes 13 MB, and runs in four blocks.
  for (const char* name : {"vgg11", "resnet14", "quickstart"})
    for (Form form : {Form::kFloat, Form::kBnn}) {
      CAPTURE(name);
      CAPTURE(int(form));
      ModelOptions o = cifar_options(form, 0.125);
      int64_t batch = 12;
      if (name == std::string("vgg11")) o.width = 0.5, batch = 100;
      if (name == std::string("quickstart")) o.h = o.w = 28, o.c = 1, o.width = 0.5;
      Model a(build_model(name, o)), b(build_model(name, o));
      a.initialize(5);
      b.initialize(5);
      const Tensor x = random_f32({batch, o.h, o.w, o.c}, 4), y = labels_of(batch);
      Context watched = training();
      watched.tap = [](const NodeSpec&, const Tensor&) {};
      const Tensor la = cross_entropy(a.forward(training(), x), y), lb = cross_entropy(b.forward(watched, x), y);
      CHECK(la.item() == lb.item());
      const auto sa = a.state_dict(), sb = b.state_dict();
      for (size_t i = 0; i < sa.size(); ++i) CHECK_MESSAGE(sa[i].tensor.values() == sb[i].tensor.values(), sa[i].name);
      CHECK(a.counters() == b.counters());
      backward(la);
      backward(lb);
      check_gradients(a, b, 2e-5);
    }
}

TEST_CASE(
    "executor: evaluation sums in the device's order, unless any order is asked for, which only nets of floats are") {
  const NetSpec floats = build_model("vgg11", cifar_options(Form::kFloat, 0.125)),
                signs = build_model("vgg11", cifar_options(Form::kBnn, 0.125));
  CHECK(evaluation_order(floats) == SumOrder::kAny);
  CHECK(evaluation_order(signs) == SumOrder::kCanonical);
  CHECK(evaluation_order(build_model("vgg11", cifar_options(Form::kBinaryConnect, 0.125))) == SumOrder::kCanonical);

  Model model(build_model("vgg11", cifar_options(Form::kFloat, 0.5)));  // channels enough for Winograd
  model.initialize(3);
  const Tensor x = random_f32({32, 32, 32, 3}, 2);
  const Tensor canonical = model.forward({}, x), fast = model.forward({.order = SumOrder::kAny, .tap = {}}, x);
  CHECK(canonical.values() != fast.values());
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < fast.size(); ++i) {
    largest = std::max(largest, std::abs(canonical.at(i)));
    worst = std::max(worst, std::abs(canonical.at(i) - fast.at(i)));
  }
  CHECK(worst < 1e-5 * largest);  // 8 layers of some ulps each
  CHECK(model.forward({}, x.slice_outer(0, 1).clone()).values() == canonical.slice_outer(0, 1).clone().values());
}
