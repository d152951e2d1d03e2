#include "core/work.h"

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"

namespace bantam {
namespace {

// Writes "(kind:name ... )".
struct Recorder : WorkObserver {
  std::string text;
  std::atomic<int> begun{0}, ended{0};
  std::vector<int> running = std::vector<int>(kMaxThreads);
  std::atomic<bool> overlap{false};
  std::atomic<const char*> loop_kind{""};  // every lane writes it

  void begin(const Work& w) override { text += std::string("(") + w.kind + (w.name ? ":" + *w.name : ""); }
  void end() override { text += ")"; }
  void chunk_begin(int lane, const Work& w) override {
    ++begun;
    if (running[size_t(lane)]++) overlap = true;
    loop_kind = w.kind;
  }
  void chunk_end(int lane) override {
    --running[size_t(lane)];
    ++ended;
  }
};

Tensor twice(const Tensor& x) {
  return record("twice", Tensor::full(x.shape(), 2 * x.at(0)), {x}, {}, [](const BackwardArgs& b) {
    return Tensors{Tensor::full(b.grad.shape(), 2 * b.grad.at(0))};
  });
}

}  // namespace

TEST_CASE("work: a backward pass goes by the scope in which its node was recorded, or else by its operation") {
  Parameter p("p", Tensor::full({}, 3));
  const std::string name = "layer1";
  Tensor y;
  {
    const WorkScope work({"conv", &name});
    y = twice(p.tensor());
  }
  y = twice(y);
  Recorder r;
  {
    const ObserveWork observe(&r);
    backward(y);
  }
  CHECK(r.text == "(twice)(conv:layer1)");
  CHECK(p.grad.item() == 4);
}

TEST_CASE("work: scopes nest, tell what stands around them, and are silent when nobody observes") {
  const std::string name = "n";
  Recorder r;
  {
    const ObserveWork observe(&r);
    const WorkScope a({"a"});
    {
      const WorkScope b({"b", &name});
      CHECK(current_work().name == &name);
    }
    CHECK(std::string(current_work().kind) == "a");
    const ObserveWork nobody(nullptr);
    const WorkScope c({"c"});
  }
  const WorkScope d({"d"});
  CHECK(r.text == "(a(b:n))");
}

TEST_CASE("work: every chunk of an observed loop is told once, on a lane that runs no other") {
  for (int count : {1, 3}) {
    set_threads(count);
    Recorder r;
    std::atomic<int64_t> sum{0};
    {
      const ObserveWork observe(&r);
      const WorkScope work({"loop"});
      parallel_for(100, 7, [&](int64_t b, int64_t e, int) {
        for (int64_t i = b; i < e; ++i) sum += i;
        parallel_for(3, 1, [](int64_t, int64_t, int) {});  // runs on its lane: part of the chunk
      });
    }
    CHECK(sum == 4950);
    CHECK(r.begun == 15);
    CHECK(r.ended == 15);
    CHECK(!r.overlap);
    CHECK(std::string(r.loop_kind.load()) == "loop");
    CHECK(r.text == "(loop)");
  }
  set_threads(0);
}

}  // namespace bantam
