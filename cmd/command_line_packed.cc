// Subcommands that make checkpoints into other models, check them and time them.
#include <memory>

#include "cmd/command_options.h"

namespace bantam {

void add_pack(Subcommands* to) {
  const auto args = std::make_shared<PackArgs>();
  PackArgs& pack = *args;
  Sub& s =
      to->add("pack", "turn a checkpoint into a packed model", "pack runs/bnn/best.safetensors -o net.bnt",
              "Writes the model that the small runtime (bnt.h) runs: bits, thresholds, one arena. Before, both run\n"
              "on a few images: if a value of any tensor differs from the checkpoint's, nothing is written.\n"
              "For a device without files, --c-array net.c writes it as an array net_bnt, as xxd -i net.bnt\n"
              "calls it, with net.h, which says how much memory it needs; of a packed model, too.");
  s.required.push_back(
      s.app->add_option("CHECKPOINT", pack.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
  s.app->add_option("-o,--out", pack.out, "packed model to write")->type_name("NET.bnt");
  s.app->add_option("--c-array", pack.c_array, "C source to write, and its header beside it")->type_name("NET.c");
  s.app->add_option("--for", pack.order, "weights as avx512, avx2, neon, armv7 or scalar reads them: no copy in RAM")
      ->type_name("TARGET");
  add_repeated(s.app, "--with", pack.with, "CHECKPOINT",
               "a further switch: a net of the same input and classes; may be repeated");
  add_repeated(s.app, "--meta", pack.meta, "KEY=VALUE",
               "text to keep in the model, for inspect and bnt_metadata; may be repeated");
  add_common(s.app, pack.common, false);
  s.command = [args] { return Command(*args); };
}

void add_switch(CLI::App* app, int64_t& active) {
  app->add_option("--switch", active, "which switch of the packed model (0)")->type_name("N")->check(in_range(0, 15));
}

void add_inspect(Subcommands* to) {
  const auto args = std::make_shared<InspectArgs>();
  InspectArgs& inspect = *args;
  Sub& s = to->add("inspect", "what a packed model is made of, op by op, and what it fits into",
                   "inspect net.bnt --flash 1MiB --ram 256KiB",
                   "Prints the codes of each operation's operands, its weights' bits and bytes, multiply-accumulates,\n"
                   "how its sums become codes, memory, an estimate of energy, and which devices hold it.");
  s.required.push_back(s.app->add_option("NET", inspect.packed, "packed model"));
  s.app->add_option("--flash", inspect.flash, "does the file fit so many bytes? If not, the exit code is 6")
      ->type_name("BYTES");
  s.app->add_option("--ram", inspect.ram, "do arena and laid-out weights fit so many bytes?")->type_name("BYTES");
  s.app->add_flag("--families", inspect.families,
                  "print a C file that holds the runtime to the operations that the net needs");
  add_switch(s.app, inspect.active);
  add_common(s.app, inspect.common, false);
  s.command = [args] { return Command(*args); };
}

void add_quantize(Subcommands* to) {
  const auto args = std::make_shared<QuantizeArgs>();
  QuantizeArgs& quantize = *args;
  Sub& s = to->add("quantize", "turn a checkpoint of floats into one of int8 or f16, without training",
                   "quantize runs/float --data DIR -o int8.safetensors",
                   "Folds norms, gives each output channel's weights a scale, measures the range of what each layer\n"
                   "reads on training images, and takes back by the biases what that moves each channel's mean by.\n"
                   "With --weights f16 or bf16 real weights become floats of 16 bits, which needs no images.\n"
                   "The result is a checkpoint: eval, pack and train --init take it.");
  s.required.push_back(
      s.app->add_option("CHECKPOINT", quantize.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
  s.required.push_back(s.app->add_option("-o,--out", quantize.out, "checkpoint to write")->type_name("CHECKPOINT"));
  s.app->add_option("--weights", quantize.weights, "int, f16 or bf16 (int)")->type_name("CODEBOOK");
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
  s.app->add_option("--range", quantize.range, "minmax, percentile, or mse: the one with the least squared error (mse)")
      ->type_name("RULE");
  s.app->add_option("--percentile", quantize.percentile, "of the values that --range percentile keeps (99.99)")
      ->type_name("P")
      ->check(CLI::Range(50.0, 100.0));
  s.app->add_flag("--keep-first", quantize.keep_first, "the first layer stays real");
  s.app->add_flag("--keep-last", quantize.keep_last, "the last layer stays real");
  s.app->add_flag("--no-bias-correction", quantize.no_bias_correction, "biases stay as they are");
  add_common(s.app, quantize.common, false);
  s.command = [args] { return Command(*args); };
}

void add_convert(Subcommands* to) {
  const auto args = std::make_shared<ConvertArgs>();
  ConvertArgs& convert = *args;
  Sub& s = to->add("convert", "make a checkpoint of weights trained in PyTorch",
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
  s.command = [args] { return Command(*args); };
}

void add_verify(Subcommands* to) {
  const auto args = std::make_shared<VerifyArgs>();
  VerifyArgs& verify = *args;
  Sub& s = to->add("verify", "compare a packed model with its checkpoint, value by value",
                   "verify runs/bnn/best.safetensors net.bnt",
                   "Runs both over a data set and counts the values that differ at every tensor which the packed\n"
                   "model materializes. Exit code 6 if a value or a prediction differs.");
  s.required.push_back(
      s.app->add_option("CHECKPOINT", verify.checkpoint, "checkpoint, or run folder (its last checkpoint)"));
  s.required.push_back(s.app->add_option("PACKED", verify.packed, "packed model"));
  add_data(s.app, verify.data);
  add_kind(s.app, verify.kind);
  add_split(s.app, verify.split);
  add_switch(s.app, verify.active);
  s.app->add_option("--images", verify.images, "the first N images only")->type_name("N")->check(in_range(1, kMany));
  add_resize(s.app, verify.resize);
  add_common(s.app, verify.common, true);
  s.command = [args] { return Command(*args); };
}

void add_bench(Subcommands* to) {
  const auto args = std::make_shared<BenchArgs>();
  BenchArgs& bench = *args;
  Sub& s =
      to->add("bench", "time of a training step, or of a model's run", "bench net.bnt --threads 1,2 --ops",
              "Of a recipe (a built-in name or a .toml file): times training steps on data made in memory and\n"
              "prints their median, the share of this machine's peak, the time by kind of node, and the memory.\n"
              "Of a checkpoint or packed model: times images from pixels to scores. A packed model's threads share\n"
              "each image out by bands of rows, as bnt_parallel does on a device; --ops shows each operation beside\n"
              "the limit of this machine that binds it.");
  s.required.push_back(s.app->add_option("WHAT", bench.what, "recipe, checkpoint or packed model"));
  s.app->add_option("-r,--runs", bench.runs, "timed runs (recipe: what fits in 3 s, 5 to 500; model: 200)")
      ->type_name("N")
      ->check(in_range(1, 1000000));
  s.app->add_option("--warmup", bench.warmup, "runs before (recipe: 2; model: 20)")
      ->type_name("N")
      ->check(in_range(0, 1000000));
  s.app
      ->add_option_function<std::string>(
          "--threads", [&bench](const std::string& list) { bench.threads = thread_counts(list); },
          "threads to use, a row each (recipe: 0, all; model: 1)")
      ->type_name("T[,T...]");
  s.app->add_flag("--ops", bench.ops, "of a packed model: time, bytes and work of each operation");
  add_switch(s.app, bench.active);
  s.app->add_flag("--eval", bench.evaluation, "of a recipe: its evaluation forward instead of a training step");
  add_format(s.app, bench.format);
  add_recipe_options(s.app, bench.set, &bench.batch);
  s.command = [args] { return Command(*args); };
}

}  // namespace bantam
