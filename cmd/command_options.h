// What the subcommands' command lines share. Only cmd/command_*.cc include it: it includes CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cmd/command_line.h"

namespace bantam {

// A subcommand while it is being parsed: its CLI11 app, what must be given, and how to hand over its arguments.
struct Sub {
  CLI::App* app = nullptr;
  std::string about;
  std::vector<CLI::Option*> required;
  std::function<Command()> command;
};

struct Subcommands {
  CLI::App* app;
  std::vector<Sub> all = {};

  // The result is good until the next call. `about` stands in the list of subcommands, example and text in its help.
  Sub& add(const std::string& name, const std::string& about, const std::string& example, const std::string& text);
};

void add_train(Subcommands* to);
void add_eval(Subcommands* to);
void add_predict(Subcommands* to);
void add_info(Subcommands* to);
void add_pack(Subcommands* to);
void add_inspect(Subcommands* to);
void add_quantize(Subcommands* to);
void add_convert(Subcommands* to);
void add_verify(Subcommands* to);
void add_bench(Subcommands* to);
void add_batches(Subcommands* to);
void add_images(Subcommands* to);
void add_toy(Subcommands* to);
void add_report(Subcommands* to);

// CLI11's own checks put their description into the help; this one only speaks when something is wrong.
CLI::Validator in_range(int64_t low, int64_t high);
constexpr int64_t kMany = int64_t(1) << 40;

// An option with one value, that may be given several times; what comes after the value is no more of it.
void add_repeated(CLI::App* app, const char* flag, std::vector<std::string>& list, const char* type, const char* what);

void add_common(CLI::App* app, CommonArgs& c, bool progress);
// --set and what is short for it. With `batch`, --batch goes there: it is not for recipes alone.
void add_recipe_options(CLI::App* app, std::vector<std::string>& set, std::string* batch = nullptr);
void add_split(CLI::App* app, std::string& split);
void add_data(CLI::App* app, std::string& data);
void add_mem_limit(CLI::App* app, std::string& limit);
void add_kind(CLI::App* app, std::string& kind);
void add_resize(CLI::App* app, int64_t& resize);
// A table's: -o md, json or csv; --json.
void add_format(CLI::App* app, std::string& format);

// "1,2". Throws what the options' own checks would.
std::vector<int> thread_counts(const std::string& list);

}  // namespace bantam
