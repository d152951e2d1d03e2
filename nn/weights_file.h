// Weights from a file that knows nothing of this program: a PyTorch state dict saved with safetensors
// (docs/convert.md), or one of our own checkpoints, whose names and layouts are the same.
//
// Names lose the prefixes that wrappers put before them, in any order and number: "module." (data parallel), "model."
// (training frameworks), "_orig_mod." (torch.compile), "state_dict.". Loading is strict: every parameter and statistic
// of the net must be there with its shape, and nothing else, but for what the rules allow. Of the counters
// num_batches_tracked a file may have all or none (PyTorch before 0.4.1).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "nn/net.h"

namespace bantam {

// Patterns, in which * stands for any text and ? for any character.
struct WeightRules {
  std::vector<std::string> allow_missing = {};  // of the net's tensors: one that the file lacks keeps its initial value
  // Of the file's tensors: they are left out, whether the net has them or not.
  std::vector<std::string> allow_unexpected = {};
};

struct LoadedWeights {
  int64_t wanted = 0, loaded = 0;  // tensors of the net; counters count where the file has any
  std::vector<std::string> missing, left_out;
  int64_t widened = 0;                  // F16 and BF16, exactly
  int64_t rounded = 0;                  // F64, to f32
  std::vector<std::string> not_finite;  // hold NaN or infinity

  std::string text() const;  // "122/122 loaded, 0 missing, 0 unexpected"
};

class WeightsFile {
 public:
  // FileError where two names are the same without their prefixes.
  WeightsFile(SafeTensors file, WeightRules rules);

  // By the name without prefixes; null if there is none, or if it is left out.
  const SafeTensor* find(const std::string& name) const;
  const std::string& path() const { return file_.path(); }
  // Whether the file has exactly the names of this net's parameters and statistics. Takes no memory.
  bool has_names_of(const NetSpec& spec) const;

  // Throws FileError naming the first tensor of the net that is missing or has another shape, with both shapes, or else
  // the first of the file that the net lacks. Takes no memory.
  void check(const NetSpec& spec) const;
  // check(), then copies. What is missing keeps its value.
  LoadedWeights load(const NetSpec& spec, Parameters* parameters) const;

 private:
  SafeTensors file_;
  WeightRules rules_;
  std::map<std::string, const SafeTensor*> by_name_;
  std::vector<std::string> left_out_;
};

}  // namespace bantam
