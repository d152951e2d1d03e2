// From a recipe's [data] section to the images to train on and those to evaluate on.
#pragma once

#include <string>

#include "cmd/trainer/recipe.h"
#include "data/dataset.h"
#include "data/loader.h"

namespace bantam {

struct DataSource {
  Dataset train, evaluation;
  std::string evaluation_name;  // "test", or "holdout": the training images kept out
};

// `dir` empty: where Debian's package puts the data set. Throws UsageError if there is no such place, or if the recipe
// asks for more images than there are; FileError for bad files.
DataSource open_data(const DataConfig& config, const std::string& dir);

// Folder of a data set: `dir`, or the default of this kind ("fashion-mnist"). Throws UsageError naming --data.
std::string data_folder(const std::string& dir, const std::string& kind);

// Throws UsageError with the nearest known name unless it is "auto" or a known kind.
void check_kind(const std::string& kind);

// Sizes of a data set's images, known without reading it.
struct ImageSize {
  int64_t h = 0, w = 0, c = 0, classes = 0;
};
ImageSize image_size(const std::string& kind);

BatchSpec training_batches(const Recipe& recipe);
BatchSpec evaluation_batches(const std::vector<double>& mean, const std::vector<double>& stddev, int64_t batch);

}  // namespace bantam
