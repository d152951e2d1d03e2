// How a tensor is quantized: part of a layer's config.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"

namespace bantam {

// The codebook: of its entries the nearest is taken. [Eq. 3.8]
enum class Scheme : uint8_t {
  kNone,        // real values
  kSign,        // 1 bit: sign(x), +1 for x >= 0 (BinaryConnect's and BNN's weights, BNN's activations)
  kStochastic,  // 1 bit: drawn in training, +1 with probability (x + 1) / 2; else sign(x) (ops/quant/stochastic.h)
  kBwn,         // 1 bit, weights: scale * sign(w), the gradient as if nothing were there (ops/quant/scaled_sign.h)
  kXnor,        // the same, with the derivative of the scale
  kTwn,         // weights {-1, 0, 1} * scale, 0 for |w| <= 0.7 mean |w| (ops/quant/twn.h)
  kTernary,     // {-1, 0, 1} * scale (ops/quant/uniform.h)
  kDorefa,      // k bits: weights through tanh, activations clipped to [0, 1]
  kTanh,        // k bits in [-1, 1] through tanh (ops/quant/tanh_quant.h)
  kRelu,        // k bits in [0, 1], activations (ops/quant/uniform.h)
  kUniform,     // k bits in [-1, 1] * scale, 0 among them (ops/quant/uniform.h)
  kHwgq,        // k bits from 0 up, the best steps for half a normal distribution, activations (ops/quant/uniform.h)
  kPow2,        // weights 0 and +-2^e (ops/quant/table_weights.h), activations 0 and 2^e (step_activation.h)
  kLog,         // 2^-l, l in even steps between the layer's least and largest; weights of both signs, activations and 0
  kLog2,        // the same with l an integer
  kKmeans,      // weights from 2^k centroids
  kF16,         // weights as floats of 16 bits, IEEE binary16 (ops/quant/half_weight.h)
  kBf16,        // the same, bfloat16
  kInt,  // k bits: weights in even steps to their largest, activations in a range [low, high] with its zero point
};
constexpr const char* name_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return "none";
    case Scheme::kSign:
      return "sign";
    case Scheme::kStochastic:
      return "stochastic";
    case Scheme::kBwn:
      return "bwn";
    case Scheme::kXnor:
      return "xnor";
    case Scheme::kTwn:
      return "twn";
    case Scheme::kTernary:
      return "ternary";
    case Scheme::kDorefa:
      return "dorefa";
    case Scheme::kTanh:
      return "tanh";
    case Scheme::kRelu:
      return "relu";
    case Scheme::kUniform:
      return "uniform";
    case Scheme::kHwgq:
      return "hwgq";
    case Scheme::kPow2:
      return "pow2";
    case Scheme::kLog:
      return "log";
    case Scheme::kLog2:
      return "log2";
    case Scheme::kKmeans:
      return "kmeans";
    case Scheme::kF16:
      return "f16";
    case Scheme::kBf16:
      return "bf16";
    case Scheme::kInt:
      return "int";
  }
  return nullptr;
}

// The gradient that stands in for that of the quantizer (straight-through estimator). [Eq. 3.10]
enum class Surrogate : uint8_t {
  kIdentity,  // dx = dq
  kClip,      // dx = dq where the codebook reaches, else 0; for signs that is |x| <= 1
};
constexpr const char* name_of(Surrogate surrogate) {
  switch (surrogate) {
    case Surrogate::kIdentity:
      return "identity";
    case Surrogate::kClip:
      return "clip";
  }
  return nullptr;
}
// Whether the gradient is dropped outside; handed on everywhere otherwise.
constexpr bool is_clipped(Surrogate surrogate) {
  switch (surrogate) {
    case Surrogate::kIdentity:
      return false;
    case Surrogate::kClip:
      return true;
  }
  return false;
}

// Which weights share a scale. A linear layer's and a 1x1 convolution's kernels are single numbers: they share by
// channel.
enum class Granularity : uint8_t {
  kLayer,
  kChannel,  // an output channel's
  kKernel,   // those of one output and one input channel
};
constexpr const char* name_of(Granularity granularity) {
  switch (granularity) {
    case Granularity::kLayer:
      return "layer";
    case Granularity::kChannel:
      return "channel";
    case Granularity::kKernel:
      return "kernel";
  }
  return nullptr;
}

// Where a codebook's scale comes from: what its largest code stands for, or each.
enum class ScaleRule : uint8_t {
  kNone,     // the codebook's own: of weights 1, of activations what it is made for, [0, 1] or [-1, 1], or low and high
  kMean,     // mean |w| of those that share it
  kMax,      // max |w|; of activations the range of the batch in training, a running mean of that otherwise
             // (ops/quant/range.h)
  kLearned,  // a parameter (ops/quant/learned_scale.h)
};
constexpr const char* name_of(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kNone:
      return "none";
    case ScaleRule::kMean:
      return "mean";
    case ScaleRule::kMax:
      return "max";
    case ScaleRule::kLearned:
      return "learned";
  }
  return nullptr;
}

constexpr int kMaxQuantBits = 8;

struct QuantSpec {
  Scheme scheme = Scheme::kNone;
  Surrogate surrogate = Surrogate::kIdentity;
  int bits = 2;  // of the schemes for k bits
  Granularity granularity = Granularity::kLayer;
  ScaleRule scale = ScaleRule::kNone;
  double low = 0, high = 0;  // of activations: the range that codes reach; both 0: not measured, the codebook's own
  int set = 0;  // which of its sets of a learned scale or a running range: a net with switches has one for each
  bool operator==(const QuantSpec&) const = default;
};

// What a scheme can do.
struct SchemeTraits {
  bool weights = false, activations = false;  // which of them it quantizes
  int fixed_bits = 0;                         // of a code; 0: QuantSpec::bits
  int least_bits = 1;
  // The codebook tells values apart by their sign alone: values that are never negative would all have one code.
  bool needs_both_signs = false;
  bool granular = false;  // takes QuantSpec::granularity, else it is by layer
  bool scaled = false;    // weights take QuantSpec::scale
  bool clips = false;     // takes QuantSpec::surrogate, else it has one of its own
  bool half = false;      // its values are floats of 16 bits, which no codes stand for
  bool table = false;     // its values are no multiples of codes: value = table[byte]
  bool reaches = false;   // activations take a range: kMax, or QuantSpec::low and high
  bool learns = false;    // activations take kLearned
  bool ranged = false;    // activations have no range of their own
};
constexpr SchemeTraits traits_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return {.weights = true, .activations = true, .fixed_bits = 32};
    case Scheme::kSign:
    case Scheme::kStochastic:
      return {.weights = true, .activations = true, .fixed_bits = 1, .needs_both_signs = true, .clips = true};
    case Scheme::kBwn:
      return {
          .weights = true, .fixed_bits = 1, .needs_both_signs = true, .granular = true, .scaled = true, .clips = true};
    case Scheme::kXnor:
      return {.weights = true, .fixed_bits = 1, .needs_both_signs = true, .granular = true};
    case Scheme::kTwn:
      return {.weights = true, .fixed_bits = 2, .granular = true};
    case Scheme::kTernary:
      return {.weights = true,
              .activations = true,
              .fixed_bits = 2,
              .granular = true,
              .scaled = true,
              .clips = true,
              .reaches = true,
              .learns = true};
    case Scheme::kDorefa:
      return {.weights = true, .activations = true, .reaches = true, .learns = true};
    case Scheme::kTanh:
      return {.weights = true, .activations = true, .reaches = true};
    case Scheme::kRelu:
      return {.activations = true, .reaches = true, .learns = true};
    case Scheme::kUniform:
      return {.weights = true,
              .activations = true,
              .least_bits = 2,
              .granular = true,
              .scaled = true,
              .clips = true,
              .reaches = true,
              .learns = true};
    case Scheme::kHwgq:
      return {.activations = true};
    case Scheme::kPow2:
      return {.weights = true, .activations = true, .least_bits = 2, .table = true, .reaches = true};
    case Scheme::kLog:
    case Scheme::kLog2:
      return {.weights = true, .activations = true, .table = true, .reaches = true};
    case Scheme::kKmeans:
      return {.weights = true, .table = true};
    case Scheme::kF16:
    case Scheme::kBf16:
      return {.weights = true, .fixed_bits = 16, .half = true};
    case Scheme::kInt:
      return {.weights = true, .activations = true, .least_bits = 2, .granular = true, .reaches = true, .ranged = true};
  }
  return {};
}
constexpr bool needs_both_signs(Scheme scheme) { return traits_of(scheme).needs_both_signs; }

// Bits of one code.
constexpr int bits_of(const QuantSpec& spec) {
  const int fixed = traits_of(spec.scheme).fixed_bits;
  return fixed ? fixed : spec.bits;
}

enum class Operand : uint8_t { kWeight, kActivation };
// Does an activation have a range that training measures; an operand a scale that it learns?
constexpr bool has_running_range(const QuantSpec& spec, Operand operand) {
  return operand == Operand::kActivation && traits_of(spec.scheme).reaches && spec.scale == ScaleRule::kMax;
}
constexpr bool has_learned_scale(const QuantSpec& spec, Operand operand) {
  const SchemeTraits traits = traits_of(spec.scheme);
  return spec.scale == ScaleRule::kLearned && (operand == Operand::kWeight ? traits.scaled : traits.learns);
}

// Without what its scheme does not take.
constexpr QuantSpec normal(QuantSpec spec, Operand operand) {
  const SchemeTraits traits = traits_of(spec.scheme);
  const QuantSpec usual;
  const bool weight = operand == Operand::kWeight;
  if (!traits.clips) spec.surrogate = usual.surrogate;
  if (traits.fixed_bits) spec.bits = usual.bits;
  if (!weight || !traits.granular) spec.granularity = usual.granularity;
  if (!(weight ? traits.scaled : traits.reaches)) spec.scale = usual.scale;
  if (weight || !traits.reaches) spec.low = spec.high = 0;
  if (!has_running_range(spec, operand) && !has_learned_scale(spec, operand)) spec.set = 0;
  return spec;
}

// Codes as bytes: code = mul * byte + add, byte in [0, levels); value = scale * code, or of a table its entry. No
// levels: real values.
struct CodeGrid {
  int levels = 0, mul = 1, add = 0;

  constexpr int code(int byte) const { return mul * byte + add; }
  // The largest magnitude of a code.
  constexpr int reach() const {
    const int first = add < 0 ? -add : add, last = code(levels - 1) < 0 ? -code(levels - 1) : code(levels - 1);
    return first > last ? first : last;
  }
  // Signs, which are kept as bits.
  constexpr bool is_signs() const { return levels == 2 && mul == 2; }
  bool operator==(const CodeGrid&) const = default;
};
constexpr CodeGrid kSignGrid{2, 2, -1};
// kInt's activations: 2^bits - 1 steps from low to high, one of whose ends is moved a little so that 0 is a code.
constexpr double int_step(const QuantSpec& spec) { return (spec.high - spec.low) / double((1 << spec.bits) - 1); }
constexpr int zero_point(const QuantSpec& spec) {
  const double step = int_step(spec);
  return step > 0 ? int(round_half_even(-spec.low / step)) : 0;
}
constexpr CodeGrid grid_of(const QuantSpec& spec, Operand operand) {
  const int all = 1 << spec.bits, odd = all - 1, half = (1 << (spec.bits - 1)) - 1;
  switch (spec.scheme) {
    case Scheme::kNone:
    case Scheme::kF16:
    case Scheme::kBf16:
      return {};
    case Scheme::kSign:
    case Scheme::kStochastic:
    case Scheme::kBwn:
    case Scheme::kXnor:
      return kSignGrid;
    case Scheme::kTwn:
    case Scheme::kTernary:
      return {3, 1, -1};
    case Scheme::kDorefa:
      return operand == Operand::kWeight ? CodeGrid{all, 2, -odd} : CodeGrid{all, 1, 0};
    case Scheme::kTanh:
      return {all, 2, -odd};
    case Scheme::kRelu:
    case Scheme::kHwgq:
      return {all, 1, 0};
    case Scheme::kUniform:
      return {2 * half + 1, 1, -half};
    case Scheme::kPow2:
      return operand == Operand::kWeight ? CodeGrid{all - 1, 1, 0} : CodeGrid{all, 1, 0};
    case Scheme::kLog:
    case Scheme::kLog2:
    case Scheme::kKmeans:
      return {all, 1, 0};
    case Scheme::kInt:
      return operand == Operand::kWeight ? CodeGrid{2 * half + 1, 1, -half} : CodeGrid{all, 1, -zero_point(spec)};
  }
  return {};
}

}  // namespace bantam
