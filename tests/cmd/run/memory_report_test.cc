#include "cmd/run/memory_report.h"

#include <doctest/doctest.h>

#include "cmd/recipe/training.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

Recipe recipe_of(OptimizerKind optimizer, int64_t batch, FusedUpdate fused_update) {
  Recipe r;
  r.optimizer.name = optimizer;
  r.optimizer.fused_update = fused_update;
  r.train.batch = batch;
  return r;
}

// The pool's high-water mark over a real training step and the one after, above what was alive before.
size_t measured_peak(const Recipe& recipe, const NetSpec& spec) {
  const size_t base = pool_stats().live_bytes;
  reset_high_water();
  Net net(spec);
  net.parameters.initialize(1);
  RecipeTraining training(recipe, &net);
  const InputConfig& in = net.plan.input();
  const int64_t batch = recipe.train.batch;
  const Tensor x = Tensor::full({batch, in.h, in.w, in.c}, 0.5), y = Tensor::zeros({batch}, DType::kI32);
  for (int step = 0; step < 2; ++step) training.step()(x, y, step, 0.1);
  return pool_stats().high_water_bytes - base;
}

}  // namespace

TEST_CASE("memory report: the dry run's peak is the pool's high-water mark, within 2 %") {
  for (const char* name : {"vgg11", "resnet14", "resnet18", "resnet50", "vgg11_bn"})
    for (Form form : {Form::kFloat, Form::kBnn}) {
      if (form == Form::kBnn && std::string(name) != "vgg11" && std::string(name) != "resnet14") continue;
      const NetSpec spec = cifar_net(name, form, 0.25);
      const Recipe recipe = recipe_of(OptimizerKind::kAdam, 32, FusedUpdate::kOff);
      const MemoryReport report = memory_report(recipe, spec);
      const double real = double(measured_peak(recipe, spec));
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
  auto mib = [](const NetSpec& spec, OptimizerKind optimizer) {
    return double(memory_report(recipe_of(optimizer, 128, FusedUpdate::kOn), spec, {3, true}).training.peak_bytes) /
           (1 << 20);
  };
  CHECK(mib(cifar_net("vgg11", Form::kBnn, 1), OptimizerKind::kAdam) <= 170);
  CHECK(mib(cifar_net("resnet14", Form::kBnn, 1.25), OptimizerKind::kAdam) <= 175);
  CHECK(mib(cifar_net("resnet14", Form::kFloat, 1.25), OptimizerKind::kSgd) <= 500);
  set_threads(old);
}
