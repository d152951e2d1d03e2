#include "cmd/trainer/data_source.h"

#include <algorithm>
#include <filesystem>

#include "cmd/trainer/errors.h"
#include "cmd/trainer/nearest.h"

namespace bantam {

std::string data_folder(const std::string& dir, const std::string& kind) {
  if (!dir.empty()) return dir;
  const std::string packaged = "/usr/share/datasets/" + kind;
  std::error_code error;
  if (kind == "fashion-mnist" && std::filesystem::is_directory(packaged, error)) return packaged;
  throw UsageError("--data DIR is missing: the folder of " + kind +
                   (kind == "fashion-mnist" ? " (Debian's package dataset-fashion-mnist is not installed)" : ""));
}

void check_kind(const std::string& kind) {
  std::vector<std::string> known;
  for (const char* k : dataset_kinds()) known.push_back(k);
  if (std::find(known.begin(), known.end(), kind) == known.end())
    throw UsageError("unknown data set '" + kind + "'" + did_you_mean(kind, known) +
                     ", known: " + one_of(known).text());
}

ImageSize image_size(const std::string& kind) {
  if (kind == "cifar10") return {32, 32, 3, 10};
  return {28, 28, 1, 10};  // mnist, fashion-mnist
}

DataSource open_data(const DataConfig& config, const std::string& dir) {
  const std::string folder = data_folder(dir, config.name);
  DataSource source;
  source.train = open_dataset(folder, Split::kTrain, config.name);
  const int64_t all = source.train.count;
  if (config.holdout + (config.train_images ? config.train_images : 1) > all)
    throw UsageError("data.holdout and data.train_images ask for more than the " + std::to_string(all) +
                     " training images");
  if (config.holdout) {
    source.evaluation = part_of(source.train, all - config.holdout, all);
    source.evaluation_name = "holdout";
  } else {
    source.evaluation = open_dataset(folder, Split::kTest, config.name);
    source.evaluation_name = "test";
  }
  const int64_t keep = config.train_images ? config.train_images : all - config.holdout;
  if (keep < all) source.train = part_of(source.train, 0, keep);
  return source;
}

BatchSpec training_batches(const Recipe& recipe) {
  BatchSpec spec;
  spec.batch = recipe.train.batch;
  spec.shuffle = true;
  spec.seed = uint64_t(recipe.train.seed);
  spec.augment.pad = int(recipe.data.pad_crop);
  spec.augment.flip = recipe.data.flip;
  spec.mean = recipe.data.mean;
  spec.std = recipe.data.stddev;
  return spec;
}

BatchSpec evaluation_batches(const std::vector<double>& mean, const std::vector<double>& stddev, int64_t batch) {
  BatchSpec spec;
  spec.batch = batch;
  spec.mean = mean;
  spec.std = stddev;
  return spec;
}

}  // namespace bantam
