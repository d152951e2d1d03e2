#include "cmd/recipe/build.h"

#include <cmath>
#include <utility>

#include "cmd/errors.h"
#include "cmd/recipe/data_source.h"
#include "nn/models/models.h"

namespace bantam {

NetSpec net_of(const Recipe& recipe, int64_t h, int64_t w, int64_t c, int64_t classes) {
  ModelOptions o;
  for (Form form : {Form::kFloat, Form::kBinaryConnect, Form::kBnn})
    if (recipe.model.form == name_of(form)) o.form = form;
  for (Stem stem : {Stem::kImageNet, Stem::kTinyImageNet, Stem::kCifar})
    if (recipe.model.stem == name_of(stem)) o.stem = stem;
  o.width = recipe.model.width;
  o.classes = recipe.model.classes ? recipe.model.classes : classes;
  o.h = h, o.w = w, o.c = c;
  try {
    return build_model(recipe.model.name, o);
  } catch (const Error& e) {
    throw UsageError("model.name = " + recipe.model.name + ": " + e.what());
  }
}

NetSpec net_of(const Recipe& recipe, const Dataset& data) {
  const ImageSize size = image_size(recipe.data, data);
  NetSpec spec = net_of(recipe, size.h, size.w, size.c, size.classes);
  if (spec.classes != size.classes)
    throw UsageError("model.classes = " + std::to_string(spec.classes) + ": " + data.name + " has " +
                     std::to_string(size.classes));
  return spec;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& c, const std::vector<Parameter*>& parameters) {
  std::vector<ParameterGroup> groups = {{parameters, 1, c.weight_decay}};
  if (c.name == "sgd") return make_sgd(std::move(groups), {.momentum = c.momentum, .nesterov = c.nesterov});
  return make_adam(std::move(groups), {.beta1 = c.beta1, .beta2 = c.beta2, .delta = c.eps});
}

UpdateMode update_mode(const Recipe& recipe) {
  const bool along = recipe.optimizer.fused_update == "on" ||
                     (recipe.optimizer.fused_update == "auto" && recipe.train.clip_norm == 0);
  return along ? UpdateMode::kAlong : UpdateMode::kAfter;
}

Schedule make_schedule(const Recipe& recipe, int64_t steps_per_epoch) {
  const ScheduleConfig& c = recipe.schedule;
  Schedule s;
  s.lr = recipe.optimizer.lr;
  s.total_steps = steps_per_epoch * recipe.train.epochs;
  s.warmup_steps = int64_t(std::floor(c.warmup_epochs * double(steps_per_epoch) + 0.5));
  if (c.kind == "cosine") s.kind = ScheduleKind::kCosine;
  if (c.kind == "multistep") {
    s.kind = ScheduleKind::kMultiStep;
    s.milestones =
        scale_milestones(c.milestones, c.full_epochs > 0 ? c.full_epochs : double(recipe.train.epochs), s.total_steps);
    for (double factor : c.factors) s.lrs.push_back(factor * s.lr);
  }
  return s;
}

}  // namespace bantam
