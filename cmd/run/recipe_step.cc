#include "cmd/run/recipe_step.h"

#include "cmd/recipe/build.h"
#include "cmd/recipe/data_source.h"
#include "core/rng.h"
#include "core/work.h"

namespace bantam {
namespace {

constexpr float kRange = 3.46f;  // of pixels: variance 1
constexpr double kRate = 1e-4;  // of learning: small, so that nothing grows beyond bounds in hundreds of steps

NetSpec net_for(const Recipe& recipe) {
  const ImageSize size = image_size(recipe.data);
  return net_of(recipe, size.h, size.w, size.c, size.classes);
}

void fill(Tensor* t, double scale, uint64_t stream) {
  const Rng rng(0, kRngTest, stream);
  float* v = t->mutable_data<float>();
  for (int64_t i = 0; i < t->size(); ++i) v[i] = float(scale) * (rng.uniform(uint64_t(i)) - 0.5f);
}

// Dropout and initial weights of seed 0, whatever the recipe says.
Recipe with_seed_0(Recipe recipe) {
  recipe.train.seed = 0;
  return recipe;
}

}  // namespace

RecipeStep::RecipeStep(const Recipe& recipe, int64_t batch, StepMode mode)
    : mode_(mode),
      net_(net_for(recipe)),
      training_(with_seed_0(recipe), &net_),
      evaluator_(net_.plan, net_.parameters) {
  net_.parameters.initialize(0);
  if (mode == StepMode::kUpdate) {
    for (Parameter* p : net_.parameters.all()) {
      p->grad = Tensor::empty(p->value.shape());
      fill(&p->grad, 0.1, 1);
    }
    return;
  }
  const InputConfig& in = net_.plan.input();
  const bool bytes = mode == StepMode::kTraining && trains_on_bytes(recipe);
  x_ = Tensor::empty({batch, in.h, in.w, in.c}, bytes ? DType::kU8 : DType::kF32);
  y_ = Tensor::empty({batch}, DType::kI32);
  const Rng rng(0, kRngTest, 2), pixels(0, kRngTest, 0);
  if (bytes) {
    byte_values_ = Tensor::empty({in.c, 256});
    for (int64_t i = 0; i < byte_values_.size(); ++i)
      byte_values_.mutable_data<float>()[i] = kRange * (float(i % 256) / 255 - 0.5f);
    for (int64_t i = 0; i < x_.size(); ++i) x_.mutable_data<uint8_t>()[i] = uint8_t(pixels.below(uint64_t(i), 256));
  } else {
    fill(&x_, kRange, 0);
  }
  for (int64_t i = 0; i < batch; ++i)
    y_.mutable_data<int32_t>()[i] = int32_t(rng.below(uint64_t(i), uint64_t(spec().classes)));
}

void RecipeStep::operator()() {
  if (mode_ == StepMode::kTraining) {
    training_.step()({x_, byte_values_}, y_, step_++, kRate);
  } else if (mode_ == StepMode::kEvaluation) {
    const WorkScope work({"forward"});
    evaluator_(x_);
  } else {
    const WorkScope work({"optimizer"});
    training_.optimizer().step(kRate);
  }
}

}  // namespace bantam
