// Trained net -> packed model (docs/packed_format.md).
//
// Nodes are fused as they run on the device: a convolution, linear layer or load takes the elementwise nodes and the
// one max pool behind it into its rows; a binary layer whose chain ends in a sign becomes integer comparisons
// (thresholds.h). A linear layer is a convolution whose window is the whole image: [h][w][c] is the order in which it
// is flattened. What has no fused form runs as an op of its own; results are those of the evaluation forward, bit for
// bit, either way. What each kind of node becomes stands in lower.h, how nodes join in fusion.h.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "nn/net.h"

namespace bantam {

// Whose order the weights of integer layers are stored in. A target of that order uses them where they lie, in flash,
// with no copy in RAM; any other lays them out anew, as all do with kAny, which takes the fewest bytes.
enum class WeightOrder : uint8_t { kAny, kAvx512, kAvx2, kNeon, kArmv7, kScalar };
constexpr const char* name_of(WeightOrder order) {
  switch (order) {
    case WeightOrder::kAny:
      return "any";
    case WeightOrder::kAvx512:
      return "avx512";
    case WeightOrder::kAvx2:
      return "avx2";
    case WeightOrder::kNeon:
      return "neon";
    case WeightOrder::kArmv7:
      return "armv7";
    case WeightOrder::kScalar:
      return "scalar";
  }
  return nullptr;
}

struct PackOptions {
  std::vector<float> lut = {};                // [c][256]: what the evaluation transform makes of each byte
  std::vector<std::string> class_names = {};  // of every class; or empty: "0", "1", ...
  std::vector<uint8_t> test_image = {};       // [h][w][c], or empty: stored with its scores for bnt_self_test
  std::map<std::string, std::string> metadata = {};  // the user's own, for bnt_metadata
  WeightOrder order = WeightOrder::kAny;
};

constexpr size_t kMaxPackMetadata = 64;  // entries of metadata

// What is wrong with an entry of metadata, or "": keys are of 1 to 64 letters, digits, '.', '_' and '-', values of up
// to 1024 bytes of UTF-8 without control characters.
std::string metadata_fault(const std::string& key, const std::string& value);

// One operating point of a file: a plan over its parameters, which other switches may share.
struct PackedSwitch {
  const Plan* plan;
  const Parameters* parameters;
  uint32_t width_permille = 1000;  // of the channels, for bnt_get_switch
};
constexpr size_t kMaxPackSwitches = 16;

// The file's bytes. Throws Error "pack: NODE (KIND): reason" for a net that the format cannot hold, and Error naming
// the tensor if the packed net then computes anything else than the trained one in the canonical order [self_check.h].
std::vector<uint8_t> pack(const Plan& plan, const Parameters& parameters, const PackOptions& options);
// Several in one file, of one input and one list of classes: payloads that are equal lie in it once.
std::vector<uint8_t> pack(std::span<const PackedSwitch> switches, const PackOptions& options);
inline std::vector<uint8_t> pack(const Net& net, const PackOptions& options) {
  return pack(net.plan, net.parameters, options);
}

}  // namespace bantam
