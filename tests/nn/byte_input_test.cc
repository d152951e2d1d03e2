// Nets whose input is bytes: the same values, gradients and weights as with the bytes' f32 values, to the bit.
#include <doctest/doctest.h>

#include <cstring>

#include "core/parallel.h"
#include "core/rng.h"
#include "nn/models/models.h"
#include "ops/byte_values.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/effort.h"
#include "tests/nn/forms.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

struct Images {
  Tensor bytes, table, values, labels;
};
Images random_input(int64_t n, int64_t side, int64_t c) {
  const Rng rng(5, kRngTest, 0);
  Images in{
      Tensor::empty({n, side, side, c}, DType::kU8), Tensor::empty({c, 256}), {}, Tensor::zeros({n}, DType::kI32)};
  for (int64_t i = 0; i < in.bytes.size(); ++i)
    in.bytes.mutable_data<uint8_t>()[i] = uint8_t(rng.below(uint64_t(i), 256));
  for (int64_t i = 0; i < in.table.size(); ++i)
    in.table.mutable_data<float>()[i] = (float(i % 256) / 255 - 0.4f - 0.1f * float(i / 256)) / 0.3f;
  for (int64_t i = 0; i < n; ++i) in.labels.mutable_data<int32_t>()[i] = int32_t(i % 10);
  in.values = byte_values(in.bytes, in.table).detach();
  return in;
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.bytes() == b.bytes() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// Two steps; the logits of the second.
Tensor train(Net* model, const Images& in, bool bytes, const List<Segment>& recompute) {
  model->parameters.initialize(3);
  auto adam = make_adam({{model->parameters.all(), 1, 1e-4}}, {});
  Tensor logits;
  for (int step = 0; step < 2; ++step) {
    Context context = Context::training(2, step);
    context.recompute = recompute;
    logits = scores(*model, context, bytes ? Input(in.bytes, in.table) : Input(in.values));
    backward(cross_entropy(logits, in.labels));
    logits = logits.detach();
    adam->step(0.01);
    for (Parameter* p : model->parameters.all()) p->zero_grad();
  }
  return logits;
}

}  // namespace

TEST_CASE(
    "byte input: every net of the zoo trains to the same weights, whole, in blocks and in segments, on 1 thread and "
    "2") {
  const int before = threads();
  for (const auto& [name, build, has_stem, orders] : models())
    for (Form form : kForms) {
      if (!has_form(name, form)) continue;
      const std::string net = name;
      CAPTURE(net);
      CAPTURE(int(form));
      const bool small = net == "quickstart" || net == "lenet";
      const ModelOptions o{
          .width = small ? 0.5 : 0.125, .classes = 10, .h = small ? 28 : 32, .w = small ? 28 : 32, .c = small ? 1 : 3};
      const Images in = random_input(8, o.h, o.c);
      Net a(in_form(net, form, o)), b(in_form(net, form, o));
      for (const bool segments : {false, true}) {
        const std::vector<int> cuts = a.plan.cuts();
        List<Segment> recompute;
        if (segments) recompute = {{cuts[0], cuts[std::min<size_t>(3, cuts.size() - 2)]}};
        set_threads(1);
        const Tensor want = train(&a, in, false, recompute);
        set_threads(2);
        CHECK(same_bytes(train(&b, in, true, recompute), want));
        for (const Parameter* p : a.parameters.all()) CHECK(same_bytes(b.parameters.find(p->name)->value, p->value));
      }
      const NoGrad no_grad;
      Context context;
      const Tensor want = scores(a, context, in.values);
      CHECK(same_bytes(scores(b, context, {in.bytes, in.table}), want));
      int inputs = 0;
      context.tap = [&](const NodeSpec& node, const Tensor& value) {
        if (node.kind == Kind::kInput) inputs += same_bytes(value, in.values);
      };
      scores(b, context, {in.bytes, in.table});
      CHECK(inputs == 1);
    }
  set_threads(before);
}

TEST_CASE("byte input: a batch that takes blocks, or whose values are made again, trains to the same weights") {
  for (const Form form : {Form::kFloat, Form::kBnn}) {
    // 128 x 32 x 32 x 32 x 4 B: more than is run whole. The stem of ResNet-18 is never run in blocks.
    const ModelOptions o{.width = 0.5, .classes = 10, .h = 32, .w = 32, .c = 3};
    const Images in = random_input(128, 32, 3);
    for (const std::string net : {"vgg11", "resnet14", "resnet18"}) {
      CAPTURE(net);
      if (!has_form(net, form) || (kWatched && net != "resnet14")) continue;
      Net a(in_form(net, form, o)), b(in_form(net, form, o));
      CHECK(same_bytes(train(&b, in, true, {}), train(&a, in, false, {})));
      for (const Parameter* p : a.parameters.all()) CHECK(same_bytes(b.parameters.find(p->name)->value, p->value));
    }
  }
}

TEST_CASE("byte input: between forward and backward a net holds no f32 values of a large input") {
  const ModelOptions o{.width = 0.25, .classes = 10, .h = 32, .w = 32, .c = 3};
  for (const char* net : {"vgg11", "resnet14", "resnet18"}) {
    const std::string name = net;
    CAPTURE(name);
    const Images in = random_input(64, 32, 3);
    Net model(build_model(name, o));
    model.parameters.initialize(1);
    size_t held[2];
    for (const bool bytes : {false, true}) {
      const Input x((bytes ? in.bytes : in.values).clone(), bytes ? in.table : Tensor());
      const size_t before = pool_stats().live_bytes;
      const Tensor logits = scores(model, Context::training(), x);
      held[bytes] = pool_stats().live_bytes - before;
    }
    CHECK(held[1] <= held[0]);
  }
}

TEST_CASE("byte input: without values, or for an f64 net, an error says so") {
  const Images in = random_input(1, 28, 1);
  const ModelOptions o{.width = 0.5, .classes = 10, .h = 28, .w = 28, .c = 1};
  Net model(build_model("lenet", o)), f64(build_model("lenet", o), DType::kF64);
  CHECK_THROWS_WITH_AS(scores(model, {}, in.bytes), "model: an input of bytes, and no values of bytes", Error);
  CHECK_THROWS_WITH_AS(scores(f64, {}, {in.bytes, in.table}), "model: the net is f64, the input u8", Error);
}
