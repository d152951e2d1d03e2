// Checkpoints of nets: a file of core/checkpoint.h whose tensors are a net's weights by torchvision's names, beside
// them the optimizer's state ("optimizer.exp_avg.conv1.weight"), and in the metadata what makes the file stand alone:
//
//   bantam.net      the NetSpec as JSON                 bantam.input    {"mean":[..],"stddev":[..]} of pixels in [0, 1]
//   bantam.classes  ["T-shirt/top", ..]                 bantam.recipe   the resolved recipe, TOML
//   bantam.state    where training stands (below); missing in a file of weights only
//
// What it says of its run leaves out threads, paths, host and time: equal runs make equal files.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compress/pack/pack.h"
#include "core/checkpoint.h"
#include "nn/net.h"
#include "optim/optimizer.h"

namespace bantam {

// What the weights belong to.
struct NetInfo {
  NetSpec spec = {};
  std::vector<double> mean = {}, stddev = {};  // x = (pixel / 255 - mean) / stddev, one a channel
  std::vector<std::string> class_names = {};
  std::string recipe_toml = {};  // empty where unknown
};

// Everything that training needs to go on besides weights and optimizer state.
struct TrainingState {
  int64_t step = 0;  // done
  int64_t optimizer_steps = 0;
  double loss_sum = 0;            // of the epoch so far, over images
  int64_t right = 0, images = 0;  // of the epoch so far
  double best_top1 = -1;          // of all evaluations so far
  int64_t best_step = 0;
  uint64_t log_bytes = 0;         // of log.jsonl
  uint32_t data_fingerprint = 0;  // of the training images
};

// Writes atomically and durably. `optimizer` and `state` are both null for a file of weights only. Throws IoError.
void save_net(const std::string& path, const Parameters& parameters, const NetInfo& info,
              Optimizer* optimizer = nullptr, const TrainingState* state = nullptr,
              const std::vector<OptimizerState>& hooks = {});

struct NetCheckpoint {
  NetInfo info;
  std::unique_ptr<Net> net;                         // with its weights
  std::optional<TrainingState> state;               // none: weights only
  std::map<std::string, Tensor> optimizer_tensors;  // by OptimizerState::name, as files hold them
  std::map<std::string, Tensor> hook_tensors;       // likewise what a step's hooks keep
  std::string path;
};
// A folder stands for its last.safetensors. Throws FileError for a file that is no checkpoint of this program, or whose
// tensors are not exactly those of its net.
NetCheckpoint load_net(const std::string& path_or_run);
std::string checkpoint_path(const std::string& path_or_run);

// `parameters` has the layouts. Throws FileError unless the checkpoint holds the state of exactly this optimizer.
void restore_optimizer(const NetCheckpoint& checkpoint, const Parameters& parameters, Optimizer* optimizer);
// The same for what a step's hooks keep (compress/step/step.h).
void restore_hooks(const NetCheckpoint& checkpoint, const Parameters& parameters,
                   const std::vector<OptimizerState>& hooks);

// Copies weights by name from any safetensors file, PyTorch's too (nn/weights_file.h). Throws FileError unless
// every parameter and statistic is there with its shape; returns "122/122 loaded, 0 missing, 0 unexpected".
std::string load_weights(const std::string& path, Net* net);

// How a net is packed (compress/pack/pack.h): its pixels' values, its class names, and as the image of the self test
// noise, always the same. Throws Error where mean or stddev are no numbers to normalize with.
PackOptions pack_options(const NetInfo& info);

}  // namespace bantam
