// What backward computes again is bounded: it grows with the depth of a net as the forward pass does.
#include <doctest/doctest.h>

#include <optional>
#include <string>

#include "core/pool.h"
#include "core/work.h"
#include "ops/loss.h"
#include "tests/nn/net_calls.h"
#include "tests/nn/separable_net.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

// Counts convolutions that are run.
struct Convolutions : WorkObserver {
  void begin(const Work& work) override { runs += work.kind && std::string(work.kind) == "conv"; }
  void end() override {}
  void chunk_begin(int, const Work&) override {}
  void chunk_end(int) override {}
  int runs = 0;
};

Tensor labels(int64_t n) {
  std::vector<double> y;
  for (int64_t i = 0; i < n; ++i) y.push_back(double((i * 7 + 3) % 10));
  return Tensor::of({n}, y, DType::kI32);
}

// Convolutions that a backward pass computes again, for each that the net has.
double again(int blocks, int64_t channels, bool residual) {
  Net net(separable_net(blocks, channels, 6, residual));
  net.parameters.initialize(1);
  Convolutions count;
  const Tensor loss = cross_entropy(scores(net, Context::training(), random_f32({2, 6, 6, 3}, 1)), labels(2));
  {
    // A convolution's own backward pass goes by its name, once.
    const ObserveWork observe(&count);
    backward(loss);
  }
  return double(count.runs) / double(2 * blocks + 1);
}

}  // namespace

TEST_CASE("recompute: convolutions that run again in backward grow with the depth, not with its square") {
  for (const bool residual : {false, true})
    for (int64_t channels : {8, 32, 33}) {
      CAPTURE(residual);
      CAPTURE(channels);
      for (int blocks : {1, 4, 16, 64}) {
        CAPTURE(blocks);
        CHECK(again(blocks, channels, residual) <= 7);
      }
      CHECK(again(64, channels, residual) <= 1.15 * again(16, channels, residual));
    }
}

TEST_CASE("recompute: a chain of cheap convolutions has the gradients of its nodes one by one, to the bit") {
  for (const bool residual : {false, true}) {
    Net a(separable_net(5, 12, 8, residual)), b(a.spec());
    a.parameters.initialize(2);
    b.parameters.initialize(2);
    const Tensor x = random_f32({4, 8, 8, 3}, 3), y = labels(4);
    Context watched = Context::training();
    watched.tap = [](const NodeSpec&, const Tensor&) {};
    backward(cross_entropy(scores(a, Context::training(), x), y));
    backward(cross_entropy(scores(b, watched, x), y));
    for (const Parameter* p : a.parameters.all())
      CHECK_MESSAGE(p->grad.values() == b.parameters.find(p->name)->grad.values(), p->name);
  }
}

TEST_CASE("recompute: the memory of a chain of cheap convolutions is what the dry run says") {
  const auto peak = [](bool dry_run) {
    std::optional<DryRun> dry;
    if (dry_run) dry.emplace();
    Net net(separable_net(12, 32, 14));
    const Tensor x = Tensor::full({16, 14, 14, 3}, 0.5), y = Tensor::zeros({16}, DType::kI32);
    if (!dry_run) net.parameters.initialize(1);
    const size_t before = pool_stats().live_bytes;
    reset_high_water();
    backward(cross_entropy(scores(net, Context::training(), x), y));
    return double(pool_stats().high_water_bytes - before);
  };
  CHECK(peak(true) == doctest::Approx(peak(false)).epsilon(0.02));
}
