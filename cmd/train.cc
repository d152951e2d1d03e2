// bantam train: a new run, or one that goes on.
#include <filesystem>

#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/recipe/build.h"
#include "cmd/report/text.h"
#include "cmd/run/interrupt.h"
#include "cmd/run/memory_plan.h"
#include "cmd/run/train.h"
#include "core/hash.h"
#include "core/parallel.h"

namespace bantam {
namespace {

constexpr uint64_t kMaxCheckpointBytes = uint64_t(1) << 36;

void check_arguments(const TrainArgs& args) {
  if (args.profile_steps && args.profile.empty())
    throw UsageError("train: --profile-steps has no effect without --profile FILE");
  if (args.resume.empty()) {
    if (args.recipe.empty()) throw UsageError("train: RECIPE is missing; `bantam train --help` lists them");
    if (args.out.empty()) throw UsageError("train: --out RUN is missing: the run folder to make");
    return;
  }
  // A run that goes on is defined by its folder: whatever would change it is refused, not ignored.
  if (!args.recipe.empty())
    throw UsageError("train: --resume takes the recipe of the run; leave out '" + args.recipe + "'");
  if (!args.set.empty())
    throw UsageError("train: --resume takes the recipe of the run; it cannot be changed (" + args.set[0] + ")");
  if (!args.out.empty()) throw UsageError("train: --resume writes to the run's own folder; leave out --out");
  if (!args.init.empty()) throw UsageError("train: --resume takes the weights of the run; leave out --init");
}

// What each step computes a second time to keep within --mem-limit.
List<Segment> fit(const TrainArgs& args, const Recipe& recipe, const NetSpec& spec, Progress* progress) {
  if (args.mem_limit.empty()) return {};
  const RecomputePlan plan = plan_recipe(recipe, spec, parse_bytes(args.mem_limit));
  progress->line("--mem-limit " + args.mem_limit + ": " + describe(plan, spec));
  return plan.segments;
}

struct Run {
  std::unique_ptr<RunFolder> folder;
  DataSource data;
  std::unique_ptr<Trainer> trainer;
  Recipe recipe;
};

void start(const TrainArgs& args, Run* run, Progress* progress) {
  run->recipe = load_recipe(args.recipe, args.set);
  run->data = open_data(run->recipe.data, args.data);
  Json more = Json::object({{"recipe", args.recipe}});
  auto initial = std::make_unique<Net>(net_of(run->recipe, run->data.train));
  if (args.init.empty()) {
    initial->parameters.initialize(uint64_t(run->recipe.train.seed));
  } else {
    progress->line(args.init + ": " + load_weights(args.init, initial.get()));
    more.set("init_sha256", sha256_hex(read_file(checkpoint_path(args.init), kMaxCheckpointBytes)));
  }
  List<Segment> recompute = fit(args, run->recipe, initial->spec(), progress);
  run->folder = RunFolder::create(args.out);
  keep_net_file(&run->recipe, args.out);
  run->trainer = std::make_unique<Trainer>(run->recipe, run->data, run->folder.get(), progress, std::move(initial));
  run->trainer->set_recompute(std::move(recompute));
  run->trainer->begin(more);
  run->folder->commit(dump(run->recipe));
}

void go_on(const TrainArgs& args, Run* run, Progress* progress) {
  if (std::filesystem::is_regular_file(args.resume)) {
    if (!load_net(args.resume).state)
      throw UsageError(args.resume + ": holds weights only, no training state; start a new run from it with --init " +
                       args.resume);
    throw UsageError("--resume " + args.resume + ": give the run folder, not a checkpoint in it");
  }
  run->folder = RunFolder::open(args.resume);
  NetCheckpoint checkpoint = load_net(run->folder->last_checkpoint());
  const std::string toml = read_text(run->folder->recipe_file(), 1 << 20);
  run->recipe = parse_recipe(toml, run->folder->recipe_file());
  if (!run->recipe.model.spec.empty()) run->recipe.model.spec = kKeptNetFile;
  if (toml != checkpoint.info.recipe_toml)
    throw UsageError(run->folder->recipe_file() + ": is no longer the recipe that the run began with; start a new run");
  run->data = open_data(run->recipe.data, args.data);
  run->folder->open_log(checkpoint.state ? checkpoint.state->log_bytes : 0);
  run->trainer = std::make_unique<Trainer>(run->recipe, run->data, run->folder.get(), progress, std::move(checkpoint));
  run->trainer->set_recompute(fit(args, run->recipe, run->trainer->net().spec(), progress));
  progress->line("going on after step " + thousands(run->trainer->state().step) + " of " +
                 thousands(run->trainer->total_steps()));
}

const char* outcome_name(Outcome o) {
  return o == Outcome::kFinished ? "finished" : o == Outcome::kStopped ? "stopped" : "interrupted";
}

// Whether the profile lies in the folder of the run that is to be made.
bool in_new_run(const TrainArgs& args) {
  const auto folder = [](const std::filesystem::path& p) { return (p / "").lexically_normal(); };
  return !args.profile.empty() && args.resume.empty() &&
         folder(std::filesystem::path(args.profile).parent_path()) == folder(args.out);
}

// Of a command to type next: what --data said must be said again, since a run does not remember paths.
std::string data_flag(const TrainArgs& args) { return args.data.empty() ? "" : " --data " + args.data; }

void report(const TrainArgs& args, const Run& run, Outcome outcome, double seconds) {
  const TrainingState& s = run.trainer->state();
  const std::vector<EpochRecord> epochs = read_epochs(run.folder->file("log.jsonl"));
  const EpochRecord* last = nullptr;
  for (const EpochRecord& e : epochs)
    if (e.evaluated) last = &e;
  const std::string& path = run.folder->path();
  if (args.common.json) {
    Json fields = Json::object({{"run", path},
                                {"outcome", outcome_name(outcome)},
                                {"step", s.step},
                                {"total_steps", run.trainer->total_steps()},
                                {"seconds", seconds},
                                {"wait_seconds", run.trainer->waits().wait_seconds},
                                {"wait_share", run.trainer->waits().share()}});
    if (last)
      fields.set("eval", Json::object({{"split", last->split},
                                       {"epoch", last->epoch},
                                       {"loss", last->loss},
                                       {"top1", last->top1},
                                       {"top5", last->top5}}));
    if (s.best_step) fields.set("best", Json::object({{"top1", s.best_top1}, {"step", s.best_step}}));
    fields.set("last_checkpoint", run.folder->last_checkpoint());
    fields.set("best_checkpoint", s.best_step ? Json(run.folder->best_checkpoint()) : Json());
    print_report("train", fields);
    return;
  }
  if (outcome != Outcome::kFinished) {
    print(std::string(outcome_name(outcome)) + " after step " + thousands(s.step) + " of " +
          thousands(run.trainer->total_steps()) + "; go on with: bantam train --resume " + path + data_flag(args) +
          "\n");
    return;
  }
  if (last)
    print(last->split + " top-1 " + fixed(100 * last->top1, 2) + " %  top-5 " + fixed(100 * last->top5, 2) +
          " %  loss " + fixed(last->loss, 4) + "  (best top-1 " + fixed(100 * s.best_top1, 2) + " %)\n");
  print(path + ": recipe.toml, log.jsonl, curves.svg, confusion.csv, last.safetensors, best.safetensors\n" +
        "Next: bantam eval " + path + "/best.safetensors" + data_flag(args) + "\n");
}

}  // namespace

int run_train(const TrainArgs& args) {
  check_arguments(args);
  set_threads(args.common.threads);
  Progress progress(stderr_terminal(args.common.no_progress, args.common.quiet));
  const double start_seconds = monotonic_seconds();
  std::optional<StepTrace> trace;
  const auto open_trace = [&] { trace.emplace(args.profile, args.profile_steps.value_or(5)); };
  // A place that cannot be written is refused before anything else is; the run's own folder is not there yet.
  const bool in_run = in_new_run(args);
  if (!args.profile.empty() && !in_run) open_trace();
  Run run;
  if (args.resume.empty())
    start(args, &run, &progress);
  else
    go_on(args, &run, &progress);
  if (in_run) open_trace();
  run.folder->log_timing(
      "process",
      Json::object({{"threads", threads()}, {"backend", threads_backend()}, {"from_step", run.trainer->state().step}}));

  catch_interrupts();
  const Outcome outcome = run.trainer->run(
      {.max_steps = args.max_steps, .interrupted = interrupt_signal, .trace = trace ? &*trace : nullptr});
  progress.clear();
  report(args, run, outcome, monotonic_seconds() - start_seconds);
  if (outcome == Outcome::kInterrupted) return 128 + interrupt_signal();
  return kExitOk;
}

}  // namespace bantam
