#include "cmd/recipe/build.h"

#include <cmath>
#include <utility>

#include "cmd/errors.h"
#include "cmd/recipe/data_source.h"
#include "core/file.h"
#include "nn/models/models.h"
#include "nn/quantize.h"

namespace bantam {

namespace {

constexpr uint64_t kMaxNetBytes = 16 << 20;

NetSpec net_by_name(const ModelConfig& model, int64_t h, int64_t w, int64_t c, int64_t classes) {
  try {
    return build_model(model.name, {.width = model.width,
                                    .classes = model.classes ? model.classes : classes,
                                    .h = h,
                                    .w = w,
                                    .c = c,
                                    .stem = model.stem,
                                    .order = model.order});
  } catch (const Error& e) {
    throw UsageError("model.name = " + model.name + ": " + e.what());
  }
}

NetSpec net_from_file(const std::string& path, int64_t h, int64_t w, int64_t c) {
  NetSpec spec;
  try {
    spec = net_spec_from_json(read_text(path, kMaxNetBytes));
  } catch (const Error& e) {
    throw FileError(path, e.what());
  }
  const auto size = [](const Shape& s) {
    return std::to_string(s[1]) + "x" + std::to_string(s[2]) + "x" + std::to_string(s[3]);
  };
  const std::string takes = size(infer_shapes(spec)[0]), given = size({1, h, w, c});
  if (takes != given)
    throw UsageError("model.spec = " + path + ": the net takes images of " + takes + ", not of " + given);
  return spec;
}

}  // namespace

NetSpec net_of(const Recipe& recipe, int64_t h, int64_t w, int64_t c, int64_t classes) {
  const std::string& file = recipe.model.spec;
  const NetSpec spec = file.empty() ? net_by_name(recipe.model, h, w, c, classes) : net_from_file(file, h, w, c);
  const QuantConfig& q = recipe.quant;
  const QuantRecipe quant{q.weight, q.activation, q.first, q.last, q.input_scale, parse_quant_layers(q.layers)};
  if (quant.changes_nothing()) return spec;
  try {
    const NetSpec net = quantize(spec, quant);
    for (const NodeSpec& node : net.nodes)
      if (const auto* c = std::get_if<QuantizeConfig>(&node.config))
        if (traits_of(c->quant.scheme).ranged && c->quant.scale == ScaleRule::kNone)
          throw Error(node.name + ": " + name_of(c->quant.scheme) +
                      " has no range of its own: set quant.activation_scale = max, or train a net of floats and have "
                      "bantam quantize measure the ranges");
    return net;
  } catch (const Error& e) {
    throw UsageError(std::string("[quant]: ") + e.what());
  }
}

NetSpec net_of(const Recipe& recipe, const Dataset& data) {
  const ImageSize size = image_size(recipe.data, data);
  NetSpec spec = net_of(recipe, size.h, size.w, size.c, size.classes);
  if (spec.classes != size.classes)
    throw UsageError((recipe.model.spec.empty() ? "model.classes = " : recipe.model.spec + ": classes = ") +
                     std::to_string(spec.classes) + ": " + data.name + " has " + std::to_string(size.classes));
  return spec;
}

void keep_net_file(Recipe* recipe, const std::string& folder) {
  if (recipe->model.spec.empty()) return;
  atomic_write(folder + "/" + kKeptNetFile, read_text(recipe->model.spec, kMaxNetBytes));
  recipe->model.spec = kKeptNetFile;
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerConfig& c, const Parameters& parameters) {
  ParameterGroup most{.weight_decay = c.weight_decay}, scales{.lr_scale = c.scale_lr};
  for (Parameter* p : parameters.all()) (parameters.is_scale(*p) ? scales : most).parameters.push_back(p);
  std::vector<ParameterGroup> groups = {most};
  if (!scales.parameters.empty()) groups.push_back(scales);
  if (c.name == OptimizerKind::kSgd)
    return make_sgd(std::move(groups), {.momentum = c.momentum, .nesterov = c.nesterov});
  return make_adam(std::move(groups), {.beta1 = c.beta1, .beta2 = c.beta2, .delta = c.eps});
}

UpdateMode update_mode(const Recipe& recipe) {
  const FusedUpdate fused = recipe.optimizer.fused_update;
  const bool along = fused == FusedUpdate::kOn || (fused == FusedUpdate::kAuto && recipe.train.clip_norm == 0);
  return along ? UpdateMode::kAlong : UpdateMode::kAfter;
}

Schedule make_schedule(const Recipe& recipe, int64_t steps_per_epoch) {
  const ScheduleConfig& c = recipe.schedule;
  Schedule s;
  s.lr = recipe.optimizer.lr;
  s.total_steps = steps_per_epoch * recipe.train.epochs;
  s.warmup_steps = int64_t(std::floor(c.warmup_epochs * double(steps_per_epoch) + 0.5));
  s.kind = c.kind;
  if (c.kind == ScheduleKind::kMultiStep) {
    s.milestones =
        scale_milestones(c.milestones, c.full_epochs > 0 ? c.full_epochs : double(recipe.train.epochs), s.total_steps);
    for (double factor : c.factors) s.lrs.push_back(factor * s.lr);
  }
  return s;
}

}  // namespace bantam
