// One pass of a net over a batch: the same walk over a plan's nodes serves training and evaluation; what is different
// stands in the Context.
#pragma once

#include <cstdint>
#include <functional>

#include "core/autograd.h"
#include "nn/parameters.h"
#include "nn/plan.h"
#include "ops/conv/work.h"

namespace bantam {

// A batch as a net takes it. Describes itself: values, or bytes with what each of them stands for.
struct Input {
  Input(Tensor values, Tensor table = {}) : x(std::move(values)), byte_values(std::move(table)) {}  // NOLINT: implicit

  Tensor x;            // [N,H,W,C], of the parameters' type; or u8, for f32 parameters
  Tensor byte_values;  // f32 [C,256]: of each byte, where x is u8; undefined otherwise
};

// What a pass is told: there is no global mode. Each part stands for itself; training() sets those of a training step.
struct Context {
  // Norms use the batch's statistics and move their running ones; else the running ones. Likewise the ranges of
  // activations that are not fixed (ops/quant/range.h), and learned scales of activations are started.
  bool batch_statistics = false;
  bool dropout = false;
  bool stochastic = false;  // stochastic quantizers draw; else they take the sign
  // A backward pass follows: what need not be kept for it is not (pieces that run as one and are computed again, inputs
  // of bytes). Values and gradients are the same, bit for bit, but for the order of sums of a slope's gradient.
  bool for_backward = false;
  // With for_backward: segments, in order, that keep only their input and run a second time in backward. Values and
  // gradients are the same, bit for bit.
  List<Segment> recompute = {};
  // Random numbers are drawn from (seed, node's name, step): never the same twice, and the same again after resuming.
  uint64_t seed = 0;
  int64_t step = 0;
  // How convolutions may be summed up; by default as the packed net does.
  SumOrder order = SumOrder::kCanonical;
  // Sees every node's output, in order: for verify, calibration, explanation. The value of a quantize node is +-1. The
  // nodes then run one by one, whatever for_backward and recompute say.
  std::function<void(const NodeSpec& node, const Tensor& value)> tap = {};
  // Nodes whose values the pass hands out with their gradients, by index (Outputs::wanted). What training runs as one
  // is run one by one where such a value lies inside.
  List<int> wanted = {};

  static Context training(uint64_t seed = 0, int64_t step = 0, SumOrder order = SumOrder::kAny) {
    Context c;
    c.batch_statistics = c.dropout = c.stochastic = c.for_backward = true;
    c.seed = seed;
    c.step = step;
    c.order = order;
    return c;
  }
  static Context evaluation(SumOrder order = SumOrder::kCanonical) {
    Context c;
    c.order = order;
    return c;
  }
};

struct Outputs {
  Tensor scores;        // [N,classes]: the last node's value
  List<Tensor> extra;   // of NetSpec::extra_outputs, in this order
  List<Tensor> wanted;  // of Context::wanted, in this order
};

// Plan and parameters must outlive the graph that the outputs hold. Throws Error if the input is not what the input
// node says, or where the parameters are not those of the plan.
Outputs forward(const Plan& plan, Parameters& parameters, const Input& input, const Context& context);
// The same without batch statistics: nothing changes. Throws Error if the context asks for them.
Outputs forward(const Plan& plan, const Parameters& parameters, const Input& input, const Context& context);

// What a segment takes, for a batch of so many images, above what is alive before; in a DryRun.
struct SegmentCost {
  size_t kept = 0;                   // from its forward to its backward pass, its output included
  size_t forward_peak = 0;           // kept included
  size_t backward_peak = 0;          // kept and the output's gradient included
  size_t output = 0, gradients = 0;  // bytes of its output, of its parameters' gradients
  bool remakes = false;              // whoever reads the output in backward can have it made again
};
SegmentCost cost_of(const Plan& plan, Parameters& parameters, const Segment& segment, int64_t images,
                    SumOrder order = SumOrder::kAny, const Tensor& byte_values = {});

// The order of sums to evaluate a net with: the device's, where the net has quantized values, whose every bit is
// promised; whatever is fastest in a net of floats.
SumOrder evaluation_order(const NetSpec& spec);

}  // namespace bantam
