// A recipe: everything that decides what a training run computes, as data. Recipes are TOML files (cmd/recipes/); each
// key can be overridden with --set key=value; a run folder holds the resolved recipe, every key written out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compress/angle_penalty.h"
#include "core/fields.h"
#include "nn/models/models.h"
#include "nn/quantize.h"
#include "ops/conv/work.h"
#include "optim/schedule.h"

namespace bantam {

enum class Crop : uint8_t { kPad, kResized };
constexpr const char* name_of(Crop crop) {
  switch (crop) {
    case Crop::kPad:
      return "pad";
    case Crop::kResized:
      return "resized";
  }
  return nullptr;
}

enum class OptimizerKind : uint8_t { kSgd, kAdam };
constexpr const char* name_of(OptimizerKind kind) {
  switch (kind) {
    case OptimizerKind::kSgd:
      return "sgd";
    case OptimizerKind::kAdam:
      return "adam";
  }
  return nullptr;
}

enum class FusedUpdate : uint8_t { kAuto, kOn, kOff };
constexpr const char* name_of(FusedUpdate fused) {
  switch (fused) {
    case FusedUpdate::kAuto:
      return "auto";
    case FusedUpdate::kOn:
      return "on";
    case FusedUpdate::kOff:
      return "off";
  }
  return nullptr;
}

enum class Winograd : uint8_t { k2x2, k4x4 };
constexpr const char* name_of(Winograd tiles) {
  switch (tiles) {
    case Winograd::k2x2:
      return "2x2";
    case Winograd::k4x4:
      return "4x4";
  }
  return nullptr;
}

enum class Freeze : uint8_t { kNone, kQuantized };
constexpr const char* name_of(Freeze freeze) {
  switch (freeze) {
    case Freeze::kNone:
      return "none";
    case Freeze::kQuantized:
      return "quantized";
  }
  return nullptr;
}

struct DataConfig {
  std::string name = "fashion-mnist";
  std::vector<double> mean;  // per channel, of pixels in [0, 1]; one value serves all channels
  std::vector<double> stddev;
  int64_t image_size = 0;
  int64_t eval_resize = 0;
  bool flip = false;
  Crop crop = Crop::kPad;
  int64_t pad_crop = 0;
  std::vector<double> crop_scale = {0.08, 1};
  std::vector<double> crop_ratio = {0.75, 1.3333333333333333};
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  double lighting = 0;
  int64_t holdout = 0;
  int64_t train_images = 0;
};

struct ModelConfig {
  std::string spec;  // file of a net as JSON, in place of one by name
  std::string name = "quickstart";
  double width = 1.0;
  Order order = Order::kStandard;
  Stem stem = Stem::kImageNet;
  int64_t classes = 0;  // 0: the data set's
};

// How quantize() is applied to the net.
struct QuantConfig {
  QuantSpec weight{.granularity = Granularity::kChannel, .scale = ScaleRule::kMean};
  QuantSpec activation{.surrogate = Surrogate::kClip};
  bool first = false, last = false;
  bool input_scale = false;
  bool lazy = true;    // the training pass runs on quantized weights [T 6.4.3]
  std::string layers;  // parse_quant_layers
};

// What draws latent weights to quantized ones, and how each of these grows by epochs.
struct PenaltyConfig {
  double angle = 0;  // compress/angle_penalty.h
  PenaltyMean over = PenaltyMean::kLayers;
  double distance_l1 = 0, distance_l2 = 0;  // compress/distance_penalty.h
  double prox = 0, relax = 0;               // compress/soft_projection.h
  RampKind ramp = RampKind::kConstant;
  double growth = 5;
  double every = 5;
  double cap = 1e4;
};

struct OptimizerConfig {
  OptimizerKind name = OptimizerKind::kAdam;
  double lr = 1e-3;
  double momentum = 0.9;
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
  double scale_lr = 1;
  FusedUpdate fused_update = FusedUpdate::kAuto;
};

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::kConstant;
  std::vector<double> milestones;  // epochs of the full schedule
  std::vector<double> factors;     // of optimizer.lr, from that milestone on
  double full_epochs = 0;
  double warmup_epochs = 0;
};

struct TrainConfig {
  int64_t epochs = 3;
  int64_t batch = 128;
  int64_t seed = 0;
  double clip_norm = 0;
  double label_smoothing = 0;
  double l1 = 0;           // compress/l1_penalty.h
  double clip_latent = 0;  // compress/latent_clip.h
  Freeze freeze = Freeze::kNone;
  int64_t log_every = 50;
  int64_t eval_every = 1;
  int64_t eval_batch = 200;
  double save_every_seconds = 60;
  Winograd winograd = Winograd::k2x2;
};

struct Recipe {
  std::string about;
  DataConfig data;
  ModelConfig model;
  QuantConfig quant;
  PenaltyConfig penalty;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
};

// The lists. A new config struct needs one of these and a line in the last.
void fields(DataConfig& c, FieldList& f);
void fields(ModelConfig& c, FieldList& f);
void fields(QuantConfig& c, FieldList& f);
void fields(PenaltyConfig& c, FieldList& f);
void fields(OptimizerConfig& c, FieldList& f);
void fields(ScheduleConfig& c, FieldList& f);
void fields(TrainConfig& c, FieldList& f);
FieldList fields(Recipe& r);

// What its net is called: by name, or by its file.
inline const std::string& net_name(const Recipe& r) { return r.model.spec.empty() ? r.model.name : r.model.spec; }
// How its training may sum up convolutions, for Context::order.
SumOrder sum_order(const Recipe& recipe);

// Keys set on the command line: ("optimizer.lr", "0.01"), applied in order.
using Overrides = std::vector<std::pair<std::string, std::string>>;

// Parses the TOML text and applies the overrides. Throws UsageError "SOURCE:LINE:COLUMN: what", with the nearest known
// key; a key that has no effect with the others (optimizer.momentum with Adam) is an error too, and so are values that
// do not fit together (two milestones and one factor). model.spec is made a path from here: in a recipe's file it is
// one beside that file.
Recipe parse_recipe(std::string_view toml, const std::string& source, const Overrides& overrides = {});

// The resolved recipe as TOML: every key that has an effect, in the lists' order. parse_recipe(dump(r)) == r.
std::string dump(const Recipe& recipe);

// The keys with their meanings, ranges and defaults, for --help.
std::string document_recipe_keys();

// Splits "key=value". Throws UsageError.
std::pair<std::string, std::string> split_override(const std::string& text);

// The recipes that are built into the program: name and TOML text, by name.
struct BuiltInRecipe {
  const char* name;
  const char* toml;
};
const std::vector<BuiltInRecipe>& built_in_recipes();

// The text of a recipe and what to call it in messages: a file where the name has a slash or ends in ".toml", else a
// built-in one. Throws UsageError with the nearest known name, FileError for a file that cannot be read.
struct RecipeText {
  std::string source, toml;
};
RecipeText find_recipe(const std::string& name);
// find_recipe and parse_recipe with what --set says: {"optimizer.lr=0.01"}.
Recipe load_recipe(const std::string& name, const std::vector<std::string>& settings = {});
// Whether a word that may stand for a recipe or for a file of weights is a recipe: it ends in ".toml", or it is a plain
// name and there is no such file or folder.
bool names_recipe(const std::string& what);

}  // namespace bantam
