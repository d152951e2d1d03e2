// bantam batches: initial weights, batches and learning rates, so that another program can train on exactly the same.
#include <filesystem>

#include "cmd/commands.h"
#include "cmd/errors.h"
#include "cmd/output.h"
#include "cmd/recipe/build.h"
#include "cmd/recipe/data_source.h"
#include "cmd/report/text.h"
#include "compress/net_checkpoint.h"
#include "core/checkpoint.h"
#include "core/file.h"
#include "core/parallel.h"

namespace bantam {

int run_batches(const BatchesArgs& args) {
  set_threads(args.common.threads);
  Recipe recipe = load_recipe(args.recipe, args.set);
  const DataSource data = open_data(recipe.data, args.data);
  std::error_code error;
  std::filesystem::create_directories(args.out, error);
  if (error) throw IoError(args.out, "make the folder", "mkdir", error.value());

  Net net(net_of(recipe, data.train));
  keep_net_file(&recipe, args.out);
  net.parameters.initialize(uint64_t(recipe.train.seed));
  const NetInfo info = {net.spec(), recipe.data.mean, recipe.data.stddev, data.train.class_names, dump(recipe)};
  save_net(args.out + "/init.safetensors", net.parameters, info, nullptr, nullptr);
  atomic_write(args.out + "/recipe.toml", dump(recipe));

  // indices.S i32 [n], x.S f32 [n,H,W,C], y.S i32 [n] for step S.
  BatchSpec values = training_batches(recipe, data.train);
  values.bytes = false;
  const Batcher batcher(data.train, values);
  Checkpoint batches;
  const int64_t per_epoch = batcher.steps_per_epoch(), total = per_epoch * recipe.train.epochs;
  const int64_t steps = std::min(args.steps, total);
  for (int64_t step = 0; step < steps; ++step) {
    const Batch b = batcher.make(step / per_epoch, step % per_epoch);
    Tensor indices = Tensor::empty({b.size()}, DType::kI32);
    std::copy(b.indices.begin(), b.indices.end(), indices.mutable_data<int32_t>());
    const std::string s = "." + std::to_string(step);
    batches.tensors["indices" + s] = indices;
    batches.tensors["x" + s] = b.x;
    batches.tensors["y" + s] = b.y;
  }
  save_checkpoint(args.out + "/batches.safetensors", batches);

  const Schedule schedule = make_schedule(recipe, per_epoch);
  std::string csv = "step,lr\n";
  for (int64_t step = 0; step < total; ++step)
    csv += std::to_string(step) + "," + shortest(learning_rate(schedule, step)) + "\n";
  atomic_write(args.out + "/schedule.csv", csv);
  if (args.common.json)
    print_report(
        "batches",
        Json::object({{"out", args.out}, {"steps", steps}, {"steps_per_epoch", per_epoch}, {"total_steps", total}}));
  else
    print(args.out + ": recipe.toml, init.safetensors, batches.safetensors (" + thousands(steps) +
          " batches), schedule.csv (" + thousands(total) + " steps)\n");
  return kExitOk;
}

}  // namespace bantam
