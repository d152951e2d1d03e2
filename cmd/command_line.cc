// The only unit that includes CLI11.
#include "cmd/command_line.h"

#include <CLI/CLI.hpp>

#include <functional>

#include "cmd/errors.h"
#include "cmd/recipe/recipe.h"
#include "cmd/report/text.h"
#include "core/nearest.h"
#include "core/parallel.h"

namespace bantam {
namespace {

// A subcommand while it is being parsed: its CLI11 app, what must be given, and how to hand over its arguments.
struct Sub {
  CLI::App* app = nullptr;
  std::vector<CLI::Option*> required;
  std::function<Command()> command;
};

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

// CLI11's own checks put their description into the help; these only speak when something is wrong.
CLI::Validator in_range(int64_t low, int64_t high) {
  const auto check = [low, high](std::string& text) -> std::string {
    int64_t n = 0;
    const bool ok = CLI::detail::lexical_cast(text, n) && n >= low && n <= high;
    return ok ? "" : "'" + text + "' is not an integer from " + std::to_string(low) + " to " + std::to_string(high);
  };
  return CLI::Validator(check, "");
}
constexpr int64_t kMany = int64_t(1) << 40;

void add_common(CLI::App* app, CommonArgs& c, bool progress) {
  app->add_option("--threads", c.threads, "threads to use; no result depends on it (0: all)")
      ->type_name("T")
      ->check(in_range(0, kMaxThreads));
  app->add_flag("--json", c.json, "print the report as one JSON object");
  if (!progress) return;
  app->add_flag("--no-progress", c.no_progress, "plain lines instead of a progress bar");
  app->add_flag("-q,--quiet", c.quiet, "no progress at all");
}

// An option with one value, that may be given several times; what comes after the value is no more of it.
void add_repeated(CLI::App* app, const char* flag, std::vector<std::string>& list, const char* type, const char* what) {
  app->add_option(flag, list, what)
      ->type_name(type)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

// --epochs 5 is short for --set train.epochs=5: the value goes the same way, and so do its checks.
void add_shorthand(CLI::App* app, std::vector<std::string>& set, const std::string& flag, const std::string& key,
                   const std::string& type) {
  app->add_option_function<std::string>(
         flag, [&set, key](const std::string& value) { set.push_back(key + "=" + value); },
         "short for --set " + key + "=" + type)
      ->type_name(type);
}

void add_recipe_options(CLI::App* app, std::vector<std::string>& set) {
  add_repeated(app, "--set", set, "KEY=VALUE", "override a key of the recipe; may be repeated");
  add_shorthand(app, set, "--epochs", "train.epochs", "N");
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

// "1,2". Throws what the options' own checks would.
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
  app->add_option("--resize", resize,
                  "shorter side before the center is cut out (the recipe's data.eval_resize)")
      ->type_name("N")
      ->check(in_range(1, 16384));
}

std::string recipe_list() {
  std::string s = "Recipes:\n";
  for (const BuiltInRecipe& r : built_in_recipes())
    s += wrapped(std::string("  ") + r.name, parse_recipe(r.toml, r.name).about, 34);
  return s;
}

struct CommandLine {
  CLI::App app{
      "Example: bantam train fashion-mnist-bnn --out runs/bnn\n\n"
      "bantam trains compact neural networks, float and 1-bit, and packs them for small devices.",
      "bantam"};
  TrainArgs train;
  EvalArgs eval;
  PredictArgs predict;
  InfoArgs info;
  PackArgs pack;
  ConvertArgs convert;
  QuantizeArgs quantize;
  InspectArgs inspect;
  VerifyArgs verify;
  BenchArgs bench;
  BatchesArgs batches;
  ImagesArgs images;
  bool version = false;
  std::vector<Sub> subs;

  CommandLine() {
    app.formatter(std::make_shared<HelpFormatter>());
    app.allow_extras();
    app.require_subcommand(0, 1);
    app.set_help_flag("-h,--help", "this text");
    app.add_flag("--version", version, "version, compiler, SIMD targets, threads");
    app.footer(
        "Exit codes: 0 ok, 1 failure, 2 command line or recipe, 3 bad input file, 4 NaN or infinity,\n"
        "5 disk full or I/O error, 6 verify found a difference, 130 SIGINT, 143 SIGTERM.");
    add_train();
    add_eval();
    add_predict();
    add_info();
    add_pack();
    add_inspect();
    add_quantize();
    add_convert();
    add_verify();
    add_bench();
    add_batches();
    add_images();
  }

  Sub& add(const std::string& name, const std::string& about, const std::string& example, const std::string& text) {
    CLI::App* sub = app.add_subcommand(name, about);
    sub->description("Example: bantam " + example + "\n\n" + text);
    sub->set_help_flag("-h,--help", "this text");
    about_of[name] = about;
    subs.push_back({sub, {}, {}});
    return subs.back();
  }

  void add_train() {
    Sub& s = add("train", "train a net by a recipe", "train fashion-mnist-bnn --out runs/bnn",
                 "Trains the net of RECIPE: a built-in name (below) or the path of a TOML file. The run folder\n"
                 "gets the resolved recipe, log, curves, checkpoints and the confusion matrix. After Ctrl-C, a\n"
                 "crash or a power loss, --resume RUN goes on, bit for bit as if nothing had happened.\n\n"
                 "Data sets (data.name, what lies in DIR; docs/files.md says more):\n"
                 "  mnist, fashion-mnist  train-images-idx3-ubyte and so on, plain or .gz\n"
                 "  cifar10, cifar100     the binary versions: data_batch_1.bin, ...; train.bin, test.bin\n"
                 "  tiny-imagenet         as published: wnids.txt, train/, val/\n"
                 "  image-folder          train/CLASS/*.JPEG, val/CLASS/*.JPEG; or CLASS/*.JPEG with data.holdout");
    s.app->add_option("RECIPE", train.recipe, "built-in name or path of a TOML file");
    add_data(s.app, train.data);
    s.app->add_option("--out", train.out, "run folder to make")->type_name("RUN");
    s.app->add_option("--resume", train.resume, "go on with the run in this folder; takes no RECIPE")->type_name("RUN");
    s.app->add_option("--init", train.init, "start from the weights of this checkpoint")->type_name("FILE");
    add_recipe_options(s.app, train.set);
    s.app->add_option("--max-steps", train.max_steps, "stop after N steps, as if interrupted; --resume goes on")
        ->type_name("N")
        ->check(in_range(1, kMany));
    s.app->add_option("--profile", train.profile, "write where the time of some steps goes, as a Chrome trace")
        ->type_name("FILE.json");
    s.app->add_option("--profile-steps", train.profile_steps, "steps to profile, after some to warm up (5)")
        ->type_name("N")
        ->check(in_range(1, 1000));
    add_mem_limit(s.app, train.mem_limit);
    add_common(s.app, train.common, true);
    s.app->footer(recipe_list() + "\nKeys for --set (`bantam info RECIPE` shows their values):\n" +
                  document_recipe_keys());
    s.command = [this] { return Command(train); };
  }

  void add_eval() {
    Sub& s = add("eval", "accuracy of a checkpoint or a packed model", "eval runs/bnn/best.safetensors",
                 "Prints top-1 and top-5 with 95 % intervals, figures of each class and the confusion matrix.");
    s.required.push_back(
        s.app->add_option("MODEL", eval.model, "checkpoint, packed model, or run folder (its last checkpoint)"));
    add_data(s.app, eval.data);
    add_kind(s.app, eval.kind);
    add_split(s.app, eval.split);
    s.app->add_option("--images", eval.images, "the first N images only")->type_name("N")->check(in_range(1, kMany));
    add_resize(s.app, eval.resize);
    s.app->add_option("--batch", eval.batch, "images a step (200)")->type_name("N")->check(in_range(1, 65536));
    s.app->add_option("--confusion", eval.confusion, "also write the confusion matrix: FILE.csv or FILE.svg")
        ->type_name("FILE");
    add_common(s.app, eval.common, true);
    s.command = [this] { return Command(eval); };
  }

  void add_predict() {
    Sub& s = add("predict", "classify image files", "predict net.bnt cat.png dog.jpg",
                 "Classifies PNG and JPEG files: resized and normalized as the model's input asks for.");
    s.required.push_back(s.app->add_option("MODEL", predict.model, "checkpoint or packed model"));
    s.required.push_back(s.app->add_option("IMAGE", predict.images, "image files")->expected(-1));
    s.app->add_option("--top", predict.top, "classes to print for each image (5)")
        ->type_name("K")
        ->check(in_range(1, 100000));
    add_common(s.app, predict.common, false);
    s.command = [this] { return Command(predict); };
  }

  void add_info() {
    Sub& s = add("info", "what is in a recipe, checkpoint or packed model", "info resnet14-cifar10-bnn --memory",
                 "Prints nodes, shapes, parameters, bits and multiply-accumulates (MACs) of a net.");
    s.required.push_back(s.app->add_option("WHAT", info.what, "recipe, checkpoint or packed model"));
    add_mem_limit(s.app, info.mem_limit);
    s.app->add_flag("--net", info.net, "the net as JSON, and nothing else: a file for model.spec");
    s.app->add_flag("--memory", info.memory, "memory of a training step and of inference, tensor by tensor");
    add_recipe_options(s.app, info.set);
    add_common(s.app, info.common, false);
    s.command = [this] { return Command(info); };
  }

  void add_pack() {
    Sub& s = add("pack", "turn a checkpoint into a packed model", "pack runs/bnn/best.safetensors -o net.bnt",
                 "Writes the model that the small runtime (bnt.h) runs: bits, thresholds, one arena. Before, both run\n"
                 "on a few images: if a value of any tensor differs from the checkpoint's, nothing is written.");
    s.required.push_back(
        s.app->add_option("CHECKPOINT", pack.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
    s.required.push_back(s.app->add_option("-o,--out", pack.out, "packed model to write")->type_name("NET.bnt"));
    add_common(s.app, pack.common, false);
    s.command = [this] { return Command(pack); };
  }

  void add_inspect() {
    Sub& s = add("inspect", "what a packed model is made of, op by op, and what it fits into",
                 "inspect net.bnt --flash 1MiB --ram 256KiB",
                 "Prints the codes of each operation's operands, its weights' bits and bytes, multiply-accumulates,\n"
                 "how its sums become codes, memory, an estimate of energy, and which devices hold it.");
    s.required.push_back(s.app->add_option("NET", inspect.packed, "packed model"));
    s.app->add_option("--flash", inspect.flash, "does the file fit so many bytes? If not, the exit code is 6")
        ->type_name("BYTES");
    s.app->add_option("--ram", inspect.ram, "do arena and laid-out weights fit so many bytes?")->type_name("BYTES");
    s.app->add_flag("--families", inspect.families,
                    "print a C file that holds the runtime to the operations that the net needs");
    add_common(s.app, inspect.common, false);
    s.command = [this] { return Command(inspect); };
  }

  void add_quantize() {
    Sub& s = add("quantize", "turn a checkpoint of floats into one of int8, without training",
                 "quantize runs/float --data DIR -o int8.safetensors",
                 "Folds norms, gives each output channel's weights a scale, measures the range of what each layer\n"
                 "reads on training images, and takes back by the biases what that moves each channel's mean by.\n"
                 "The result is a checkpoint: eval, pack and train --init take it.");
    s.required.push_back(
        s.app->add_option("CHECKPOINT", quantize.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
    s.required.push_back(s.app->add_option("-o,--out", quantize.out, "checkpoint to write")->type_name("CHECKPOINT"));
    add_data(s.app, quantize.data);
    add_kind(s.app, quantize.kind);
    s.app->add_option("--images", quantize.images, "measure on the first N training images (512)")
        ->type_name("N")
        ->check(in_range(1, kMany));
    s.app->add_option("--weight-bits", quantize.weight_bits, "bits of a weight, 2 to 8 (8)")
        ->type_name("N")
        ->check(in_range(2, 8));
    s.app->add_option("--activation-bits", quantize.activation_bits, "bits of an activation, 2 to 8 (8)")
        ->type_name("N")
        ->check(in_range(2, 8));
    s.app
        ->add_option("--range", quantize.range,
                     "minmax, percentile, or mse: the one with the least squared error (mse)")
        ->type_name("RULE");
    s.app->add_option("--percentile", quantize.percentile, "of the values that --range percentile keeps (99.99)")
        ->type_name("P")
        ->check(CLI::Range(50.0, 100.0));
    s.app->add_flag("--keep-first", quantize.keep_first, "the first layer stays real");
    s.app->add_flag("--keep-last", quantize.keep_last, "the last layer stays real");
    s.app->add_flag("--no-bias-correction", quantize.no_bias_correction, "biases stay as they are");
    add_common(s.app, quantize.common, false);
    s.command = [this] { return Command(quantize); };
  }

  void add_convert() {
    Sub& s = add("convert", "make a checkpoint of weights trained in PyTorch",
                 "convert --from resnet18 resnet18.safetensors -o resnet18-imagenet.safetensors",
                 "Loads a state dict of torchvision's net that was saved with safetensors, strictly, and writes a\n"
                 "checkpoint for eval, predict, pack and train --init. docs/convert.md has the lines of Python.");
    CLI::App* app = s.app;
    s.required.push_back(
        app->add_option("--from", convert.from, "resnet18, resnet50, vgg11 or vgg11_bn")->type_name("NET"));
    s.required.push_back(app->add_option("FILE", convert.file, "state dict, .safetensors"));
    s.required.push_back(app->add_option("-o,--out", convert.out, "checkpoint to write")->type_name("CHECKPOINT"));
    app->add_option("--stem", convert.stem, "of a ResNet: imagenet, tiny-imagenet or cifar (by conv1's size)")
        ->type_name("S");
    app->add_option("--input", convert.input, "side of the images (224; tiny-imagenet 64, cifar 32)")
        ->type_name("N")
        ->check(in_range(1, 4096));
    app->add_option("--width", convert.width, "multiplier of the hidden channels (1)")->type_name("W");
    app->add_option("--classes", convert.classes, "classes of the net (the file's)")
        ->type_name("N")
        ->check(in_range(1, 1000000));
    app->add_option("--class-names", convert.class_names, "their names, one a line (0, 1, 2, ...)")->type_name("FILE");
    app->add_option("--mean", convert.mean, "of pixels in [0, 1], one a channel (ImageNet's)")->type_name("R,G,B");
    app->add_option("--stddev", convert.stddev, "of pixels, one a channel (ImageNet's)")->type_name("R,G,B");
    const auto patterns = [&](const char* flag, std::vector<std::string>& list, const char* what) {
      add_repeated(app, flag, list, "PATTERN", what);
    };
    patterns("--allow-missing", convert.allow_missing, "tensors that the file may lack: they get initial values");
    patterns("--allow-unexpected", convert.allow_unexpected, "tensors of the file to leave out");
    add_common(app, convert.common, false);
    s.command = [this] { return Command(convert); };
  }

  void add_verify() {
    Sub& s = add("verify", "compare a packed model with its checkpoint, value by value",
                 "verify runs/bnn/best.safetensors net.bnt",
                 "Runs both over a data set and counts the values that differ at every tensor which the packed\n"
                 "model materializes. Exit code 6 if a value or a prediction differs.");
    s.required.push_back(
        s.app->add_option("CHECKPOINT", verify.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
    s.required.push_back(s.app->add_option("PACKED", verify.packed, "packed model"));
    add_data(s.app, verify.data);
    add_kind(s.app, verify.kind);
    add_split(s.app, verify.split);
    s.app->add_option("--images", verify.images, "the first N images only")->type_name("N")->check(in_range(1, kMany));
    add_resize(s.app, verify.resize);
    add_common(s.app, verify.common, true);
    s.command = [this] { return Command(verify); };
  }

  void add_bench() {
    Sub& s = add("bench", "time of a training step, or of one image", "bench vgg11-cifar10-bnn --threads 1,2",
                 "Of a recipe (a built-in name or a .toml file): times training steps on data made in memory and\n"
                 "prints their median, the share of this machine's peak, the time by kind of node, and the memory.\n"
                 "Of a checkpoint or packed model: times single images, from pixels to scores.");
    s.required.push_back(s.app->add_option("WHAT", bench.what, "recipe, checkpoint or packed model"));
    s.app->add_option("-r,--runs", bench.runs, "timed runs (recipe: what fits in 3 s, 5 to 500; model: 200)")
        ->type_name("N")
        ->check(in_range(1, 1000000));
    s.app->add_option("--warmup", bench.warmup, "runs before (recipe: 2; model: 20)")
        ->type_name("N")
        ->check(in_range(0, 1000000));
    s.app->add_option_function<std::string>(
           "--threads", [this](const std::string& list) { bench.threads = thread_counts(list); },
           "threads to use; of a recipe several, a row each (recipe: 0, all; model: 1)")
        ->type_name("T[,T...]");
    s.app->add_flag("--eval", bench.evaluation, "of a recipe: its evaluation forward instead of a training step");
    s.app->add_option("-o,--output", bench.format, "md, json or csv (md)")
        ->type_name("FORMAT")
        ->check([](const std::string& f) -> std::string {
          return f == "md" || f == "json" || f == "csv" ? "" : "'" + f + "' is neither md, json nor csv";
        });
    s.app->add_flag_callback("--json", [this] { bench.format = "json"; }, "short for -o json");
    add_recipe_options(s.app, bench.set);
    s.command = [this] { return Command(bench); };
  }

  void add_batches() {
    Sub& s = add("batches", "write initial weights and training batches for another program",
                 "batches resnet14-cifar10-bnn --data cifar10 --out exchange",
                 "Writes what another program needs to train on exactly the same: recipe.toml, init.safetensors\n"
                 "(weights), batches.safetensors (the first --steps batches), schedule.csv (learning rates).");
    s.required.push_back(s.app->add_option("RECIPE", batches.recipe, "built-in name or path of a TOML file"));
    add_data(s.app, batches.data);
    s.required.push_back(s.app->add_option("--out", batches.out, "folder to make")->type_name("DIR"));
    s.app->add_option("--steps", batches.steps, "batches to write (3)")->type_name("N")->check(in_range(0, kMany));
    add_recipe_options(s.app, batches.set);
    add_common(s.app, batches.common, false);
    s.command = [this] { return Command(batches); };
  }

  void add_images() {
    Sub& s = add("images", "write images of a data set as PNG files", "images --out pictures --count 5",
                 "Writes images as PNG files named NUMBER-CLASS.png, for `bantam predict`.");
    add_data(s.app, images.data);
    s.required.push_back(s.app->add_option("--out", images.out, "folder to write to")->type_name("DIR"));
    s.app->add_option("--kind", images.kind, "auto, or which data set it is (auto)")->type_name("K");
    add_split(s.app, images.split);
    s.app->add_option("--count", images.count, "how many (10)")->type_name("N")->check(in_range(1, 100000));
    s.app->add_option("--first", images.first, "number of the first (0)")->type_name("I")->check(in_range(0, kMany));
    add_common(s.app, images.common, false);
    s.command = [this] { return Command(images); };
  }

  std::string help_of(const CLI::App* sub) const {
    if (sub) return sub->help("bantam");
    // The list of subcommands shows what each is for, not its help text.
    std::string text =
        app.get_description() +
        "\n\nUsage: bantam SUBCOMMAND ... | --version | --help\n\nSubcommands (bantam SUBCOMMAND --help says more):\n";
    for (const Sub& s : subs) {
      std::string name = s.app->get_name();
      name.resize(12, ' ');
      text += "  " + name + about_of.at(s.app->get_name()) + "\n";
    }
    return text + "\n" + app.get_footer() + "\n";
  }

  std::map<std::string, std::string> about_of;
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
    for (const Sub& s : line.subs)
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
    for (const Sub& s : line.subs) names.push_back(s.app->get_name());
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
