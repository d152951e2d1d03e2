#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "core/parallel.h"
#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/core/tensors.h"
#include "tests/effort.h"
#include "tests/nn/forms.h"
#include "tests/nn/hard_swish_net.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

Tensor labels_of(int64_t n) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double((i * 7 + 3) % 10));
  return Tensor::of({n}, y, DType::kI32);
}

Context training(int64_t step = 0) { return Context::training(0, step); }

// A few steps on one batch; the losses.
std::vector<double> train(Net& model, int steps, double lr, int64_t batch = 16) {
  auto adam = make_adam({{model.parameters.all(), 1, 0.0}}, {});
  const auto& in = std::get<InputConfig>(model.spec().nodes[0].config);
  const Tensor x = random_tensor({batch, in.h, in.w, in.c}, 1, model.parameters.dtype()), y = labels_of(batch);
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const Tensor loss = cross_entropy(scores(model, training(step), x), y);
    losses.push_back(loss.item());
    backward(loss);
    adam->step(lr);
    for (Parameter* p : model.parameters.all()) p->zero_grad();
  }
  return losses;
}

// Every gradient of `a` within `tolerance` of b's, relative to the largest element. A convolution's bias before a norm
// has a gradient of 0: what is left is rounding of a sum over all pixels, to be held against the gradient of the same
// layer's weights.
void check_gradients(const Net& a, const Net& b, double tolerance) {
  for (const Parameter* p : a.parameters.all()) {
    CAPTURE(p->name);
    const Tensor& want = b.parameters.find(p->name)->grad;
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(p->grad.at(i) - want.at(i)));
    const bool before_norm = p->name.starts_with("conv") && p->name.ends_with("bias");
    const std::string of = before_norm ? p->name.substr(0, p->name.size() - 4) + "weight" : p->name;
    for (double v : b.parameters.find(of)->grad.values()) largest = std::max(largest, std::abs(v));
    CHECK(worst <= tolerance * largest);
  }
}

}  // namespace

TEST_CASE("executor: every net of the zoo learns one batch by heart, in every form") {
  for (const auto& [name, build, has_stem, orders] : models())
    for (Form form : kForms) {
      if (!has_form(name, form)) continue;
      const std::string net = name;
      CAPTURE(net);
      CAPTURE(int(form));
      ModelOptions o = cifar_options(0.125);
      if (net == "quickstart" || net == "lenet") o.h = o.w = 28, o.c = 1, o.width = 0.5;
      Net model(in_form(net, form, o));
      model.parameters.initialize(1);
      // torchvision's plain VGG, without norms and from weights of 0.01, takes longer to begin.
      const int steps = kWatched ? 2 : net == "vgg11-torchvision" ? 80 : 40;
      const auto losses = train(model, steps, net == "resnet14" || net == "vgg11" ? 1e-2 : 3e-3);
      CHECK(losses.front() > 1.5);
      if (!kWatched) CHECK(losses.back() < 0.6 * losses.front());
    }
}

TEST_CASE("executor: f32 follows f64 through a whole net, forward and backward") {
  for (const char* name : {"vgg11", "resnet14"}) {
    CAPTURE(name);
    Net a(cifar_net(name, Form::kFloat, 0.125)), b(cifar_net(name, Form::kFloat, 0.125), DType::kF64);
    a.parameters.initialize(2);
    b.parameters.load_state_dict(a.parameters.state_dict(), a.parameters.counters());
    const Tensor x = random_f32({8, 32, 32, 3}, 2), y = labels_of(8);
    const Tensor la = cross_entropy(scores(a, training(), x), y),
                 lb = cross_entropy(scores(b, training(), x.to(DType::kF64)), y);
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
      Net model(cifar_net(name, form, 0.125));
      model.parameters.initialize(3);
      train(model, 3, 1e-2);
      for (const NamedTensor& t : model.parameters.state_dict()) {
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
  Net model(cifar_net("vgg11", Form::kBnn, 0.125));
  model.parameters.initialize(4);
  const Tensor x = random_f32({4, 32, 32, 3}, 3);
  const auto before = model.parameters.state_dict();
  std::map<std::string, Shape> seen;
  Context watch;
  watch.tap = [&](const NodeSpec& node, const Tensor& value) {
    seen[node.name] = value.shape();
    if (node.kind == Kind::kQuantize)
      for (double v : value.values()) CHECK((v == 1 || v == -1));
  };
  NoGrad off;
  const Tensor a = scores(model, watch, x);
  CHECK(seen.size() == model.spec().nodes.size());
  CHECK(seen["conv8"] == Shape{4, 2, 2, 64});
  for (size_t i = 0; i < before.size(); ++i)
    CHECK(before[i].tensor.values() == model.parameters.state_dict()[i].tensor.values());
  // One image at a time gives the same: nothing depends on the batch.
  const Tensor b = scores(model, {}, x.slice_outer(2, 3));
  for (int64_t k = 0; k < 10; ++k) CHECK(a.at(20 + k) == b.at(k));
  scores(model, training(), x);
  CHECK(model.parameters.counters().at("bn1.num_batches_tracked") == 1);
  bool moved = false;
  for (const NamedTensor& t : model.parameters.state_dict())
    if (t.name == "bn1.running_mean") moved = t.tensor.values() != std::vector<double>(8, 0.0);
  CHECK(moved);
}

TEST_CASE("executor: an input of another size is refused by name") {
  Net model(cifar_net("vgg11", Form::kFloat, 0.125));
  CHECK_THROWS_WITH_AS(scores(model, {}, Tensor::zeros({2, 28, 28, 3})),
                       "model: the net takes [2,32,32,3], the input is [2,28,28,3]", Error);
  CHECK_THROWS_WITH_AS(scores(model, {}, Tensor::zeros({2, 32, 32, 3}, DType::kF64)),
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
      ModelOptions o = cifar_options(0.125);
      int64_t batch = 12;
      if (name == std::string("vgg11")) o.width = 0.5, batch = 100;
      if (name == std::string("quickstart")) o.h = o.w = 28, o.c = 1, o.width = 0.5;
      Net a(in_form(name, form, o)), b(in_form(name, form, o));
      a.parameters.initialize(5);
      b.parameters.initialize(5);
      const Tensor x = random_f32({batch, o.h, o.w, o.c}, 4), y = labels_of(batch);
      Context watched = training();
      watched.tap = [](const NodeSpec&, const Tensor&) {};
      const Tensor la = cross_entropy(scores(a, training(), x), y), lb = cross_entropy(scores(b, watched, x), y);
      CHECK(la.item() == lb.item());
      const auto sa = a.parameters.state_dict(), sb = b.parameters.state_dict();
      for (size_t i = 0; i < sa.size(); ++i) CHECK_MESSAGE(sa[i].tensor.values() == sb[i].tensor.values(), sa[i].name);
      CHECK(a.parameters.counters() == b.parameters.counters());
      backward(la);
      backward(lb);
      check_gradients(a, b, 2e-5);
    }
}

TEST_CASE(
    "executor: evaluation sums in the device's order, unless any order is asked for, which only nets of floats are") {
  const NetSpec floats = cifar_net("vgg11", Form::kFloat, 0.125), signs = cifar_net("vgg11", Form::kBnn, 0.125);
  CHECK(evaluation_order(floats) == SumOrder::kAny);
  CHECK(evaluation_order(signs) == SumOrder::kCanonical);
  CHECK(evaluation_order(cifar_net("vgg11", Form::kBinaryConnect, 0.125)) == SumOrder::kCanonical);

  Net model(cifar_net("vgg11", Form::kFloat, 0.5));  // channels enough for Winograd
  model.parameters.initialize(3);
  const Tensor x = random_f32({32, 32, 32, 3}, 2);
  const Tensor canonical = scores(model, {}, x), fast = scores(model, Context::evaluation(SumOrder::kAny), x);
  CHECK(canonical.values() != fast.values());
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < fast.size(); ++i) {
    largest = std::max(largest, std::abs(canonical.at(i)));
    worst = std::max(worst, std::abs(canonical.at(i) - fast.at(i)));
  }
  CHECK(worst < 1e-5 * largest);  // 8 layers of some ulps each
  CHECK(scores(model, {}, x.slice_outer(0, 1).clone()).values() == canonical.slice_outer(0, 1).clone().values());
}

TEST_CASE("executor: hard_swish as one with its norm has the loss and gradients of the nodes one by one, to the bit") {
  Net fused(hard_swish_net()), alone(hard_swish_net());
  fused.parameters.initialize(5);
  alone.parameters.initialize(5);
  const Tensor x = random_f32({6, 9, 7, 3}, 6), y = Tensor::of({6}, {0, 1, 2, 3, 4, 0}, DType::kI32);
  Context watched = training();
  std::map<std::string, std::vector<double>> values;
  watched.tap = [&](const NodeSpec& node, const Tensor& value) { values[node.name] = value.values(); };
  const Tensor a = cross_entropy(scores(fused, training(), x), y), b = cross_entropy(scores(alone, watched, x), y);
  CHECK(a.item() == b.item());
  backward(a);
  backward(b);
  for (const Parameter* p : fused.parameters.all()) {
    bool moved = false;
    for (double v : p->grad.values()) moved |= v != 0;
    CHECK_MESSAGE(moved, p->name);
    CHECK_MESSAGE(p->grad.values() == alone.parameters.find(p->name)->grad.values(), p->name);
  }
  int pieces[3] = {};
  for (double v : values["norm3"]) ++pieces[v <= -3 ? 0 : v >= 3 ? 2 : 1];
  for (int n : pieces) CHECK(n > 0);
}
