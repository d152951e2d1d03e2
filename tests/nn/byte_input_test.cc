// Nets whose input is bytes: the same values, gradients and weights as with the bytes' f32 values, to the bit.
#include <doctest/doctest.h>

#include <cstring>

#include "core/parallel.h"
#include "core/rng.h"
#include "nn/model.h"
#include "nn/models/models.h"
#include "ops/byte_values.h"
#include "ops/loss.h"
#include "optim/optimizer.h"

using namespace bantam;

namespace {

struct Input {
  Tensor bytes, table, values, labels;
};
Input random_input(int64_t n, int64_t side, int64_t c) {
  const Rng rng(5, kRngTest, 0);
  Input in{Tensor::empty({n, side, side, c}, DType::kU8), Tensor::empty({c, 256}), {}, Tensor::zeros({n}, DType::kI32)};
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
Tensor train(Model* model, const Input& in, bool bytes, const List<Segment>& recompute) {
  model->initialize(3);
  auto adam = make_adam({{model->parameters(), 1, 1e-4}}, {});
  Tensor logits;
  for (int step = 0; step < 2; ++step) {
    Context context;
    context.training = true;
    context.seed = 2;
    context.step = step;
    context.recompute = recompute;
    if (bytes) context.byte_values = in.table;
    logits = model->forward(context, bytes ? in.bytes : in.values);
    backward(cross_entropy(logits, in.labels));
    logits = logits.detach();
    adam->step(0.01);
    for (Parameter* p : model->parameters()) p->zero_grad();
  }
  return logits;
}

}  // namespace

TEST_CASE(
    "byte input: every net of the zoo trains to the same weights, whole, in blocks and in segments, on 1 thread and "
    "2") {
  const int before = threads();
  for (const auto& [name, build, float_only, has_stem] : models())
    for (Form form : {Form::kFloat, Form::kBinaryConnect, Form::kBnn}) {
      if (float_only && form != Form::kFloat) continue;
      const std::string net = name;
      CAPTURE(net);
      CAPTURE(int(form));
      const bool small = net == "quickstart" || net == "lenet";
      const ModelOptions o{.form = form,
                           .width = small ? 0.5 : 0.125,
                           .classes = 10,
                           .h = small ? 28 : 32,
                           .w = small ? 28 : 32,
                           .c = small ? 1 : 3};
      const Input in = random_input(8, o.h, o.c);
      Model a(build(o)), b(build(o));
      for (const bool segments : {false, true}) {
        const std::vector<int> cuts = a.cuts();
        List<Segment> recompute;
        if (segments) recompute = {{cuts[0], cuts[std::min<size_t>(3, cuts.size() - 2)]}};
        set_threads(1);
        const Tensor want = train(&a, in, false, recompute);
        set_threads(2);
        CHECK(same_bytes(train(&b, in, true, recompute), want));
        for (const Parameter* p : a.parameters()) CHECK(same_bytes(b.parameter(p->name)->value, p->value));
      }
      const NoGrad no_grad;
      Context context;
      const Tensor want = a.forward(context, in.values);
      context.byte_values = in.table;
      CHECK(same_bytes(b.forward(context, in.bytes), want));
      int inputs = 0;
      context.tap = [&](const NodeSpec& node, const Tensor& value) {
        if (node.kind == Kind::kInput) inputs += same_bytes(value, in.values);
      };
      b.forward(context, in.bytes);
      CHECK(inputs == 1);
    }
  set_threads(before);
}

TEST_CASE("byte input: a batch that takes blocks, or whose values are made again, trains to the same weights") {
  for (const Form form : {Form::kFloat, Form::kBnn}) {
    // 128 x 32 x 32 x 32 x 4 B: more than is run whole. The stem of ResNet-18 is never run in blocks.
    ModelOptions o{.form = form, .width = 0.5, .classes = 10, .h = 32, .w = 32, .c = 3};
    const Input in = random_input(128, 32, 3);
    for (const std::string net : {"vgg11", "resnet14", "resnet18"}) {
      CAPTURE(net);
      if (net == "resnet18" && form != Form::kFloat) continue;
      Model a(build_model(net, o)), b(build_model(net, o));
      CHECK(same_bytes(train(&b, in, true, {}), train(&a, in, false, {})));
      for (const Parameter* p : a.parameters()) CHECK(same_bytes(b.parameter(p->name)->value, p->value));
    }
  }
}

TEST_CASE("byte input: between forward and backward a net holds no f32 values of a large input") {
  const ModelOptions o{.form = Form::kFloat, .width = 0.25, .classes = 10, .h = 32, .w = 32, .c = 3};
  for (const char* net : {"vgg11", "resnet14", "resnet18"}) {
    const std::string name = net;
    CAPTURE(name);
    const Input in = random_input(64, 32, 3);
    Model model(build_model(name, o));
    model.initialize(1);
    size_t held[2];
    for (const bool bytes : {false, true}) {
      Context context;
      context.training = true;
      if (bytes) context.byte_values = in.table;
      Tensor x = (bytes ? in.bytes : in.values).clone();
      const size_t before = pool_stats().live_bytes;
      const Tensor logits = model.forward(context, x);
      held[bytes] = pool_stats().live_bytes - before;
    }
    CHECK(held[1] <= held[0]);
  }
}

TEST_CASE("byte input: without values, or for an f64 net, an error says so") {
  const Input in = random_input(1, 28, 1);
  const ModelOptions o{.form = Form::kFloat, .width = 0.5, .classes = 10, .h = 28, .w = 28, .c = 1};
  Model model(build_model("lenet", o)), f64(build_model("lenet", o), DType::kF64);
  CHECK_THROWS_WITH_AS(model.forward({}, in.bytes), "model: an input of bytes, and no values of bytes", Error);
  Context context;
  context.byte_values = in.table;
  CHECK_THROWS_WITH_AS(f64.forward(context, in.bytes), "model: the net is f64, the input u8", Error);
}
