// From a recipe's [data] section to the images to train on and those to evaluate on.
#pragma once

#include <string>

#include "cmd/recipe/recipe.h"
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

// What a net of this data set takes and gives.
struct ImageSize {
  int64_t h = 0, w = 0, c = 0, classes = 0;
};
// Known without reading the data: as the recipe says, otherwise that of the published set (Tiny ImageNet 64x64;
// image-folder: 224x224 and ImageNet's 1,000 classes).
ImageSize image_size(const DataConfig& config);
// Of data that are there. Throws UsageError where images have sizes of their own and the recipe says none.
ImageSize image_size(const DataConfig& config, const Dataset& data);

// How an image that is not augmented is brought to h x w.
SampleSpec fitted(int64_t h, int64_t w, int64_t eval_resize);

BatchSpec training_batches(const Recipe& recipe, const Dataset& data);
BatchSpec evaluation_batches(const Recipe& recipe, const Dataset& data);

// Threads of a loader beside those that compute: one makes batches of decoded images faster than a step takes; decoding
// may take all. With one thread in all, next() makes the batches.
LoaderThreads loader_threads(const Dataset& data);
// Whether training gets bytes (BatchSpec::bytes): wherever augmentation leaves them bytes. Evaluation always does.
bool trains_on_bytes(const Recipe& recipe);
// Batches of memory that the trainer's loader holds.
int loader_batches();

}  // namespace bantam
