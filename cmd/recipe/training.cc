#include "cmd/recipe/training.h"

#include <functional>
#include <string>

#include "cmd/errors.h"
#include "cmd/recipe/build.h"
#include "compress/angle_penalty.h"
#include "compress/distance_penalty.h"
#include "compress/l1_penalty.h"
#include "compress/latent_clip.h"
#include "compress/latent_weights.h"
#include "compress/soft_projection.h"
#include "nn/quantize.h"
#include "ops/loss.h"

namespace bantam {
namespace {

using Hooks = std::vector<std::unique_ptr<StepHook>>;

// Makes the hook of a key that is set; one that has nothing to act on is the key's error.
template <class H, class... Args>
void add(Hooks* hooks, const char* key, double strength, const Args&... args) {
  if (strength <= 0) return;
  try {
    hooks->push_back(std::make_unique<H>(args...));
  } catch (const Error& e) {
    throw UsageError(std::string(key) + " has no effect: " + e.what());
  }
}

Hooks hooks_of(const Recipe& recipe, const Net& net, int64_t steps_per_epoch) {
  const NetSpec& spec = net.spec();
  const Parameters& parameters = net.parameters;
  const TrainConfig& t = recipe.train;
  const PenaltyConfig& c = recipe.penalty;
  const auto ramp = [&](double start) { return Ramp{c.ramp, start, c.growth, c.every, c.cap}; };
  Hooks hooks;
  // The first: the others' gradients are those at the weights that it puts back.
  add<BinaryRelax>(&hooks, "penalty.relax", c.relax, spec, parameters, ramp(c.relax), steps_per_epoch);
  if (t.l1 > 0) hooks.push_back(std::make_unique<L1Penalty>(t.l1));
  add<LatentClip>(&hooks, "train.clip_latent", t.clip_latent, spec, parameters, t.clip_latent);
  add<AnglePenalty>(&hooks, "penalty.angle", c.angle, spec, parameters, ramp(c.angle), steps_per_epoch, c.over);
  add<DistancePenalty>(&hooks, "penalty.distance_l1", c.distance_l1, spec, parameters, 1, ramp(c.distance_l1),
                       steps_per_epoch);
  add<DistancePenalty>(&hooks, "penalty.distance_l2", c.distance_l2, spec, parameters, 2, ramp(c.distance_l2),
                       steps_per_epoch);
  add<ProxQuant>(&hooks, "penalty.prox", c.prox, spec, parameters, ramp(c.prox), steps_per_epoch);
  return hooks;
}

// Keys that do not go together, which no list of fields can say.
void check_together(const Recipe& recipe, const std::vector<LatentWeight>& latent) {
  const PenaltyConfig& c = recipe.penalty;
  const bool frozen = recipe.train.freeze == Freeze::kQuantized;
  const bool drawn = c.angle > 0 || c.distance_l1 > 0 || c.distance_l2 > 0 || c.prox > 0 || c.relax > 0;
  if (c.ramp != RampKind::kConstant && !drawn)
    throw UsageError("penalty.ramp has no effect: no penalty has a weight that could grow");
  if (c.over != PenaltyMean::kLayers && c.angle == 0)
    throw UsageError("penalty.over has no effect: it goes with penalty.angle");
  if (frozen && latent.empty()) throw UsageError("train.freeze has no effect: no layer of the net is quantized");
  if (frozen && drawn) throw UsageError("train.freeze: [penalty] has no effect on weights that stay as they are");
  if (frozen && !recipe.quant.lazy)
    throw UsageError("train.freeze goes with quant.lazy = true: norms must learn from what evaluation computes");
  if (recipe.quant.lazy) {
    for (const auto& [key, strength] : {std::pair("prox", c.prox), std::pair("relax", c.relax)})
      if (strength > 0)
        throw UsageError(std::string("penalty.") + key +
                         " goes with quant.lazy = false: it takes the gradient at weights that are not quantized");
    return;
  }
  if (latent.empty()) throw UsageError("quant.lazy has no effect: no layer of the net is quantized");
  for (const LatentWeight& w : latent)
    if (w.scale)
      throw UsageError("quant.lazy = false: " + w.layer +
                       " has a learned scale, which gets no gradient where training runs on real weights");
}

}  // namespace

RecipeTraining::RecipeTraining(const Recipe& recipe, Net* net, List<Segment> recompute, int64_t steps_per_epoch)
    : optimizer_(make_optimizer(recipe.optimizer, net->parameters)) {
  const std::vector<LatentWeight> latent = latent_weights(net->spec(), net->parameters);
  check_together(recipe, latent);
  Context context = Context::training(uint64_t(recipe.train.seed), 0, sum_order(recipe));
  context.recompute = std::move(recompute);
  const CrossEntropyOptions loss{.label_smoothing = recipe.train.label_smoothing};
  if (!recipe.quant.lazy) real_ = std::make_unique<Plan>(real_weights(net->spec()));
  StepSpec spec;
  spec.passes.push_back({real_ ? real_.get() : &net->plan, std::move(context),
                         [loss](const Outputs& out, const Tensor& labels, std::span<const Outputs>) {
                           return cross_entropy(out.scores, labels, loss);
                         }});
  hooks_ = hooks_of(recipe, *net, steps_per_epoch);
  for (const auto& hook : hooks_) spec.hooks.push_back(hook.get());
  if (recipe.train.freeze == Freeze::kQuantized)
    for (const LatentWeight& w : latent) {
      w.weight->frozen = true;
      if (w.scale) w.scale->frozen = true;
    }
  spec.update = update_mode(recipe);
  spec.clip_norm = recipe.train.clip_norm;
  step_ = std::make_unique<TrainingStep>(&net->parameters, optimizer_.get(), std::move(spec));
}

}  // namespace bantam
