// A net is data: a list of nodes in the order in which they run, each with a kind, its inputs and a config. The same
// list is executed for training (nn/forward.h), written into checkpoints as JSON, counted (`bantam info`), pruned and
// packed.
//
// Names follow torchvision's: a node's parameters are its name plus ".weight", ".bias", ".running_mean", ...
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/shape.h"
#include "nn/kinds/list.h"
#include "ops/quant/scheme.h"

namespace bantam {

struct InputConfig {
  int64_t h = 0, w = 0, c = 0;
};
struct ConvConfig {
  int64_t out_channels = 0;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  bool bias = false;
  QuantSpec weight = {};
  int pad_value = 0;  // value of the padding of a binary convolution: 0, +1 or -1 (0 for any other)
};
struct LinearConfig {
  int64_t out_features = 0;
  bool bias = true;
  QuantSpec weight = {};
};
struct BatchNormConfig {
  double eps = 1e-5;
  double momentum = 0.1;  // new = (1 - momentum) * old + momentum * batch
  // Which of its sets of weight, bias and statistics: a net with switches has one for each. Set 0 goes by the node's
  // name, set i > 0 by the name plus ".set<i>".
  int64_t set = 0;
};
struct PReluConfig {
  int64_t slopes = 1;      // 1, or the number of channels
  double init = 0.25;
  std::string parameter = {};  // name of the slope: nodes that give the same name share it
};
struct PoolConfig {
  int64_t kernel_h = 2, kernel_w = 2, stride_h = 2, stride_w = 2, pad_h = 0, pad_w = 0;
};
struct AdaptivePoolConfig {
  int64_t out_h = 1, out_w = 1;
};
struct QuantizeConfig {
  QuantSpec quant{.scheme = Scheme::kSign, .surrogate = Surrogate::kClip};
};
// The window of the layer before it (ops/quant/input_scale.h).
struct InputScaleConfig {
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
};
struct DropoutConfig {
  double p = 0.5;
};
struct NoConfig {};

#define BANTAM_KIND_VALUE(name, word) k##name,
enum class Kind : uint8_t { BANTAM_KINDS(BANTAM_KIND_VALUE) };
#undef BANTAM_KIND_VALUE
std::vector<Kind> all_kinds();
const char* name_of(Kind kind);  // "conv", "batch_norm", ...
bool kind_from_name(const std::string& name, Kind* kind);  // false if there is none

using Config = std::variant<NoConfig, InputConfig, ConvConfig, LinearConfig, BatchNormConfig, PReluConfig, PoolConfig,
                            AdaptivePoolConfig, QuantizeConfig, InputScaleConfig, DropoutConfig>;

Config default_config(Kind kind);  // of the type that a node of this kind has

struct NodeSpec {
  std::string name = {};     // unique in the net
  Kind kind = Kind::kInput;
  std::vector<int> inputs = {};  // indices of earlier nodes
  Config config = {};
};

// How a layer's weights are quantized; null for a kind without weights to quantize.
const QuantSpec* weight_quant(const NodeSpec& node);

// How linear layers and biases start (Parameters::initialize; norms, slopes and convolutions' weights have one way
// each).
enum class Init : uint8_t {
  kFanIn,        // uniform in +-1/sqrt(fan-in), PyTorch's default
  kSmallNormal,  // linear weights normal with deviation 0.01, biases 0: torchvision's VGG
};
constexpr const char* name_of(Init init) {
  switch (init) {
    case Init::kFanIn:
      return "fan_in";
    case Init::kSmallNormal:
      return "small_normal";
  }
  return nullptr;
}

// Node 0 is the only input. The net's scores are its last node's value [n,classes].
struct NetSpec {
  std::vector<NodeSpec> nodes = {};
  int64_t classes = 0;
  Init init = Init::kFanIn;
  // Nodes whose values a pass hands out beside the scores (further heads, features), by index, none twice.
  std::vector<int> extra_outputs = {};

  int find(const std::string& name) const;  // index, or -1
};

// Shape of every node's output for a batch of n: [n,H,W,C], or [n,F] after flatten, global pooling and linear.
// Throws Error naming the node if the net is malformed (unknown input, wrong rank, channels not divisible by groups,
// ...).
std::vector<Shape> infer_shapes(const NetSpec& spec, int64_t n = 1);

// JSON text, and back; from_json throws Error naming what is wrong and checks the net with infer_shapes.
std::string to_json(const NetSpec& spec);
NetSpec net_spec_from_json(const std::string& json);

// Builds a net top to bottom; each call adds a node and returns its index.
//   NetBuilder g(28, 28, 1, 10);
//   int x = g.conv("conv1", g.input(), {.out_channels = 32, .kernel_h = 3, .kernel_w = 3});
class NetBuilder {
 public:
  NetBuilder(int64_t h, int64_t w, int64_t c, int64_t classes);
  int input() const { return 0; }
  int conv(const std::string& name, int x, const ConvConfig& config);
  int linear(const std::string& name, int x, const LinearConfig& config);
  int batch_norm(const std::string& name, int x, const BatchNormConfig& config = {});
  int prelu(const std::string& name, int x, const PReluConfig& config);
  int quantize(const std::string& name, int x, const QuantizeConfig& config = {});
  int input_scale(const std::string& name, int layer, int x, const InputScaleConfig& config);
  int max_pool(const std::string& name, int x, const PoolConfig& config = {});
  int avg_pool(const std::string& name, int x, const PoolConfig& config = {});
  int adaptive_avg_pool(const std::string& name, int x, const AdaptivePoolConfig& config);
  int dropout(const std::string& name, int x, const DropoutConfig& config);
  // relu, hardtanh, hard_swish, sigmoid, tanh, softmax, global pooling, flatten
  int unary(Kind kind, const std::string& name, int x);
  int add(const std::string& name, int a, int b);
  int mul(const std::string& name, int a, int b);
  int concat(const std::string& name, const std::vector<int>& xs);  // along channels
  void init(Init how) { spec_.init = how; }
  void extra_output(int x) { spec_.extra_outputs.push_back(x); }
  NetSpec build();  // checks it

 private:
  int push(NodeSpec node);
  NetSpec spec_;
};

}  // namespace bantam
