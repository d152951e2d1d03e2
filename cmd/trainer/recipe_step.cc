#include "cmd/trainer/recipe_step.h"

#include "cmd/trainer/data_source.h"
#include "cmd/trainer/train.h"
#include "core/rng.h"
#include "core/work.h"
#include "ops/loss.h"

namespace bantam {
namespace {

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
  x_ = Tensor::empty({batch, in.h, in.w, in.c});
  y_ = Tensor::empty({batch}, DType::kI32);
  fill(&x_, 3.46, 0);  // variance 1
  const Rng rng(0, kRngTest, 2);
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
      logits = model_.forward({.training = true, .seed = 0, .step = step_++, .order = sum_order(recipe_), .tap = {}}, x_);
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
