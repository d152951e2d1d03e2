#include "cmd/recipe/data_source.h"

#include <algorithm>
#include <filesystem>

#include "cmd/errors.h"
#include "core/nearest.h"
#include "core/parallel.h"

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

ImageSize image_size(const DataConfig& config) {
  const int64_t side = config.image_size;
  const auto sized = [&](int64_t own, int64_t c, int64_t classes) {
    return ImageSize{side ? side : own, side ? side : own, c, classes};
  };
  if (config.name == "cifar10") return sized(32, 3, 10);
  if (config.name == "cifar100") return sized(32, 3, 100);
  if (config.name == "tiny-imagenet") return sized(64, 3, 200);
  if (config.name == "image-folder") return sized(224, 3, 1000);
  return sized(28, 1, 10);  // mnist, fashion-mnist
}

ImageSize image_size(const DataConfig& config, const Dataset& data) {
  const int64_t side = config.image_size;
  if (side == 0 && data.h == 0)
    throw UsageError("the images of " + data.name +
                     " have sizes of their own: say how large the net's are, as in --set data.image_size=224");
  return {side ? side : data.h, side ? side : data.w, data.c, data.classes()};
}

SampleSpec fitted(int64_t h, int64_t w, int64_t eval_resize) {
  SampleSpec spec;
  spec.h = int(h), spec.w = int(w);
  spec.resize = int(eval_resize);
  return spec;
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
  } else if (source.train.undivided) {
    throw UsageError(folder + " has no val/ beside its classes: keep images back with --set data.holdout=N");
  } else {
    source.evaluation = open_dataset(folder, Split::kTest, config.name);
    source.evaluation_name = "test";
  }
  const int64_t keep = config.train_images ? config.train_images : all - config.holdout;
  if (keep < all) source.train = part_of(source.train, 0, keep);
  return source;
}

namespace {

BatchSpec batches_of(const Recipe& recipe, const Dataset& data, int64_t batch) {
  const ImageSize size = image_size(recipe.data, data);
  BatchSpec spec;
  spec.batch = batch;
  spec.seed = uint64_t(recipe.train.seed);
  spec.sample = fitted(size.h, size.w, recipe.data.eval_resize);
  spec.mean = recipe.data.mean;
  spec.std = recipe.data.stddev;
  return spec;
}

}  // namespace

BatchSpec training_batches(const Recipe& recipe, const Dataset& data) {
  BatchSpec spec = batches_of(recipe, data, recipe.train.batch);
  spec.shuffle = true;
  const DataConfig& c = recipe.data;
  Augment& a = spec.sample.augment;
  a.flip = c.flip;
  if (c.crop == Crop::kResized) {
    a.crop = {true, c.crop_scale[0], c.crop_scale[1], c.crop_ratio[0], c.crop_ratio[1]};
    spec.sample.resize = 0;
  } else {
    a.pad = int(c.pad_crop);
  }
  a.color = {c.brightness, c.contrast, c.saturation, c.hue};
  a.lighting.stddev = c.lighting;
  spec.bytes = trains_on_bytes(recipe);
  return spec;
}

BatchSpec evaluation_batches(const Recipe& recipe, const Dataset& data) {
  BatchSpec spec = batches_of(recipe, data, recipe.train.eval_batch);
  spec.bytes = true;
  return spec;
}

LoaderThreads loader_threads(const Dataset& data) {
  constexpr int kAhead = 2;
  const int most = data.decoded() ? 1 : kAhead + 1;
  return {.workers = threads() > 1 ? std::min(threads(), most) : 0, .ahead = kAhead};
}

bool trains_on_bytes(const Recipe& recipe) { return recipe.data.lighting == 0; }

int loader_batches() { return threads() > 1 ? 1 + LoaderThreads().ahead : 1; }

}  // namespace bantam
