// All that a net learns, by name: weights, slopes, norms with their running statistics. Several plans (nn/plan.h) may
// run over the same parameters, also narrower ones: those take the leading channels.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "nn/net_spec.h"

namespace bantam {

class Plan;

struct NamedTensor {
  std::string name;  // "layer1.0.conv1.weight"
  Tensor tensor;
};

// How a parameter's columns are permuted between memory and file: convolutions OHWI and OIHW, linear layers after a
// flatten HWC and CHW.
struct FileLayout {
  enum Kind : uint8_t { kSame, kConv, kFlattened } kind = kSame;
  int64_t h = 1, w = 1, c = 1;
};

// The value that a parameter starts from.
struct Initial {
  enum Rule : uint8_t { kConstant, kUniform, kNormal } rule = kConstant;
  double scale = 0;  // the value; the bound, uniform in +-scale; the standard deviation
};

struct ParameterSpec {
  std::string name = {};
  Shape shape = {};  // in memory
  bool decay = true;
  FileLayout layout = {};
  Initial initial = {};
  bool shared = false;  // nodes may name it together
  // Of a learned scale (ops/quant/learned_scale.h): the quantizer; the weight that it starts from, none for
  // activations.
  std::string scale_of = {};
  QuantSpec quant = {};
  bool is_scale() const { return quant.scale == ScaleRule::kLearned; }
};

// Places of a node's parameters, in the order in which an optimizer sees them.
enum class Role : uint8_t { kWeight, kBias, kScale };
constexpr size_t kRoles = 3;

// What one node learns. Names are empty where it has none.
struct NodeParameters {
  std::array<ParameterSpec, kRoles> of = {};
  std::string norm = {};  // its running statistics' name
  int64_t norm_channels = 0;
  std::string range = {};  // its running range's name

  ParameterSpec& operator[](Role r) { return of[size_t(r)]; }
  const ParameterSpec& operator[](Role r) const { return of[size_t(r)]; }
};

// Running statistics of a norm.
struct NormStatistics {
  Tensor mean, var;  // [C]
  int64_t batches = 0;
};

// A node's parameters as a plan finds them in a Parameters: null where it has none.
struct BoundNode {
  struct Part {
    Parameter* parameter = nullptr;
    Shape part = {};    // what the plan takes of `all`: the leading elements of each dimension
    bool whole = true;  // that is all of it
    Shape all = {};     // the parameter's shape; of columns that are an image, with the image's
    Shape shape = {};   // as the node reads it
  };
  std::array<Part, kRoles> of = {};
  NormStatistics* norm = nullptr;
  int64_t norm_channels = 0;
  Tensor* range = nullptr;  // [2], running (ops/quant/range.h)
};
using Binding = List<BoundNode>;  // by node

class Parameters {
 public:
  // Of one net, or of several that share by name: each parameter is as large as the largest of them takes it. They are
  // zero until initialized or loaded; f64 for gradient checks. Throws Error where nets do not fit together.
  explicit Parameters(const NetSpec& spec, DType dtype = DType::kF32) : Parameters(std::span(&spec, 1), dtype) {}
  explicit Parameters(std::span<const NetSpec> specs, DType dtype = DType::kF32);
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;
  ~Parameters();

  // A function of the seed and the parameters' names alone: convolutions Kaiming-normal by fan-out, linear layers and
  // biases as NetSpec::init says, norms 1 and 0, slopes as configured, learned scales of weights from these; those of
  // activations, and ranges, wait for the first batch.
  void initialize(uint64_t seed);
  // Starts the learned scale of that name once more, from its weight as it is now; 0 where it waits for a batch.
  void start_scale(const std::string& name);
  // Whether that is a learned scale or a running range: what files of nets without them may lack.
  bool is_of_quantizer(const std::string& name) const;

  DType dtype() const { return dtype_; }
  const std::vector<Parameter*>& all() const { return all_; }  // in the order of the net
  Parameter* find(const std::string& name) const;              // null if there is none
  int64_t count() const;                                       // of trained values
  bool is_scale(const Parameter& p) const;                     // a quantizer's learned one

  // Weights and running statistics as files hold them, by torchvision's names: convolutions OIHW, linear layers after a
  // flatten with their inputs in CHW order. Statistics: "<norm>.running_mean", ".running_var", and the counter
  // ".num_batches_tracked" in counters(). Of quantizers: "<layer>.weight_scale", "<quantize node>.scale",
  // "<quantize node>.running_range".
  std::vector<NamedTensor> state_dict() const;
  std::map<std::string, int64_t> counters() const;
  struct LoadReport {
    int loaded = 0;
    std::vector<std::string> missing, unexpected;
  };
  // Copies what fits by name. Throws Error where a tensor's shape is not its parameter's. A counter that is missing is
  // not reported: other programs leave it out.
  LoadReport load_state_dict(const std::vector<NamedTensor>& tensors,
                             const std::map<std::string, int64_t>& counters = {});

  // Running means, variances and ranges, as state_dict() has them, shared.
  std::vector<NamedTensor> statistics() const;

  // One tensor of a parameter's shape (weight, gradient, momentum) between memory's layout and the files'.
  Tensor to_file_layout(const std::string& parameter, const Tensor& t) const;
  Tensor from_file_layout(const std::string& parameter, const Tensor& t) const;
  // to_file_layout()'s shape, and its bytes piece by piece: no more than about kPieceBytes of them exist at a time.
  static constexpr size_t kPieceBytes = size_t(256) << 10;
  Shape file_shape(const std::string& parameter) const;
  void stream_file_layout(const std::string& parameter, const Tensor& t,
                          FunctionRef<void(std::span<const uint8_t>)> sink) const;

  // A norm in evaluation, y = fma(x, scale, shift): what batch_norm_eval computes with (ops/batch_norm.h). Throws Error
  // where the node is no norm of these parameters.
  struct NormAffine {
    std::vector<float> scale, shift;
  };
  NormAffine norm_affine(const NodeSpec& norm) const;
  // A quantize node in evaluation: its range or its learned scale as constants.
  QuantSpec fixed_quant(const NodeSpec& quantize) const;

  // Where the plan's nodes find what they need; found once, and remembered as long as the plan lives. Throws Error
  // naming a parameter that is missing or smaller than the plan takes it.
  const Binding& binding(const Plan& plan) const;

 private:
  struct Bound;

  DType dtype_;
  std::map<std::string, std::unique_ptr<Parameter>> parameters_;
  std::vector<Parameter*> all_;
  std::map<std::string, ParameterSpec> specs_;
  std::map<std::string, std::unique_ptr<NormStatistics>> norms_;
  std::map<std::string, std::unique_ptr<Tensor>> ranges_;
  mutable std::vector<std::unique_ptr<Bound>> bound_;  // what binding() remembers
};

// What each node of a net declares. Throws Error where two that do not share use one name.
std::vector<NodeParameters> node_parameters(const NetSpec& spec, const std::vector<Shape>& shapes);

// A norm's weight, bias and statistics go by this name: the node's, or that of its set (BatchNormConfig::set).
std::string norm_name(const NodeSpec& norm);
// Likewise what a quantizer learns: `what` of the node, of the set that its spec names: "conv1.weight_scale",
// "conv1.weight_scale.set1".
std::string quant_name(const NodeSpec& node, const char* what, const QuantSpec& quant);

}  // namespace bantam
