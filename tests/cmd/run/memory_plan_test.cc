#include "cmd/run/memory_plan.h"

#include <doctest/doctest.h>

#include "cmd/errors.h"
#include "cmd/recipe/training.h"
#include "core/pool.h"
#include "tests/nn/forms.h"

using namespace bantam;

namespace {

// SGD with momentum, each parameter updated along with backward.
Recipe recipe_of(int64_t batch) {
  Recipe r;
  r.optimizer.name = OptimizerKind::kSgd;
  r.train.batch = batch;
  return r;
}

NetSpec net(Form form, double width) { return cifar_net("resnet14", form, width); }

// The pool's high-water mark over real steps, and the weights after them.
size_t train(const NetSpec& spec, int64_t batch, const List<Segment>& recompute,
             std::vector<NamedTensor>* weights) {
  const size_t base = pool_stats().live_bytes;
  reset_high_water();
  size_t high = 0;
  {
    Net model(spec);
    model.parameters.initialize(1);
    RecipeTraining training(recipe_of(batch), &model, recompute);
    const InputConfig& in = model.plan.input();
    const Tensor x = Tensor::full({batch, in.h, in.w, in.c}, 0.5), y = Tensor::zeros({batch}, DType::kI32);
    for (int step = 0; step < 2; ++step) training.step()(x, y, step, 0.1);
    high = pool_stats().high_water_bytes - base;
    *weights = model.parameters.state_dict();
  }
  return high;
}

}  // namespace

TEST_CASE("mem-limit: what is planned fits, in reality as in the dry run, and gives the same weights to the bit") {
  for (Form form : {Form::kFloat, Form::kBinaryConnect}) {
    const NetSpec spec = net(form, 0.25);
    const int64_t batch = 16;
    std::vector<NamedTensor> plain, planned;
    const size_t all = train(spec, batch, {}, &plain);
    CHECK(plan_memory(recipe_of(batch), spec, {}, all).segments.empty());
    const size_t limit = all * 94 / 100;
    const RecomputePlan plan = plan_memory(recipe_of(batch), spec, {}, limit);
    CHECK(!plan.segments.empty());
    CHECK(plan.extra > 0);
    CHECK(plan.extra < 1);
    CHECK(plan.peak_bytes <= limit);
    const size_t high = train(spec, batch, plan.segments, &planned);
    CHECK(high <= limit);
    CHECK(double(high) == doctest::Approx(double(plan.peak_bytes)).epsilon(0.02));
    for (size_t i = 0; i < plain.size(); ++i)
      CHECK_MESSAGE(plain[i].tensor.values() == planned[i].tensor.values(), plain[i].name);
  }
}

TEST_CASE("mem-limit: a looser limit never computes more again, and what cannot be is refused with what is missing") {
  const NetSpec spec = net(Form::kFloat, 1.25);
  const auto plan = [&](double mib) { return plan_memory(recipe_of(128), spec, {}, size_t(mib * (1 << 20))); };
  double last = 1;
  for (double mib : {330.0, 350.0, 370.0, 381.0, 500.0}) {
    CAPTURE(mib);
    const RecomputePlan p = plan(mib);
    CHECK(double(p.peak_bytes) <= mib * (1 << 20));
    CHECK(p.extra <= last);
    last = p.extra;
  }
  CHECK(last == 0);
  CHECK_THROWS_WITH_AS(plan(100), doctest::Contains("--mem-limit 100 MiB: a step of batch 128 takes at least "),
                       UsageError);
  CHECK_THROWS_WITH_AS(plan(100), doctest::Contains("the largest at its peak: "), UsageError);
}

TEST_CASE("mem-limit: bytes as people write them") {
  CHECK(parse_bytes("1000") == 1000);
  CHECK(parse_bytes("512MiB") == size_t(512) << 20);
  CHECK(parse_bytes("1.5 GiB") == size_t(3) << 29);
  CHECK(parse_bytes("4KiB") == 4096);
  for (const char* wrong : {"", "MiB", "-1MiB", "0", "1MB", "12x", "nan", "1e30", "0.5"})
    CHECK_THROWS_AS(parse_bytes(wrong), UsageError);
}
