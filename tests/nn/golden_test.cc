// Whole nets against PyTorch in f64: loss, logits, every gradient, and the losses of 20 training steps.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/nn/golden_pass.h"

using namespace bantam;
using golden::compare;
using golden::forward_backward;

namespace {

NetSpec net(const std::string& name, Form form, double width) {
  const bool gray = name == "lenet" || name == "quickstart";
  return build_model(name, {.form = form, .width = width, .h = gray ? 28 : 32, .w = gray ? 28 : 32, .c = gray ? 1 : 3});
}

constexpr Form kForms[] = {Form::kFloat, Form::kBinaryConnect, Form::kBnn};

}  // namespace

// f64 rounds at 1.1e-16; a gradient of the first layer has gone through 14 layers and sums of 8,192 terms, and what is
// lost by cancellation in the norms: 1e-10 is the promise, measured is below 1e-12.
TEST_CASE("resnet14 at width 0.25, float: loss and each gradient in f64 equal PyTorch's to 1e-10") {
  const Fixture f("nets");
  compare(f, "resnet14_float", forward_backward(net("resnet14", Form::kFloat, 0.25), 8, DType::kF64), 1e-10);
}

// Left out is resnet14 binaryconnect: with this batch the input of one of its ReLUs, in layer1.1.act2, rounds to the
// other side of 0 in f32, and the gradient with it. In the others no ReLU, PReLU or sign changes sides.
TEST_CASE("resnet14 float and bnn, vgg11 and the quickstart net in every form: f32 gradients equal f64's to 1e-4") {
  const Fixture f("nets");
  for (Form form : kForms) {
    const std::string name = std::string("_") + name_of(form);
    if (form != Form::kBinaryConnect)
      compare(f, "resnet14" + name, forward_backward(net("resnet14", form, 0.25), 8, DType::kF32), 1e-4);
    compare(f, "vgg11" + name, forward_backward(net("vgg11", form, 0.125), 4, DType::kF32), 1e-4);
    compare(f, "quickstart" + name, forward_backward(net("quickstart", form, 1), 4, DType::kF32), 1e-4);
  }
}

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
  Model model(spec, DType::kF64);
  golden::fill(model);
  ParameterGroup group;
  group.parameters = model.parameters();
  const std::unique_ptr<Optimizer> optimizer = make(group);
  const Shape in = infer_shapes(spec, batch)[0];
  for (size_t step = 0; step < want.size(); ++step) {
    const golden::Images images = golden::images(100 + step % 4, batch, in[1], in[2], in[3], DType::kF64);
    for (Parameter* p : model.parameters()) p->zero_grad();
    const Tensor loss = cross_entropy(model.forward({.training = true}, images.x), images.y);
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
