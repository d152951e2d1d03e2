#include "cmd/run/recipe_step.h"

#include "cmd/recipe/build.h"
#include "cmd/recipe/data_source.h"
#include "core/rng.h"
#include "core/work.h"
#include "ops/loss.h"

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

}  // namespace

RecipeStep::RecipeStep(const Recipe& recipe, int64_t batch, StepMode mode)
    : recipe_(recipe), mode_(mode), model_(net_for(recipe)) {
  model_.initialize(0);
  if (mode != StepMode::kEvaluation) optimizer_ = make_optimizer(recipe.optimizer, model_.parameters());
  if (mode == StepMode::kUpdate) {
    for (Parameter* p : model_.parameters()) {
      p->grad = Tensor::empty(p->value.shape());
      fill(&p->grad, 0.1, 1);
    }
    return;
  }
  const auto& in = std::get<InputConfig>(spec().nodes[0].config);
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
    train();
  } else if (mode_ == StepMode::kEvaluation) {
    const NoGrad no_grad;
    const WorkScope work({"forward"});
    model_.forward({.order = evaluation_order(spec()), .tap = {}}, x_);
  } else {
    const WorkScope work({"optimizer"});
    optimizer_->step(kRate);
  }
}

void RecipeStep::train() {
  {
    Tensor logits, loss;  // alive until the end of the backward pass, as in training
    {
      const WorkScope work({"forward"});
      const Context context{.training = true,
                            .seed = 0,
                            .step = step_++,
                            .order = sum_order(recipe_),
                            .tap = {},
                            .byte_values = byte_values_};
      logits = model_.forward(context, x_);
    }
    {
      const WorkScope work({"loss"});
      loss = cross_entropy(logits, y_, {.label_smoothing = recipe_.train.label_smoothing});
    }
    const WorkScope work({"backward"});
    if (updates_along(recipe_)) {
      optimizer_->begin_step();
      backward({loss}, {}, [&](Parameter& p) {
        const WorkScope update({"optimizer"});
        optimizer_->update(p, kRate);
        p.zero_grad();
      });
      return;
    }
    backward(loss);
  }
  const WorkScope work({"optimizer"});
  if (recipe_.train.clip_norm > 0) clip_gradients(model_.parameters(), recipe_.train.clip_norm);
  optimizer_->step(kRate);
  for (Parameter* p : model_.parameters()) p->zero_grad();
}

}  // namespace bantam
