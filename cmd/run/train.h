// The training loop: loader -> forward -> loss -> backward -> clip -> step, with checkpoints from which it goes on bit
// for bit. A Trainer's results are a function of the recipe and the data; neither threads, nor times, nor interruptions
// change a byte of log.jsonl or of a checkpoint.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "cmd/recipe/data_source.h"
#include "cmd/recipe/recipe.h"
#include "cmd/recipe/training.h"
#include "cmd/report/metrics.h"
#include "cmd/report/terminal.h"
#include "cmd/run/run_folder.h"
#include "cmd/run/step_trace.h"
#include "compress/net_checkpoint.h"
#include "optim/schedule.h"

namespace bantam {

struct StopRules {
  int64_t max_steps = 0;             // stop when so many steps are done; 0: not
  std::function<int()> interrupted;  // a signal's number, or 0: asked at the end of every step
  StepTrace* trace = nullptr;        // observes some steps; its file is written when they are done
};

enum class Outcome { kFinished, kStopped, kInterrupted };

// Of whole epochs in this process.
struct WaitFigures {
  double train_seconds = 0;  // without evaluations
  double wait_seconds = 0;   // of these, for the next batch
  double share() const { return train_seconds > 0 ? wait_seconds / train_seconds : 0; }
};

class Trainer {
 public:
  // A new run from these weights. Data, folder and progress must outlive it.
  Trainer(const Recipe& recipe, const DataSource& data, RunFolder* run, Progress* progress,
          std::unique_ptr<Net> initial);
  // Goes on from a checkpoint. Throws UsageError if it has no training state or if the data are others.
  Trainer(const Recipe& recipe, const DataSource& data, RunFolder* run, Progress* progress, NetCheckpoint checkpoint);

  // Pieces that each step computes a second time in backward (cmd/run/memory_plan.h). No result depends on them.
  void set_recompute(List<Segment> segments);
  // Writes the checkpoint of step 0 and the log's first line. `more` is added to that line.
  void begin(const Json& more);
  // Trains until the end or until a rule says stop; a checkpoint of the last step is then written. Throws NumericError
  // on a loss or gradient that is not finite, naming step and layer: no checkpoint is touched then.
  Outcome run(const StopRules& rules);

  int64_t total_steps() const { return total_steps_; }
  int64_t steps_per_epoch() const { return loader_->steps_per_epoch(); }
  const TrainingState& state() const { return state_; }
  const std::optional<Metrics>& last_metrics() const {
    return last_metrics_;
  }  // of the last evaluation in this process
  const WaitFigures& waits() const { return waits_; }
  const Net& net() const { return *net_; }
  void save();

 private:
  void prepare();
  Outcome run_steps(const StopRules& rules);
  void step();
  const Batch& next_batch();
  void tell_trace(const StepTrace& trace);
  bool end_epoch(const StopRules& rules);       // false: interrupted
  bool evaluate_epoch(const StopRules& rules);  // false: interrupted
  void write_curves();
  void show(bool evaluating);

  Recipe recipe_;
  const DataSource& data_;
  RunFolder* run_;
  Progress* progress_;
  NetInfo info_;
  std::unique_ptr<Net> net_;
  std::unique_ptr<RecipeTraining> training_;
  std::unique_ptr<Loader> loader_;
  Schedule schedule_;
  int64_t total_steps_ = 0;
  TrainingState state_;
  std::optional<Metrics> last_metrics_;

  // For people only: no result depends on these.
  double started_ = 0, last_save_ = 0, epoch_started_ = 0, step_seconds_ = 0, waited_before_ = 0;
  WaitFigures waits_;
  int64_t first_step_ = 0;
};

}  // namespace bantam
