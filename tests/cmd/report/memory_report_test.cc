#include "cmd/report/memory_report.h"

#include <doctest/doctest.h>

#include "core/parallel.h"
#include "core/pool.h"
#include "nn/model.h"
#include "ops/loss.h"
#include "tests/nn/cifar_options.h"

using namespace bantam;

namespace {

std::unique_ptr<Optimizer> adam(std::vector<ParameterGroup> groups) { return make_adam(std::move(groups), {}); }

// The pool's high-water mark over a real training step and the one after, above what was alive before.
size_t measured_peak(const NetSpec& spec, int64_t batch) {
  const size_t base = pool_stats().live_bytes;
  reset_high_water();
  Model model(spec);
  model.initialize(1);
  auto optimizer = adam({{model.parameters(), 1, 0}});
  const auto& in = std::get<InputConfig>(spec.nodes[0].config);
  const Tensor x = Tensor::full({batch, in.h, in.w, in.c}, 0.5), y = Tensor::zeros({batch}, DType::kI32);
  Context context;
  context.training = true;
  for (int step = 0; step < 2; ++step) {
    backward(cross_entropy(model.forward(context, x), y));
    optimizer->step(0.1);
    for (Parameter* p : model.parameters()) p->zero_grad();
  }
  return pool_stats().high_water_bytes - base;
}

}  // namespace

TEST_CASE("memory report: the dry run's peak is the pool's high-water mark, within 2 %") {
  for (const char* name : {"vgg11", "resnet14", "resnet18", "resnet50", "vgg11_bn"})
    for (Form form : {Form::kFloat, Form::kBnn}) {
      if (form == Form::kBnn && std::string(name) != "vgg11" && std::string(name) != "resnet14") continue;
      const NetSpec spec = build_model(name, cifar_options(form, 0.25));
      const MemoryReport report = memory_report(spec, 32, adam);
      const double real = double(measured_peak(spec, 32));
      CHECK(double(report.training.peak_bytes) == doctest::Approx(real).epsilon(0.02));
      size_t sum = 0;
      for (const MemoryItem& item : report.training.at_peak) sum += item.bytes;
      CHECK(sum == report.training.peak_bytes);
    }
}

TEST_CASE(
    "memory report: at batch 128, exact gradients: BNN VGG-11 170 MiB, BNN ResNet-14 1.25x 175, float ResNet-14 1.25x "
    "500") {
  const int old = threads();
  set_threads(2);
  const auto sgd = [](std::vector<ParameterGroup> groups) { return make_sgd(std::move(groups), {.momentum = 0.9}); };
  auto mib = [](const NetSpec& spec, const MakeOptimizer& make) {
    return double(memory_report(spec, 128, make, {3, true}, true).training.peak_bytes) / (1 << 20);
  };
  CHECK(mib(vgg11(cifar_options(Form::kBnn, 1)), adam) <= 170);
  CHECK(mib(resnet14(cifar_options(Form::kBnn, 1.25)), adam) <= 175);
  CHECK(mib(resnet14(cifar_options(Form::kFloat, 1.25)), sgd) <= 500);
  set_threads(old);
}
