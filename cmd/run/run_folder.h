// A run's folder: complete enough to publish. Everything but timing.jsonl is a function of the recipe and the data, so
// that two equal runs have equal files, byte for byte.
//
//   recipe.toml        the resolved recipe
//   log.jsonl          one object a line: "start", "step", "epoch", "end"; no times in it
//   timing.jsonl       what took how long, on which machine's how many threads
//   curves.csv/.svg    the epochs of log.jsonl, as a table and as a figure
//   confusion.csv/.svg of the last evaluation
//   last.safetensors   everything that --resume needs;  best.safetensors: the weights of the best evaluation
#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/json.h"

namespace bantam {

constexpr int kLogSchema = 1;

class RunFolder {
 public:
  // Makes the folder and its parents. Throws UsageError if it already holds a run, IoError.
  static std::unique_ptr<RunFolder> create(const std::string& path);
  // Makes it a run: recipe.toml is there from now on, so the first checkpoint must be there before.
  void commit(const std::string& recipe_toml);
  // An existing run. Throws UsageError if there is none. Both throw UsageError while another process works in it.
  static std::unique_ptr<RunFolder> open(const std::string& path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string recipe_file() const { return file("recipe.toml"); }
  std::string last_checkpoint() const { return file("last.safetensors"); }
  std::string best_checkpoint() const { return file("best.safetensors"); }

  // Opens the logs, log.jsonl cut back to `keep_bytes`: what a checkpoint says it had. FileError if the log is shorter.
  void open_log(uint64_t keep_bytes);
  // Adds {"schema":1,"event":EVENT, ...fields}.
  void log(const std::string& event, const Json& fields);
  // Makes the log durable: before a checkpoint that counts on it.
  void sync_log();
  uint64_t log_bytes() const { return log_->size(); }

  void log_timing(const std::string& event, const Json& fields);
  // curves.csv and curves.svg, made from log.jsonl.
  void write_curves(const std::string& title) const;

 private:
  explicit RunFolder(const std::string& path);

  std::string path_;
  int lock_fd_ = -1;
  std::unique_ptr<AppendLog> log_, timing_;
};

// Of one "epoch" line of a log.
struct EpochRecord {
  int64_t epoch = 0, step = 0;
  double lr = 0, train_loss = 0, train_top1 = 0;
  bool evaluated = false;
  std::string split;
  double loss = 0, top1 = 0, top5 = 0;
  // Of real and quantized weights: over layers, and of the layers with the least and the largest. NaN where no weights
  // are quantized.
  double cosine = std::nan(""), least_cosine = std::nan(""), most_cosine = std::nan("");
};
// Throws FileError on a line that is not what this program writes.
std::vector<EpochRecord> read_epochs(const std::string& log_path);
// Whether its last line is the "end" of a run that trained to its last epoch. Throws the same.
bool log_has_end(const std::string& log_path);
std::string curves_csv(const std::vector<EpochRecord>& epochs);
std::string curves_svg(const std::vector<EpochRecord>& epochs, const std::string& title);

}  // namespace bantam
