#include "cmd/recipe/training.h"

#include "cmd/errors.h"
#include "cmd/recipe/build.h"
#include "compress/l1_penalty.h"
#include "compress/latent_clip.h"
#include "ops/loss.h"

namespace bantam {

RecipeTraining::RecipeTraining(const Recipe& recipe, Net* net, List<Segment> recompute)
    : optimizer_(make_optimizer(recipe.optimizer, net->parameters)) {
  Context context = Context::training(uint64_t(recipe.train.seed), 0, sum_order(recipe));
  context.recompute = std::move(recompute);
  const CrossEntropyOptions loss{.label_smoothing = recipe.train.label_smoothing};
  StepSpec spec;
  spec.passes.push_back(
      {&net->plan, std::move(context), [loss](const Outputs& out, const Tensor& labels, std::span<const Outputs>) {
         return cross_entropy(out.scores, labels, loss);
       }});
  const TrainConfig& c = recipe.train;
  if (c.l1 > 0) hooks_.push_back(std::make_unique<L1Penalty>(c.l1));
  if (c.clip_latent > 0) try {
      hooks_.push_back(std::make_unique<LatentClip>(net->spec(), net->parameters, c.clip_latent));
    } catch (const Error& e) {
      throw UsageError(std::string("train.clip_latent has no effect: ") + e.what());
    }
  for (const auto& hook : hooks_) spec.hooks.push_back(hook.get());
  spec.update = update_mode(recipe);
  spec.clip_norm = recipe.train.clip_norm;
  step_ = std::make_unique<TrainingStep>(&net->parameters, optimizer_.get(), std::move(spec));
}

}  // namespace bantam
