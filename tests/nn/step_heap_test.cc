#include <doctest/doctest.h>

#include <cstdlib>
#include <vector>

#include "core/rng.h"
#include "nn/models/models.h"
#include "ops/loss.h"
#include "optim/optimizer.h"
#include "tests/effort.h"
#include "tests/heap_count.h"
#include "tests/nn/forms.h"
#include "tests/nn/net_calls.h"

using namespace bantam;

namespace {

enum class How { kAfter, kAlong, kSegment };  // the update after backward, along with it; one segment that runs twice
struct Case {
  const char* net;
  Form form;
  double width;
  int64_t size, channels, batch;
  How how = How::kAfter;
  bool sgd = false;
};
constexpr Case kCases[] = {
    {"lenet", Form::kFloat, 1, 28, 1, 1},
    {"lenet", Form::kFloat, 1, 28, 1, 64},
    {"lenet", Form::kFloat, 1, 28, 1, 64, How::kAlong, true},
    {"vgg11", Form::kFloat, 0.125, 32, 3, 16},
    {"vgg11", Form::kBinaryConnect, 0.125, 32, 3, 16, How::kSegment},
    {"vgg11", Form::kBnn, 0.125, 32, 3, 16},
    {"vgg11", Form::kBnn, 0.125, 32, 3, 16, How::kAlong},
    {"vgg11", Form::kBnn, 0.125, 32, 3, 16, How::kSegment},
    {"resnet14", Form::kFloat, 0.25, 32, 3, 16},
    {"resnet14", Form::kBnn, 0.25, 32, 3, 16, How::kAlong},
    {"resnet14", Form::kBnn, 0.5, 32, 3, 128},  // large enough for batch blocks
};

}  // namespace

TEST_CASE("heap count: malloc, operator new, aligned_alloc and what the pool takes are seen") {
  if (!HeapCount::works()) {
    MESSAGE("nothing is counted in this build");
    return;
  }
  Tensor t;
  const HeapCount heap;
  void* volatile a = std::malloc(100);
  CHECK(heap.ours() == 1);
  int* volatile b = new int(1);
  CHECK(heap.ours() == 2);
  void* volatile c = std::aligned_alloc(64, 128);
  CHECK(heap.ours() == 3);
  t = Tensor::empty({12345677});  // a size that no other test has
  CHECK(heap.ours() >= 4);
  std::free(a), delete b, std::free(c);
}

TEST_CASE("heap: a training step allocates nothing, once two have been taken") {
  if (!HeapCount::works()) {
    MESSAGE("nothing is counted in this build");
    return;
  }
  const int before = threads();
  for (const Case& c : kCases)
    for (int n : {1, 2}) {
      if (kWatched && c.batch > 16) continue;
      set_threads(n);
      const std::string net = c.net;
      CAPTURE(net);
      CAPTURE(int(c.form));
      CAPTURE(int(c.how));
      CAPTURE(n);
      Net model(in_form(net, c.form, {.width = c.width, .classes = 10, .h = c.size, .w = c.size, .c = c.channels}));
      model.parameters.initialize(1);
      const std::vector<ParameterGroup> groups = {{model.parameters.all(), 1, 1e-4}};
      auto optimizer = c.sgd ? make_sgd(groups, {.momentum = 0.9}) : make_adam(groups, {});
      const Rng rng(9, kRngTest, 0);
      Tensor x = Tensor::empty({c.batch, c.size, c.size, c.channels}), y = Tensor::zeros({c.batch}, DType::kI32);
      for (int64_t i = 0; i < x.size(); ++i) x.mutable_data<float>()[i] = float(rng.normal(uint64_t(i)));
      Context context = Context::training();
      if (c.how == How::kSegment) context.recompute = {{model.plan.cuts()[1], model.plan.cuts()[3]}};
      wake_all_threads();
      uint64_t ours = 0, of_tbb = 0;
      for (context.step = 1; context.step <= 5; ++context.step) {
        const HeapCount heap;
        {
          const Tensor loss = cross_entropy(scores(model, context, x), y);
          if (c.how == How::kAlong) {
            optimizer->begin_step();
            backward({loss}, {}, [&](Parameter& p) {
              optimizer->update(p, 1e-3);
              p.zero_grad();
            });
          } else {
            backward(loss);
            clip_gradients(model.parameters.all(), 1);
            optimizer->step(1e-3);
            for (Parameter* p : model.parameters.all()) p->zero_grad();
          }
        }
        if (context.step > 2) ours += heap.ours(), of_tbb += heap.of_tbb();
      }
      CHECK(ours == 0);
      CHECK(of_tbb == 0);
    }
  set_threads(before);
}
