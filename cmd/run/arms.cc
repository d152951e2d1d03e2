#include "cmd/run/arms.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "cmd/errors.h"
#include "cmd/recipe/recipe.h"
#include "cmd/run/run_folder.h"
#include "core/file.h"

namespace bantam {
namespace fs = std::filesystem;

namespace {

bool is_run(const fs::path& folder) { return fs::is_regular_file(folder / "recipe.toml"); }

// What folders lie in a folder, by name: their order is no file system's.
std::vector<fs::path> folders_in(const fs::path& folder) {
  std::vector<fs::path> all;
  std::error_code error;
  for (const fs::directory_entry& e : fs::directory_iterator(folder, error))
    if (e.is_directory()) all.push_back(e.path());
  if (error) throw IoError(folder.string(), "read the folder", "opendir", error.value());
  std::sort(all.begin(), all.end());
  return all;
}

std::string name_of_folder(const std::string& folder) {
  fs::path path = fs::path(folder).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return path.filename().string();
}

void add_run(Arm* arm, const fs::path& folder) {
  const std::string recipe_file = (folder / "recipe.toml").string(), log = (folder / "log.jsonl").string();
  const int64_t seed = parse_recipe(read_text(recipe_file, 1 << 20), recipe_file).train.seed;
  if (arm->runs.count(seed))
    throw UsageError(folder.string() + ": has seed " + std::to_string(seed) + ", as " + arm->runs.at(seed).path +
                     " has; runs of one arm differ by seed");
  ArmRun run{.path = folder.string(), .finished = log_has_end(log)};
  for (const EpochRecord& e : read_epochs(log)) {
    if (!e.evaluated) continue;
    run.top1 = e.top1, run.loss = e.loss;
    run.best_top1 = std::max(run.best_top1, e.top1);
    run.top1_by_epoch[e.epoch] = e.top1;
    if (arm->split.empty()) arm->split = e.split;
    if (arm->split != e.split)
      throw UsageError(folder.string() + ": was evaluated on " + e.split + ", other runs of the arm on " + arm->split);
  }
  arm->runs.emplace(seed, run);
}

double value_of(const ArmRun& run, ArmMetric metric) {
  switch (metric) {
    case ArmMetric::kTop1:
      return 100 * run.top1;
    case ArmMetric::kBest:
      return 100 * run.best_top1;
    case ArmMetric::kLoss:
      return run.loss;
  }
  return 0;
}

std::string verdict_of(const Summary& difference, ArmMetric metric) {
  if (difference.n == 0) return "no pair";
  if (difference.n == 1) return "one seed";
  if (std::fabs(difference.mean) <= difference.half_width) return "within noise";
  return (difference.mean > 0) == (metric != ArmMetric::kLoss) ? "better" : "worse";
}

}  // namespace

Arm read_arm(const std::string& folder) {
  Arm arm{.name = name_of_folder(folder)};
  if (!fs::is_directory(folder)) throw UsageError(folder + ": no such folder");
  if (is_run(folder)) {
    add_run(&arm, folder);
    return arm;
  }
  for (const fs::path& sub : folders_in(folder))
    if (is_run(sub)) add_run(&arm, sub);
  if (arm.runs.empty()) throw UsageError(folder + ": holds no run, and no folder of it does");
  return arm;
}

std::vector<Arm> read_arms(const std::vector<std::string>& folders) {
  std::vector<Arm> all;
  for (const std::string& folder : folders) {
    if (!fs::is_directory(folder)) throw UsageError(folder + ": no such folder");
    const std::vector<fs::path> subs = folders_in(folder);
    const auto holds_runs = [](const fs::path& sub) {
      const std::vector<fs::path> of = folders_in(sub);
      return std::any_of(of.begin(), of.end(), is_run);
    };
    if (is_run(folder) || std::any_of(subs.begin(), subs.end(), is_run)) {
      all.push_back(read_arm(folder));
      continue;
    }
    const size_t before = all.size();
    for (const fs::path& sub : subs)
      if (holds_runs(sub)) all.push_back(read_arm(sub.string()));
    if (all.size() == before) throw UsageError(folder + ": holds no run, and no folder of it does");
  }
  std::set<std::string> names;
  for (const Arm& arm : all)
    if (!names.insert(arm.name).second)
      throw UsageError("two arms are named " + arm.name + ": their folders must differ in their last name");
  return all;
}

std::vector<ArmRow> compare(const std::vector<Arm>& arms, size_t against, ArmMetric metric) {
  std::vector<ArmRow> rows;
  for (size_t i = 0; i < arms.size(); ++i) {
    ArmRow row{.name = arms[i].name};
    std::vector<double> own, differences;
    for (const auto& [seed, run] : arms[i].runs) {
      if (!run.finished) {
        ++row.unfinished;
        continue;
      }
      own.push_back(value_of(run, metric));
      const auto other = arms[against].runs.find(seed);
      if (i != against && other != arms[against].runs.end() && other->second.finished)
        differences.push_back(own.back() - value_of(other->second, metric));
    }
    row.own = summarize(own);
    if (i != against) {
      row.difference = summarize(differences);
      row.verdict = verdict_of(row.difference, metric);
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace bantam
