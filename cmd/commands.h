// The subcommands: what each is told, and the function that does it. A function returns the exit code, or throws what
// main.cc turns into one line and an exit code. Results go to stdout, everything else to stderr.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace bantam {

struct CommonArgs {
  int threads = 0;  // 0: all that this process may use
  bool json = false;
  bool quiet = false;
  bool no_progress = false;
};

struct TrainArgs {
  CommonArgs common;
  std::string recipe, data, out, resume, init;
  std::vector<std::string> set;  // "key=value"; --epochs and its like are appended
  int64_t max_steps = 0;         // stop after so many, as if interrupted; 0: not
  std::string profile;           // write a trace of some steps here
  std::optional<int64_t> profile_steps;
  std::string mem_limit;         // "512MiB"; empty: none
};
int run_train(const TrainArgs& args);

struct EvalArgs {
  CommonArgs common;
  std::string model, data, kind, split = "test", confusion;
  int64_t images = 0, batch = 200, resize = 0;
};
int run_eval(const EvalArgs& args);

struct PredictArgs {
  CommonArgs common;
  std::string model;
  std::vector<std::string> images;
  int top = 5;
};
int run_predict(const PredictArgs& args);

struct InfoArgs {
  bool net = false;
  CommonArgs common;
  std::string what;
  std::vector<std::string> set;
  bool memory = false;
  int64_t batch = 0;  // for --memory; 0: the recipe's
  std::string mem_limit;
};
int run_info(const InfoArgs& args);

struct PackArgs {
  CommonArgs common;
  std::string checkpoint, out, c_array;  // at least one of out and c_array
  std::vector<std::string> meta;         // "key=value"
  std::string order = "any";             // a WeightOrder
  std::vector<std::string> with;         // checkpoints of the file's further switches
};
int run_pack(const PackArgs& args);

struct InspectArgs {
  CommonArgs common;
  std::string packed, flash, ram;  // sizes as "512KiB"; empty: any
  bool families = false;
  int64_t active = 0;  // switch
};
int run_inspect(const InspectArgs& args);

struct QuantizeArgs {
  CommonArgs common;
  std::string checkpoint, out, data, kind, weights = "int", range = "mse";
  int64_t images = 512;
  int weight_bits = 8, activation_bits = 8;
  double percentile = 99.99;
  bool keep_first = false, keep_last = false, no_bias_correction = false;
};
int run_quantize(const QuantizeArgs& args);

struct ConvertArgs {
  CommonArgs common;
  std::string from, file, out, stem, class_names, mean, stddev;
  std::vector<std::string> allow_missing, allow_unexpected;
  double width = 1;
  int64_t input = 0, classes = 0;  // 0: the net's usual input; the file's classes
};
int run_convert(const ConvertArgs& args);

struct VerifyArgs {
  CommonArgs common;
  std::string checkpoint, packed, data, kind, split = "test";
  int64_t images = 0, resize = 0;
  int64_t active = 0;  // switch
};
int run_verify(const VerifyArgs& args);

struct BenchArgs {
  std::string what;           // recipe, checkpoint or packed model
  std::vector<int> threads;   // a row of the report each; 0: all; empty: all for a recipe, 1 for a model
  std::optional<int> runs, warmup;
  std::string batch;             // images of a step or run; empty: the recipe's, or 1
  std::vector<std::string> set;  // of a recipe, as for training
  bool evaluation = false;       // of a recipe: its evaluation forward
  bool ops = false;              // of a packed model: operation by operation
  int64_t active = 0;            // of a packed model: switch
  std::string format = "md";     // "json", "csv"
};
int run_bench(const BenchArgs& args);

struct BatchesArgs {
  CommonArgs common;
  std::string recipe, data, out;
  std::vector<std::string> set;
  int64_t steps = 3;
};
int run_batches(const BatchesArgs& args);

struct ImagesArgs {
  CommonArgs common;
  std::string data, out, split = "test", kind = "auto";
  int64_t count = 10, first = 0;
};
int run_images(const ImagesArgs& args);

struct ToyArgs {
  CommonArgs common;
  std::string which, out;
};
int run_toy(const ToyArgs& args);

struct ReportArgs {
  std::vector<std::string> folders;
  std::string against, metric = "top1", format = "md", plot;
};
int run_report(const ReportArgs& args);

std::string version_text();

}  // namespace bantam
