#include "cmd/command_options.h"

#include "core/parallel.h"

namespace bantam {
namespace {

// --epochs 5 is short for --set train.epochs=5: the value goes the same way, and so do its checks.
void add_shorthand(CLI::App* app, std::vector<std::string>& set, const std::string& flag, const std::string& key,
                   const std::string& type) {
  app->add_option_function<std::string>(
         flag, [&set, key](const std::string& value) { set.push_back(key + "=" + value); },
         "short for --set " + key + "=" + type)
      ->type_name(type);
}

}  // namespace

Sub& Subcommands::add(const std::string& name, const std::string& about, const std::string& example,
                      const std::string& text) {
  CLI::App* sub = app->add_subcommand(name, about);
  sub->description("Example: bantam " + example + "\n\n" + text);
  sub->set_help_flag("-h,--help", "this text");
  all.push_back({sub, about, {}, {}});
  return all.back();
}

CLI::Validator in_range(int64_t low, int64_t high) {
  const auto check = [low, high](std::string& text) -> std::string {
    int64_t n = 0;
    const bool ok = CLI::detail::lexical_cast(text, n) && n >= low && n <= high;
    return ok ? "" : "'" + text + "' is not an integer from " + std::to_string(low) + " to " + std::to_string(high);
  };
  return CLI::Validator(check, "");
}

void add_common(CLI::App* app, CommonArgs& c, bool progress) {
  app->add_option("--threads", c.threads, "threads to use; no result depends on it (0: all)")
      ->type_name("T")
      ->check(in_range(0, kMaxThreads));
  app->add_flag("--json", c.json, "print the report as one JSON object");
  if (!progress) return;
  app->add_flag("--no-progress", c.no_progress, "plain lines instead of a progress bar");
  app->add_flag("-q,--quiet", c.quiet, "no progress at all");
}

void add_repeated(CLI::App* app, const char* flag, std::vector<std::string>& list, const char* type, const char* what) {
  app->add_option(flag, list, what)
      ->type_name(type)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_recipe_options(CLI::App* app, std::vector<std::string>& set, std::string* batch) {
  add_repeated(app, "--set", set, "KEY=VALUE", "override a key of the recipe; may be repeated");
  add_shorthand(app, set, "--epochs", "train.epochs", "N");
  if (batch)
    app->add_option("--batch", *batch, "images of a step (the recipe's), or of a run (1)")->type_name("N");
  else
    add_shorthand(app, set, "--batch", "train.batch", "N");
  add_shorthand(app, set, "--lr", "optimizer.lr", "X");
  add_shorthand(app, set, "--seed", "train.seed", "S");
}

void add_split(CLI::App* app, std::string& split) {
  app->add_option("--split", split, "test or train (test)")
      ->type_name("S")
      ->check([](const std::string& s) -> std::string {
        return s == "test" || s == "train" ? "" : "'" + s + "' is neither test nor train";
      });
}

void add_data(CLI::App* app, std::string& data) {
  app->add_option("--data", data, "folder of the data set (default: where Debian's package puts it)")->type_name("DIR");
}

void add_mem_limit(CLI::App* app, std::string& limit) {
  app->add_option("--mem-limit", limit, "most memory of a step, as 512MiB: pieces are computed twice to fit")
      ->type_name("BYTES");
}

void add_kind(CLI::App* app, std::string& kind) {
  app->add_option("--kind", kind, "which data set it is (default: the one trained on, or by its files)")
      ->type_name("K");
}

std::vector<int> thread_counts(const std::string& list) {
  std::vector<int> counts;
  size_t begin = 0;
  for (size_t end = 0; end != std::string::npos; begin = end + 1) {
    end = list.find(',', begin);
    const std::string one = list.substr(begin, end == std::string::npos ? end : end - begin);
    int n = -1;
    if (one.empty() || !CLI::detail::lexical_cast(one, n) || n < 0 || n > kMaxThreads)
      throw CLI::ValidationError("--threads",
                                 "'" + one + "' is not an integer from 0 to " + std::to_string(kMaxThreads));
    counts.push_back(n);
  }
  return counts;
}

void add_resize(CLI::App* app, int64_t& resize) {
  app->add_option("--resize", resize, "shorter side before the center is cut out (the recipe's data.eval_resize)")
      ->type_name("N")
      ->check(in_range(1, 16384));
}

void add_format(CLI::App* app, std::string& format) {
  app->add_option("-o,--output", format, "md, json or csv (md)")
      ->type_name("FORMAT")
      ->check([](const std::string& f) -> std::string {
        return f == "md" || f == "json" || f == "csv" ? "" : "'" + f + "' is neither md, json nor csv";
      });
  app->add_flag_callback(
      "--json", [&format] { format = "json"; }, "short for -o json");
}

}  // namespace bantam
