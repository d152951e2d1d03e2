// A net that runs: the parameters and statistics of a NetSpec, and one executor that walks its nodes over ops/. The
// same forward serves training and evaluation; what is different stands in the Context.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "nn/batch_blocks.h"
#include "nn/net_spec.h"
#include "nn/norm_groups.h"
#include "ops/conv_work.h"
#include "ops/pool.h"
#include "ops/quant/quantized.h"

namespace bantam {

// Nodes begin + 1 to end, which read nothing older than begin's value; both are of Model::cuts().
struct Segment {
  int begin = 0, end = 0;
};

// What a forward pass is told: there is no global mode.
struct Context {
  bool training = false;
  // Dropout draws from (seed, node, step): never the same twice, and the same again after resuming.
  uint64_t seed = 0;
  int64_t step = 0;
  // How convolutions may be summed up. Evaluation: in this order, by default the packed net's; training: in any, or
  // loosely.
  SumOrder order = SumOrder::kCanonical;
  SumOrder sums() const { return training && order == SumOrder::kCanonical ? SumOrder::kAny : order; }
  // Sees every node's output, in order: for verify, calibration, explanation. The value of a quantize node is +-1.
  std::function<void(const NodeSpec& node, const Tensor& value)> tap = {};
  // In training: segments, in order, that keep only their input and run a second time in backward. Values and gradients
  // are the same, bit for bit. A tap turns them off.
  List<Segment> recompute = {};
  // f32 [C,256]: what each byte stands for, where the input is u8; undefined otherwise. The results are those of the
  // input's f32 values, bit for bit, but training keeps the bytes: whoever needs values in backward has them made
  // again.
  Tensor byte_values = {};
};

struct NamedTensor {
  std::string name;  // "layer1.0.conv1.weight"
  Tensor tensor;
};

class Model {
 public:
  // Throws Error if the net is malformed. Parameters are allocated, and zero until initialized or loaded; in f64 for
  // gradient checks.
  explicit Model(NetSpec spec, DType dtype = DType::kF32);

  // Convolutions Kaiming-normal by fan-out, linear layers and biases as spec().init says, norms 1 and 0, slopes as
  // configured. A function of the seed and the parameters' names alone.
  void initialize(uint64_t seed);

  // x [N,H,W,C] -> logits [N,classes]. In training, norms use the batch's statistics and move their running ones.
  // x is of the model's type, or u8 (an f32 model). Throws Error if x is not what the input node says.
  Tensor forward(const Context& context, const Tensor& x);
  // The same in evaluation, which changes nothing in the model. Throws Error if the context is one of training.
  Tensor evaluate(const Context& context, const Tensor& x) const;

  // Nodes at which the net can be cut: all that later nodes read is their value, and they are no codes. The input and
  // the output are the first and the last.
  std::vector<int> cuts() const;
  // What a segment takes, for a batch of so many images, above what is alive before; in a DryRun.
  struct SegmentCost {
    size_t kept = 0;           // from its forward to its backward pass, its output included
    size_t forward_peak = 0;   // kept included
    size_t backward_peak = 0;  // kept and the output's gradient included
    size_t output = 0, gradients = 0;  // bytes of its output, of its parameters' gradients
    bool remakes = false;              // whoever reads the output in backward can have it made again
  };
  SegmentCost cost_of(const Segment& segment, int64_t images, SumOrder order = SumOrder::kAny,
                      const Tensor& byte_values = {});

  const NetSpec& spec() const { return spec_; }
  DType dtype() const { return dtype_; }
  const std::vector<Parameter*>& parameters() const { return parameter_list_; }
  Parameter* parameter(const std::string& name) const;  // null if there is none

  // Weights and running statistics as files hold them, by torchvision's names: convolutions OIHW, linear layers after a
  // flatten with their inputs in CHW order. Statistics: "<norm>.running_mean", ".running_var", and the counter
  // ".num_batches_tracked" in counters().
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

  // Running means and variances, as state_dict() has them, shared.
  std::vector<NamedTensor> statistics() const;

  // One tensor of a parameter's shape (weight, gradient, momentum) between memory's layout and the files'.
  Tensor to_file_layout(const std::string& parameter, const Tensor& t) const;
  Tensor from_file_layout(const std::string& parameter, const Tensor& t) const;
  // to_file_layout()'s shape, and its bytes piece by piece: no more than about kPieceBytes of them exist at a time.
  static constexpr size_t kPieceBytes = size_t(256) << 10;
  Shape file_shape(const std::string& parameter) const;
  void stream_file_layout(const std::string& parameter, const Tensor& t,
                          FunctionRef<void(std::span<const uint8_t>)> sink) const;

  // A norm in evaluation, y = fma(x, scale, shift): what batch_norm_eval computes with (ops/batch_norm.h).
  struct NormAffine {
    std::vector<float> scale, shift;
  };
  NormAffine norm_affine(const std::string& norm) const;

 private:
  struct Norm {
    Tensor running_mean, running_var;  // [C]
    int64_t batches = 0;
  };
  struct FileLayout {  // how a parameter's columns are permuted between memory and file
    enum { kSame, kConv, kFlattened } kind;
    int64_t h, w, c;
  };
  // Rows first, first + 1, ... of a tensor in memory's layout.
  static void rows_to_file(const FileLayout& layout, const Tensor& t, int64_t first, int64_t rows, void* out);
  Parameter& add_parameter(const std::string& name, const Shape& shape, bool decay, FileLayout layout);
  using Norms = std::map<std::string, Norm>;
  struct Pass {
    const Context& context;
    Norms* statistics;  // that training moves; null in evaluation
    int64_t images;
    const List<std::pair<const Parameter*, Tensor>>* leaves;  // that stand for the parameters, or null
    bool again;                                        // in backward: what is done once has been done
  };
  static Tensor leaf(const Parameter& p, const Pass& pass);
  // A node's parameter; undefined if it has none.
  Tensor tensor_of(size_t node, const char* what, const Pass& pass) const;
  size_t image_bytes(size_t node) const;                  // of a node's output
  Tensor convolve(size_t conv, const Quantized& x, const Tensor& weight, const Tensor& bias, SumOrder order) const;
  // In training, a cheap convolution and the max pool behind it run a few images at a time (nn/batch_blocks.h).
  bool pooled_in_blocks(size_t conv, int64_t images) const;
  int64_t block_of(size_t conv, int64_t images) const;  // images to run at a time
  // The convolution, and the pool unless that is -1.
  Piece piece_of(size_t conv, int pool, const Context& context) const;
  // Of an input of bytes its values.
  static Tensor real_value(const Tensor& x, const Context& context);
  void plan_reads();
  Tensor run(const Context& context, const Tensor& x, Norms* statistics) const;
  // chain: of each value, through how many norms it would be made again.
  void run_nodes(int first, int last, const Pass& pass, List<Quantized>* values, List<int>* chain) const;
  Tensor run_group(const NormGroup& group, const Pass& pass, const List<Quantized>& values, List<int>* chain) const;
  Quantized run_node(size_t index, const Pass& pass, const List<Quantized>& values) const;
  List<Parameter*> parameters_of(const Segment& segment) const;
  Tensor run_segment(const Segment& segment, const Context& context, const Quantized& x, Norms* statistics) const;

  NetSpec spec_;
  DType dtype_;
  std::map<std::string, std::unique_ptr<Parameter>> parameters_;
  std::vector<Parameter*> parameter_list_;  // in the order of the net
  // Of each node: its weight (slopes) and bias, null where it has none.
  std::vector<std::pair<Parameter*, Parameter*>> own_;
  std::map<std::string, FileLayout> layouts_;
  Norms norms_;
  std::vector<Shape> shapes_;               // of every node's output, for one image
  // A convolution whose only reader is a max pool, and that may be computed again.
  std::vector<bool> cheap_before_pool_;
  std::vector<NormGroup> norm_groups_;
  static constexpr int kOnItsOwn = -1, kPartOfGroup = -2;
  std::vector<int> group_at_;               // the group that a node is the end of, or one of these
  std::vector<std::vector<int>> last_reads_[2];  // values that nobody reads after a node: one by one, in groups
  std::vector<bool> real_value_used_;       // is a quantize node's output read by anything but binary layers?
};

// The order of sums to evaluate a net with: the device's, where the net has quantized values, whose every bit is
// promised; whatever is fastest in a net of floats.
SumOrder evaluation_order(const NetSpec& spec);

}  // namespace bantam
