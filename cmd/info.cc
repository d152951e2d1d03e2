// bantam info: what is in a recipe, a checkpoint or a packed model.
#include <filesystem>

#include "cmd/any_model.h"
#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/recipe/build.h"
#include "cmd/recipe/data_source.h"
#include "cmd/recipe/recipe.h"
#include "cmd/run/memory_report.h"
#include "cmd/report/net_report.h"
#include "cmd/report/text.h"
#include "cmd/run/memory_plan.h"
#include "core/parallel.h"

namespace bantam {
namespace {

std::string plan_text(const MemoryPlan& plan) {
  std::string out = pad_left(bytes_text(plan.peak_bytes), 12) + "  at the peak\n";
  for (const MemoryItem& i : plan.at_peak)
    out += pad_left(bytes_text(i.bytes), 12) + "  " + (i.who.empty() ? "" : i.who + ": ") +
           (i.what.empty() ? "other" : i.what) + "\n";
  return out;
}

Json plan_json(const MemoryPlan& plan) {
  Json items = Json::array();
  for (const MemoryItem& i : plan.at_peak)
    items.push(Json::object({{"who", i.who}, {"what", i.what}, {"bytes", i.bytes}}));
  return Json::object({{"peak_bytes", plan.peak_bytes}, {"at_peak", items}});
}

void add_memory(const InfoArgs& args, const Recipe& recipe, const NetSpec& spec, Json* fields, std::string* text) {
  RecomputePlan plan;
  if (!args.mem_limit.empty()) {
    plan = plan_recipe(recipe, spec, parse_bytes(args.mem_limit));
    *text += "\n--mem-limit " + args.mem_limit + ": " + describe(plan, spec) + "\n";
    Json segments = Json::array();
    for (const Segment& s : plan.segments)
      segments.push(
          Json::object({{"from", spec.nodes[size_t(s.begin + 1)].name}, {"to", spec.nodes[size_t(s.end)].name}}));
    fields->set("recompute", Json::object({{"segments", segments}, {"share_of_forward", plan.extra}}));
  }
  const MemoryReport memory = memory_report(recipe, spec, held_batches(recipe), plan.segments);
  fields->set("memory", Json::object({{"batch", memory.batch},
                                      {"parameter_bytes", memory.parameter_bytes},
                                      {"gradient_bytes", memory.gradient_bytes},
                                      {"optimizer_bytes", memory.optimizer_bytes},
                                      {"training", plan_json(memory.training)},
                                      {"inference", plan_json(memory.inference)}}));
  *text += "\nmemory of a training step, batch " + std::to_string(memory.batch) + " (parameters " +
           bytes_text(memory.parameter_bytes) + ", gradients " + bytes_text(memory.gradient_bytes) + ", optimizer " +
           bytes_text(memory.optimizer_bytes) + ")\n" + plan_text(memory.training) +
           "\nmemory of inference, one image\n" + plan_text(memory.inference);
}

bool wants_memory(const InfoArgs& args) { return args.memory || !args.mem_limit.empty(); }

void report_net(const InfoArgs& args, const Recipe* recipe, const NetSpec& spec, Json fields, std::string text) {
  if (args.net) {
    print(Json::parse(to_json(spec)).dump(1));
    return;
  }
  const NetCost cost = cost_of(spec);
  const Json cost_fields = cost_json(cost);
  for (const auto& [key, value] : cost_fields.as_object()) fields.set(key, value);
  text += cost_text(cost);
  if (wants_memory(args)) {
    if (!recipe) throw UsageError("info: --memory needs the recipe, and " + args.what + " holds none");
    add_memory(args, *recipe, spec, &fields, &text);
  }
  if (args.common.json)
    print_report("info", fields);
  else
    print(text);
}

void info_recipe(const InfoArgs& args) {
  const Recipe recipe = load_recipe(args.what, args.set);
  const ImageSize size = image_size(recipe.data);
  report_net(args, &recipe, net_of(recipe, size.h, size.w, size.c, size.classes),
             Json::object({{"what", args.what}, {"kind", "recipe"}, {"recipe", dump(recipe)}}), dump(recipe) + "\n");
}

void info_checkpoint(const InfoArgs& args, const NetCheckpoint& net) {
  std::optional<Recipe> recipe;
  if (wants_memory(args) && !net.info.recipe_toml.empty()) recipe = parse_recipe(net.info.recipe_toml, net.path);
  Json classes = Json::array();
  for (const std::string& name : net.info.class_names) classes.push(name);
  Json fields = Json::object({{"what", net.path},
                              {"kind", "checkpoint"},
                              {"file_bytes", std::filesystem::file_size(net.path)},
                              {"recipe", net.info.recipe_toml},
                              {"classes", classes}});
  std::string text = net.path + ": " +
                     (net.state ? "checkpoint after step " + thousands(net.state->step) : "weights only") + "\n\n";
  if (!net.info.recipe_toml.empty()) text += net.info.recipe_toml + "\n";
  if (net.state) fields.set("step", net.state->step);
  report_net(args, recipe ? &*recipe : nullptr, net.info.spec, fields, text);
}

void info_packed(const InfoArgs& args, const AnyModel& model) {
  const bnt_info& i = model.packed->info();
  Json ops = Json::array(), classes = Json::array();
  std::string list;
  for (uint32_t op = 0; op < i.ops; ++op) {
    const char* name = bnt_op_name(&model.packed->model(), op);
    ops.push(name ? Json(name) : Json());
    list += "  " + std::string(name ? name : "?") + "\n";
  }
  for (const std::string& name : model.class_names) classes.push(name);
  if (args.common.json) {
    print_report("info", Json::object({{"what", model.path},
                                       {"kind", "packed"},
                                       {"file_bytes", model.packed->file_bytes()},
                                       {"model_bytes", i.model_bytes},
                                       {"arena_base", i.arena_base},
                                       {"arena_per_lane", i.arena_per_lane},
                                       {"align", i.align},
                                       {"h", i.h},
                                       {"w", i.w},
                                       {"c", i.c},
                                       {"macs", i.macs},
                                       {"switches", i.switches},
                                       {"classes", classes},
                                       {"ops", ops}}));
    return;
  }
  print(model.path + ": packed model\n  input        " + std::to_string(i.h) + "x" + std::to_string(i.w) + "x" +
        std::to_string(i.c) + " u8\n" + "  classes      " + std::to_string(i.classes) + "\n  file         " +
        bytes_text(model.packed->file_bytes()) + "\n" + "  weights laid out for this machine  " +
        bytes_text(i.model_bytes) + "\n" + "  arena        " + thousands(i.arena_base) + " bytes + " +
        thousands(i.arena_per_lane) + " a lane, aligned to " + std::to_string(i.align) + "\n" + "  MACs         " +
        thousands(int64_t(i.macs)) + "\n  operations   " + std::to_string(i.ops) + "\n" + list);
}

}  // namespace

int run_info(const InfoArgs& args) {
  set_threads(args.common.threads);
  if (names_recipe(args.what)) {
    info_recipe(args);
    return kExitOk;
  }
  if (!args.set.empty()) throw UsageError("info: --set and its like change a recipe; " + args.what + " is none");
  const AnyModel model = load_any(args.what);
  if (model.packed) {
    if (args.net) throw UsageError("info: --net is for recipes and checkpoints; " + args.what + " is a packed model");
    if (args.memory)
      throw UsageError("info: --memory is for recipes and checkpoints; a packed model's memory is its arena");
    if (!args.mem_limit.empty())
      throw UsageError("info: --mem-limit is for training; " + args.what + " is a packed model");
    info_packed(args, model);
  } else {
    info_checkpoint(args, *model.net);
  }
  return kExitOk;
}

}  // namespace bantam
