// A model as the user names it: a checkpoint (or a run folder, which stands for its last one) or a packed model.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/trainer/evaluate.h"
#include "cmd/trainer/net_checkpoint.h"
#include "compress/pack/packed_model.h"

namespace bantam {

struct AnyModel {
  std::string path;
  std::optional<NetCheckpoint> net;  // one of the two
  std::unique_ptr<PackedModel> packed;
  int64_t h = 0, w = 0, c = 0;
  std::vector<std::string> class_names;

  const char* kind() const { return packed ? "packed" : "checkpoint"; }
  int classes() const { return int(class_names.size()); }
  // The data set that it was trained on, by its recipe; "" where unknown.
  std::string data_name() const;
};

// Throws FileError for a file that is neither.
AnyModel load_any(const std::string& path);
std::unique_ptr<PackedModel> load_packed(const std::string& path);

// Scores of u8 images [n,h,w,c] -> [n,classes], on all threads.
class Scorer {
 public:
  explicit Scorer(AnyModel* model);
  Tensor operator()(const std::vector<const uint8_t*>& images);

 private:
  AnyModel* model_;
  std::vector<float> tables_;                       // of a checkpoint: [c][256]
  std::vector<std::unique_ptr<PackedModel>> more_;  // sessions of lanes 1, 2, ...
};

// The data set that a model is to be compared on. `dir` empty: where it is by default; `kind` empty: the one that the
// model was trained on, or what the files look like. Throws UsageError if its images or its class names are not the
// model's.
Dataset open_data_for(const AnyModel& model, const std::string& dir, const std::string& kind, const std::string& split,
                      int64_t limit);

}  // namespace bantam
