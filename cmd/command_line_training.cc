// Subcommands that train, and that look at data and at what was trained.
#include <memory>

#include "cmd/command_options.h"
#include "cmd/recipe/recipe.h"
#include "cmd/report/text.h"

namespace bantam {
namespace {

std::string recipe_list() {
  std::string s = "Recipes:\n";
  for (const BuiltInRecipe& r : built_in_recipes())
    s += wrapped(std::string("  ") + r.name, parse_recipe(r.toml, r.name).about, 34);
  return s;
}

}  // namespace

void add_train(Subcommands* to) {
  const auto args = std::make_shared<TrainArgs>();
  TrainArgs& train = *args;
  Sub& s = to->add("train", "train a net by a recipe", "train fashion-mnist-bnn --out runs/bnn",
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
  s.command = [args] { return Command(*args); };
}

void add_eval(Subcommands* to) {
  const auto args = std::make_shared<EvalArgs>();
  EvalArgs& eval = *args;
  Sub& s = to->add("eval", "accuracy of a checkpoint or a packed model", "eval runs/bnn/best.safetensors",
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
  s.command = [args] { return Command(*args); };
}

void add_predict(Subcommands* to) {
  const auto args = std::make_shared<PredictArgs>();
  PredictArgs& predict = *args;
  Sub& s = to->add("predict", "classify image files", "predict net.bnt cat.png dog.jpg",
                   "Classifies PNG and JPEG files: resized and normalized as the model's input asks for.");
  s.required.push_back(s.app->add_option("MODEL", predict.model, "checkpoint or packed model"));
  s.required.push_back(s.app->add_option("IMAGE", predict.images, "image files")->expected(-1));
  s.app->add_option("--top", predict.top, "classes to print for each image (5)")
      ->type_name("K")
      ->check(in_range(1, 100000));
  add_common(s.app, predict.common, false);
  s.command = [args] { return Command(*args); };
}

void add_info(Subcommands* to) {
  const auto args = std::make_shared<InfoArgs>();
  InfoArgs& info = *args;
  Sub& s = to->add("info", "what is in a recipe, checkpoint or packed model", "info resnet14-cifar10-bnn --memory",
                   "Prints nodes, shapes, parameters, bits and multiply-accumulates (MACs) of a net.");
  s.required.push_back(s.app->add_option("WHAT", info.what, "recipe, checkpoint or packed model"));
  add_mem_limit(s.app, info.mem_limit);
  s.app->add_flag("--net", info.net, "the net as JSON, and nothing else: a file for model.spec");
  s.app->add_flag("--memory", info.memory, "memory of a training step and of inference, tensor by tensor");
  add_recipe_options(s.app, info.set);
  add_common(s.app, info.common, false);
  s.command = [args] { return Command(*args); };
}

void add_batches(Subcommands* to) {
  const auto args = std::make_shared<BatchesArgs>();
  BatchesArgs& batches = *args;
  Sub& s = to->add("batches", "write initial weights and training batches for another program",
                   "batches resnet14-cifar10-bnn --data cifar10 --out exchange",
                   "Writes what another program needs to train on exactly the same: recipe.toml, init.safetensors\n"
                   "(weights), batches.safetensors (the first --steps batches), schedule.csv (learning rates).");
  s.required.push_back(s.app->add_option("RECIPE", batches.recipe, "built-in name or path of a TOML file"));
  add_data(s.app, batches.data);
  s.required.push_back(s.app->add_option("--out", batches.out, "folder to make")->type_name("DIR"));
  s.app->add_option("--steps", batches.steps, "batches to write (3)")->type_name("N")->check(in_range(0, kMany));
  add_recipe_options(s.app, batches.set);
  add_common(s.app, batches.common, false);
  s.command = [args] { return Command(*args); };
}

void add_images(Subcommands* to) {
  const auto args = std::make_shared<ImagesArgs>();
  ImagesArgs& images = *args;
  Sub& s = to->add("images", "write images of a data set as PNG files", "images --out pictures --count 5",
                   "Writes images as PNG files named NUMBER-CLASS.png, for `bantam predict`.");
  add_data(s.app, images.data);
  s.required.push_back(s.app->add_option("--out", images.out, "folder to write to")->type_name("DIR"));
  s.app->add_option("--kind", images.kind, "auto, or which data set it is (auto)")->type_name("K");
  add_split(s.app, images.split);
  s.app->add_option("--count", images.count, "how many (10)")->type_name("N")->check(in_range(1, 100000));
  s.app->add_option("--first", images.first, "number of the first (0)")->type_name("I")->check(in_range(0, kMany));
  add_common(s.app, images.common, false);
  s.command = [args] { return Command(*args); };
}

void add_toy(Subcommands* to) {
  const auto args = std::make_shared<ToyArgs>();
  ToyArgs& toy = *args;
  Sub& s = to->add("toy", "a method's behavior on a problem of two weights", "toy apsq --out apsq.svg",
                   "apsq: two 1-bit weights with one scale on a loss surface with a minimum that they can reach and\n"
                   "one that they cannot, trained in six ways: what the angle penalty is good for.");
  s.required.push_back(s.app->add_option("WHICH", toy.which, "apsq"));
  s.app->add_option("--out", toy.out, "also draw the trajectories")->type_name("FILE.svg");
  add_common(s.app, toy.common, false);
  s.command = [args] { return Command(*args); };
}

void add_report(Subcommands* to) {
  const auto args = std::make_shared<ReportArgs>();
  ReportArgs& report = *args;
  Sub& s = to->add("report", "hold settings against one another over seeds", "report runs/bwn runs/apsq --against bwn",
                   "Each DIR is an arm: a run folder, or a folder of run folders that differ by their seed; a folder\n"
                   "of such folders stands for all of them. Prints mean, standard deviation and n of the last\n"
                   "evaluation, and the mean difference of pairs of one seed with its 95 % interval (Student's t).\n"
                   "A difference whose interval holds 0 is within the noise. Unfinished runs do not count.");
  s.required.push_back(s.app->add_option("DIR", report.folders, "arms")->expected(-1));
  s.app->add_option("--against", report.against, "arm that the others are held against (the first)")->type_name("ARM");
  s.app->add_option("--metric", report.metric, "top1: of the last evaluation; best: of the best one; loss (top1)")
      ->type_name("M");
  s.app->add_option("--plot", report.plot, "also draw accuracy by epoch, and against the bytes of the weights")
      ->type_name("FILE.svg");
  add_format(s.app, report.format);
  s.command = [args] { return Command(*args); };
}

}  // namespace bantam
