// Whole nets against PyTorch in f64: loss, logits, every gradient, and the losses of 20 training steps.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/effort.h"
#include "tests/nn/forms.h"
#include "tests/nn/golden_pass.h"

using namespace bantam;
using golden::compare;
using golden::forward_backward;

namespace {

NetSpec net(const std::string& name, Form form, double width) {
  const bool gray = name == "lenet" || name == "quickstart";
  return in_form(name, form, {.width = width, .h = gray ? 28 : 32, .w = gray ? 28 : 32, .c = gray ? 1 : 3});
}

}  // namespace

// f64 rounds at 1.1e-16; a gradient of the first layer has gone through 14 layers and sums of 8,192 terms, and what is
// lost by cancellation in the norms: 1e-10 is the promise, measured is below 1e-12.
TEST_CASE("resnet14 at width 0.25, float: loss and each gradient in f64 equal PyTorch's to 1e-10") {
  const Fixture f("nets");
  compare(f, "resnet14_float", forward_backward(net("resnet14", Form::kFloat, 0.25), 8, DType::kF64), 1e-10);
}

namespace {

// Which piece of a kinked function (relu, prelu, hardtanh, sign and its surrogates) every value of a pass lies on.
std::vector<int8_t> pieces_of(const NetSpec& spec, const Tensor& x) {
  Net model(spec, x.dtype());
  golden::fill(model);
  std::set<std::string> kinked;  // nodes that such a function reads
  for (const NodeSpec& node : spec.nodes)
    for (Kind kind : {Kind::kRelu, Kind::kPRelu, Kind::kHardtanh, Kind::kQuantize})
      if (node.kind == kind) kinked.insert(spec.nodes[size_t(node.inputs[0])].name);
  std::vector<int8_t> pieces;
  Context context = Context::training();
  context.tap = [&](const NodeSpec& node, const Tensor& value) {
    if (!kinked.count(node.name)) return;
    for (int64_t i = 0; i < value.size(); ++i) {
      const double v = value.at(i);
      pieces.push_back(int8_t((v >= -1) + (v >= 0) + (v >= 1)));
    }
  };
  const NoGrad no_grad;
  scores(model, context, x);
  return pieces;
}

}  // namespace

// A value near a kink may round to its other side, and the gradient with it: that is no error of the gradient. So the
// batch is the first of the rule's in which f32 and f64 are on the same side everywhere.
TEST_CASE("resnet14, vgg11 and the quickstart net in every form: f32 gradients equal f64's to 1e-4, away from kinks") {
  struct Case {
    const char* name;
    double width;
    int64_t images;
  };
  for (const Case& n : {Case{"resnet14", 0.25, 8}, Case{"vgg11", 0.125, 4}, Case{"quickstart", 1, 4}})
    for (Form form : kForms) {
      CAPTURE(n.name);
      CAPTURE(int(form));
      if (kWatched && (n.images > 4 || form == Form::kBinaryConnect)) continue;
      const NetSpec spec = net(n.name, form, n.width);
      const Shape in = infer_shapes(spec)[0];
      const auto images = [&](uint64_t key, DType dtype) {
        return golden::images(key, n.images, in[1], in[2], in[3], dtype);
      };
      uint64_t key = 0;
      while (key < 32 && pieces_of(spec, images(key, DType::kF32).x) != pieces_of(spec, images(key, DType::kF64).x))
        ++key;
      REQUIRE(key < 32);
      Net f32(spec), f64(spec, DType::kF64);
      for (Net* model : {&f32, &f64}) {
        golden::fill(*model);
        const golden::Images batch = images(key, model->parameters.dtype());
        backward(cross_entropy(scores(*model, Context::training(), batch.x), batch.y));
      }
      for (const Parameter* p : f32.parameters.all()) {
        CAPTURE(p->name);
        const Tensor& want = f64.parameters.find(p->name)->grad;
        const bool bias = p->name.ends_with(".bias");  // before a norm nothing but rounding is left of it
        const Parameter* weight =
            bias ? f64.parameters.find(p->name.substr(0, p->name.size() - 4) + "weight") : nullptr;
        double worst = 0, largest = 0;
        for (int64_t i = 0; i < want.size(); ++i) worst = std::max(worst, std::abs(p->grad.at(i) - want.at(i)));
        for (const Tensor* t : {&want, weight ? &weight->grad : &want})
          for (double v : t->values()) largest = std::max(largest, std::abs(v));
        CHECK(worst <= 1e-4 * largest);
      }
    }
}

// [T 3.2.2]
TEST_CASE("resnet14 at width 0.25, binaryconnect and bnn: loss and each gradient in f64 equal PyTorch's to 1e-10") {
  const Fixture f("nets");
  for (Form form : {Form::kBinaryConnect, Form::kBnn})
    compare(f, std::string("resnet14_") + name_of(form), forward_backward(net("resnet14", form, 0.25), 8, DType::kF64),
            1e-10);
}

TEST_CASE(
    "vgg11 at width 0.125, every form: each gradient in f64 equals PyTorch's to 1e-10; conv biases before a norm have "
    "none") {
  const Fixture f("nets");
  for (Form form : kForms)
    compare(f, std::string("vgg11_") + name_of(form), forward_backward(net("vgg11", form, 0.125), 4, DType::kF64),
            1e-10);
}

TEST_CASE("quickstart net, every form: each gradient in f64 equals PyTorch's to 1e-10") {
  const Fixture f("nets");
  for (Form form : kForms)
    compare(f, std::string("quickstart_") + name_of(form), forward_backward(net("quickstart", form, 1), 4, DType::kF64),
            1e-10);
}

namespace {

void follow(const std::string& c, const NetSpec& spec, int64_t batch,
            const std::function<std::unique_ptr<Optimizer>(ParameterGroup)>& make, double lr) {
  const Fixture f("nets");
  const std::vector<double> want = f.tensor("curve/" + c + "/loss").values();
  CHECK(want.size() == 20);
  Net model(spec, DType::kF64);
  golden::fill(model);
  ParameterGroup group;
  group.parameters = model.parameters.all();
  const std::unique_ptr<Optimizer> optimizer = make(group);
  const Shape in = infer_shapes(spec, batch)[0];
  for (size_t step = 0; step < (kWatched ? 2 : want.size()); ++step) {
    const golden::Images images = golden::images(100 + step % 4, batch, in[1], in[2], in[3], DType::kF64);
    for (Parameter* p : model.parameters.all()) p->zero_grad();
    const Tensor loss = cross_entropy(scores(model, Context::training(), images.x), images.y);
    backward(loss);
    optimizer->step(lr);
    INFO(c << " step " << step);
    CHECK(std::abs(loss.item() - want[step]) <= 1e-9);
  }
}

}  // namespace

TEST_CASE("lenet: the losses of 20 Nesterov steps in f64 equal PyTorch's to 1e-9") {
  follow("lenet", net("lenet", Form::kFloat, 1), 8, [](ParameterGroup g) {
    g.weight_decay = 5e-4;  // on every parameter, as PyTorch's default group has it
    for (Parameter* p : g.parameters) p->decay = true;
    return make_sgd({g}, {.momentum = 0.9, .nesterov = true});
  }, 0.02);
}

TEST_CASE("resnet14 at width 0.25, float and bnn: the losses of 20 Adam steps in f64 equal PyTorch's to 1e-9") {
  for (Form form : {Form::kFloat, Form::kBnn})
    follow(std::string("resnet14_") + name_of(form), net("resnet14", form, 0.25), 4,
           [](ParameterGroup g) { return make_adam({g}, {}); }, 2e-3);
}
