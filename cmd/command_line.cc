#include "cmd/command_line.h"

#include <memory>

#include "cmd/command_options.h"
#include "cmd/errors.h"
#include "core/nearest.h"

namespace bantam {
namespace {

// Helps read: an example, what it does, usage, arguments, options.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(26); }
  std::string make_option_opts(const CLI::Option* o) const override {
    if (o->get_positional()) return o->get_expected_max() > 1 ? "..." : "";
    std::string s = o->get_type_size() != 0 ? " " + o->get_type_name() : "";
    if (o->get_expected_max() > 1) s += "...";
    return s;
  }
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = "\nUsage: " + name + (app->get_parent() ? "" : " [--version] [--help] SUBCOMMAND ...");
    for (const CLI::Option* o : app->get_options([](const CLI::Option* opt) { return opt->get_positional(); }))
      usage += " " + o->get_name(true) + (o->get_expected_max() > 1 ? "..." : "");
    return usage + (app->get_parent() ? " [OPTION...]\n" : "\n");
  }
  std::string make_footer(const CLI::App* app) const override {
    const std::string footer = app->get_footer();
    return footer.empty() || footer.back() == '\n' ? footer : footer + "\n";
  }
};

struct CommandLine {
  CLI::App app{
      "Example: bantam train fashion-mnist-bnn --out runs/bnn\n\n"
      "bantam trains compact neural networks, float and 1-bit, and packs them for small devices.",
      "bantam"};
  bool version = false;
  Subcommands subs{&app};

  CommandLine() {
    app.formatter(std::make_shared<HelpFormatter>());
    app.allow_extras();
    app.require_subcommand(0, 1);
    app.set_help_flag("-h,--help", "this text");
    app.add_flag("--version", version, "version, compiler, SIMD targets, threads");
    app.footer(
        "Exit codes: 0 ok, 1 failure, 2 command line or recipe, 3 bad input file, 4 NaN or infinity,\n"
        "5 disk full or I/O error, 6 verify found a difference, 130 SIGINT, 143 SIGTERM.");
    for (const auto add : {add_train, add_eval, add_predict, add_info, add_pack, add_inspect, add_quantize, add_convert,
                           add_verify, add_bench, add_batches, add_images, add_toy, add_report})
      add(&subs);
  }

  std::string help_of(const CLI::App* sub) const {
    if (sub) return sub->help("bantam");
    // The list of subcommands shows what each is for, not its help text.
    std::string text =
        app.get_description() +
        "\n\nUsage: bantam SUBCOMMAND ... | --version | --help\n\nSubcommands (bantam SUBCOMMAND --help says more):\n";
    for (const Sub& s : subs.all) {
      std::string name = s.app->get_name();
      name.resize(12, ' ');
      text += "  " + name + s.about + "\n";
    }
    return text + "\n" + app.get_footer() + "\n";
  }
};

std::vector<std::string> flags_of(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* o : app->get_options()) {
    for (const std::string& n : o->get_lnames()) names.push_back("--" + n);
    for (const std::string& n : o->get_snames()) names.push_back("-" + n);
  }
  return names;
}

void refuse_extras(const CLI::App* app, const std::string& name) {
  const std::vector<std::string> extras = app->remaining();
  for (const std::string& extra : extras) {
    if (extra.size() < 2 || extra[0] != '-') continue;
    const std::string flag = extra.substr(0, extra.find('='));
    throw UsageError(name + ": unknown flag '" + flag + "'" + did_you_mean(flag, flags_of(app)));
  }
  if (!extras.empty()) throw UsageError(name + ": unexpected argument '" + extras[0] + "'");
}

std::string one_line(std::string s) {
  for (char& c : s)
    if (c == '\n') c = ' ';
  return s;
}

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  const Sub* chosen = nullptr;
  const auto find_chosen = [&] {
    for (const Sub& s : line.subs.all)
      if (s.app->parsed()) chosen = &s;
  };
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    find_chosen();
    return PrintArgs{line.help_of(chosen ? chosen->app : nullptr)};
  } catch (const CLI::ParseError& e) {
    find_chosen();
    throw UsageError((chosen ? chosen->app->get_name() + ": " : "") + one_line(e.what()));
  }
  find_chosen();
  if (line.version) return PrintArgs{version_text()};
  if (!chosen) {
    const std::vector<std::string> extras = line.app.remaining();
    if (extras.empty()) throw UsageError("which subcommand? `bantam --help` lists them");
    if (extras[0][0] == '-') refuse_extras(&line.app, "bantam");
    std::vector<std::string> names;
    for (const Sub& s : line.subs.all) names.push_back(s.app->get_name());
    throw UsageError("unknown subcommand '" + extras[0] + "'" + did_you_mean(extras[0], names));
  }
  refuse_extras(&line.app, "bantam");
  refuse_extras(chosen->app, chosen->app->get_name());
  for (const CLI::Option* o : chosen->required)
    if (o->count() == 0)
      throw UsageError(chosen->app->get_name() + ": " + o->get_name() + " is missing; `bantam " +
                       chosen->app->get_name() + " --help` shows an example");
  return chosen->command();
}

}  // namespace bantam
