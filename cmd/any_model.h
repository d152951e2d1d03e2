// A model as the user names it: a checkpoint (or a run folder, which stands for its last one) or a packed model.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cmd/recipe/data_source.h"
#include "cmd/run/evaluate.h"
#include "compress/net_checkpoint.h"
#include "compress/pack/packed_model.h"
#include "core/file.h"

namespace bantam {

struct AnyModel {
  std::string path;
  std::optional<NetCheckpoint> net;  // one of the two
  std::unique_ptr<PackedModel> packed;
  int64_t h = 0, w = 0, c = 0;
  std::vector<std::string> class_names;

  const char* kind() const { return packed ? "packed" : "checkpoint"; }
  int classes() const { return int(class_names.size()); }
  // The data that it was trained on, by its recipe; none where unknown.
  std::optional<DataConfig> data_config() const;
};

// Throws FileError for a file that is neither.
AnyModel load_any(const std::string& path);
std::unique_ptr<PackedModel> load_packed(const std::string& path);
// Of a file's bytes; `path` is for the error.
std::unique_ptr<PackedModel> parse_packed(const Bytes& bytes, const std::string& path);

// Throws UsageError, naming --switch, if the packed model has no such switch.
void check_switch(const bnt_info& info, int64_t index, const std::string& path);

// What each byte of an image stands for, f32 [c,256].
Tensor byte_values_of(const NetCheckpoint& net);

// Scores of images as bytes, u8 [n,h,w,c] -> [n,classes], on all threads.
class Scorer {
 public:
  explicit Scorer(AnyModel* model);
  Tensor operator()(const Tensor& images) { return evaluator_({images, byte_values_}); }

 private:
  Evaluator evaluator_;
  Tensor byte_values_;  // of a checkpoint
};

// What a model is to be evaluated on, as the command line says it.
struct EvalData {
  std::string dir;    // empty: where the data set is by default
  std::string kind;   // empty: the one that the model was trained on, or what the files look like
  std::string split;  // "train" or "test"
  int64_t limit = 0;
  int64_t resize = 0;  // the shorter side before the center is cut out; 0: as the model's recipe says
};

// The images of a data set at a model's size, u8.
class EvalImages {
 public:
  // Throws UsageError if the images or the class names are not the model's. Images that differ in size from the model's
  // are resized if its recipe or --resize says how, or if they have sizes of their own.
  EvalImages(const AnyModel& model, const EvalData& what);

  const Dataset& data() const { return data_; }
  int64_t count() const { return data_.count; }
  // Images [begin, begin + n), u8 [n,h,w,c], overwritten by the next call; decoded on all threads.
  const Tensor& get(int64_t begin, int64_t n);

 private:
  Dataset data_;
  SampleSpec spec_;
  Tensor block_;
  std::vector<SampleScratch> scratch_;  // by lane
};

}  // namespace bantam
