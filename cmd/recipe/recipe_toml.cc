// The only unit that includes toml++.
#include <toml++/toml.h>

#include <set>

#include "cmd/errors.h"
#include "cmd/recipe/recipe.h"

namespace bantam {
namespace {

constexpr size_t kMaxRecipeBytes = 1 << 20;

std::string where(const std::string& source, const toml::source_region& region) {
  return source + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column) + ": ";
}

// One TOML value. Throws FieldError for kinds that no field has (dates, nested tables and arrays).
Value to_value(const std::string& key, const toml::node& node) {
  if (const auto* b = node.as_boolean()) return b->get();
  if (const auto* i = node.as_integer()) return i->get();
  if (const auto* d = node.as_floating_point()) return d->get();
  if (const auto* s = node.as_string()) return s->get();
  if (const auto* a = node.as_array()) {
    std::vector<double> list;
    for (const toml::node& element : *a) {
      const auto number = element.value<double>();
      if (!number || !element.is_number()) throw FieldError(key + ": a list holds numbers only");
      list.push_back(*number);
    }
    return list;
  }
  throw FieldError(key + ": neither a table nor a date can stand here");
}

// Calls set(key, node) for each value; sections are one level deep. An empty section is visited as a value, so that a
// mistyped one is seen.
template <class Set> void walk(const toml::table& table, const std::string& prefix, Set set) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const toml::table* section = prefix.empty() ? node.as_table() : nullptr;
    if (section && !section->empty())
      walk(*section, key + ".", set);
    else
      set(key, node);
  }
}

bool is_section(const FieldList& list, const std::string& name) {
  for (const Field& f : list.all())
    if (f.key.compare(0, name.size() + 1, name + ".") == 0) return true;
  return false;
}

// Throws FieldError for a key that nobody knows. One that an earlier version had is told what stands in its place.
Field& field_of(FieldList& list, const std::string& key) {
  if (key == "model.form")
    throw FieldError(
        "unknown key 'model.form': how a net is quantized has a section of its own; in place of \"bnn\" write "
        "quant.weight, quant.activation and model.order, in place of \"binaryconnect\" quant.weight");
  return list.at(key);
}

void check_conditions(const FieldList& list, const std::set<std::string>& given) {
  for (const Field& f : list.all()) {
    if (!given.count(f.key) || list.applies(f)) continue;
    for (const Field& other : list.all())
      if (other.key == f.condition_key)
        throw UsageError(f.key + " has no effect with " + other.key + " = " + other.text() +
                         (f.condition_values == std::vector<std::string>{""}
                              ? ""
                              : "; it goes with " + one_of(f.condition_values).text()));
  }
}

void check_together(const Recipe& r) {
  if (r.data.mean.size() != r.data.stddev.size())
    throw UsageError("data.mean has " + std::to_string(r.data.mean.size()) + " values, data.stddev has " +
                     std::to_string(r.data.stddev.size()));
  const auto range = [](const char* key, const std::vector<double>& v) {
    if (v.size() != 2 || v[0] > v[1])
      throw UsageError(std::string(key) + " must be two numbers, the least and the largest");
  };
  range("data.crop_scale", r.data.crop_scale);
  range("data.crop_ratio", r.data.crop_ratio);
  if (r.data.eval_resize != 0 && r.data.eval_resize < r.data.image_size)
    throw UsageError("data.eval_resize = " + std::to_string(r.data.eval_resize) +
                     " does not cover data.image_size = " + std::to_string(r.data.image_size));
  if (r.schedule.kind == ScheduleKind::kMultiStep) {
    const auto& s = r.schedule;
    if (s.milestones.size() != s.factors.size())
      throw UsageError("schedule.milestones has " + std::to_string(s.milestones.size()) +
                       " values, schedule.factors has " + std::to_string(s.factors.size()));
    for (size_t i = 1; i < s.milestones.size(); ++i)
      if (s.milestones[i] <= s.milestones[i - 1]) throw UsageError("schedule.milestones must rise");
  }
  try {
    parse_quant_layers(r.quant.layers);
  } catch (const Error& e) {
    throw UsageError(std::string("quant.layers: ") + e.what());
  }
  if (r.optimizer.nesterov && r.optimizer.name == OptimizerKind::kSgd && r.optimizer.momentum == 0)
    throw UsageError("optimizer.nesterov needs optimizer.momentum above 0");
  if (r.optimizer.fused_update == FusedUpdate::kOn && r.train.clip_norm > 0)
    throw UsageError(
        "optimizer.fused_update = on does not go with train.clip_norm: the norm of all gradients is known only "
        "when backward is through, and by then they are gone");
}

}  // namespace

Recipe parse_recipe(std::string_view text, const std::string& source, const Overrides& overrides) {
  if (text.size() > kMaxRecipeBytes) throw UsageError(source + ": a recipe has at most 1 MiB");
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const toml::parse_error& e) {
    throw UsageError(where(source, e.source()) + std::string(e.description()));
  }

  Recipe recipe;
  FieldList list = fields(recipe);
  std::set<std::string> given;
  walk(table, "", [&](const std::string& key, const toml::node& node) {
    if (node.is_table() && is_section(list, key)) return;
    try {
      field_of(list, key).set(to_value(key, node));
    } catch (const FieldError& e) {
      throw UsageError(where(source, node.source()) + e.what());
    }
    given.insert(key);
  });
  try {
    check_conditions(list, given);
  } catch (const UsageError& e) {
    throw UsageError(source + ": " + e.what());
  }

  // An override may put keys of the recipe out of action (--set optimizer.name=sgd on an Adam recipe); what is itself
  // set on the command line must have an effect.
  std::set<std::string> overridden;
  for (const auto& [key, value] : overrides) {
    try {
      field_of(list, key).set_text(value);
    } catch (const FieldError& e) {
      throw UsageError("--set " + key + "=" + value + ": " + e.what());
    }
    overridden.insert(key);
  }
  check_conditions(list, overridden);
  check_together(recipe);
  if (const size_t slash = source.rfind('/'); slash != std::string::npos && !overridden.count("model.spec") &&
                                              !recipe.model.spec.empty() && recipe.model.spec[0] != '/')
    recipe.model.spec.insert(0, source, 0, slash + 1);
  return recipe;
}

}  // namespace bantam
