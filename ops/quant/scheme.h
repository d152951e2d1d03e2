// How a tensor is quantized: part of a layer's config.
#pragma once

#include <cstdint>

#include "core/base/fixed_point.h"

namespace bantam {

// The codebook: of its entries the nearest is taken. [Eq. 3.8]
enum class Scheme : uint8_t {
  kNone,     // real values
  kSign,     // 1 bit: sign(x), +1 for x >= 0 (BinaryConnect's and BNN's weights, BNN's activations)
  kBwn,      // 1 bit, weights: scale * sign(w), the gradient as if nothing were there (ops/quant/scaled_sign.h)
  kXnor,     // the same, with the derivative of the scale
  kTwn,      // weights {-1, 0, 1} * scale, 0 for |w| <= 0.7 mean |w| (ops/quant/twn.h)
  kTernary,  // {-1, 0, 1} * scale (ops/quant/uniform.h)
  kDorefa,   // k bits: weights through tanh, activations clipped to [0, 1]
  kTanh,     // k bits in [-1, 1] through tanh (ops/quant/tanh_quant.h)
  kRelu,     // k bits in [0, 1], activations (ops/quant/uniform.h)
  kUniform,  // k bits in [-1, 1] * scale, 0 among them (ops/quant/uniform.h)
  kHwgq,     // k bits from 0 up, the best steps for half a normal distribution, activations (ops/quant/uniform.h)
  kPow2,     // weights 0 and +-2^e (ops/quant/table_weights.h)
  kLog,      // weights +-2^-l, l in even steps between the layer's least and largest
  kLog2,     // weights +-2^-l, l an integer
  kKmeans,   // weights from 2^k centroids
  kInt,      // k bits: weights in even steps to their largest, activations in a range [low, high] with its zero point
};
constexpr const char* name_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return "none";
    case Scheme::kSign:
      return "sign";
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

// Where a codebook's scale comes from.
enum class ScaleRule : uint8_t {
  kNone,  // it is 1
  kMean,  // mean |w| of those that share it
  kMax,   // max |w|
};
constexpr const char* name_of(ScaleRule rule) {
  switch (rule) {
    case ScaleRule::kNone:
      return "none";
    case ScaleRule::kMean:
      return "mean";
    case ScaleRule::kMax:
      return "max";
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
  double low = 0, high = 0;  // of activations, low <= 0 <= high; both 0: not measured
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
  bool scaled = false;    // takes QuantSpec::scale
  bool clips = false;     // takes QuantSpec::surrogate, else it has one of its own
  bool table = false;     // its values are no multiples of codes: value = table[byte]
  bool ranged = false;    // activations take QuantSpec::low and high, which have to be measured
};
constexpr SchemeTraits traits_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::kNone:
      return {.weights = true, .activations = true, .fixed_bits = 32};
    case Scheme::kSign:
      return {.weights = true, .activations = true, .fixed_bits = 1, .needs_both_signs = true, .clips = true};
    case Scheme::kBwn:
      return {
          .weights = true, .fixed_bits = 1, .needs_both_signs = true, .granular = true, .scaled = true, .clips = true};
    case Scheme::kXnor:
      return {.weights = true, .fixed_bits = 1, .needs_both_signs = true, .granular = true};
    case Scheme::kTwn:
      return {.weights = true, .fixed_bits = 2, .granular = true};
    case Scheme::kTernary:
      return {.weights = true, .activations = true, .fixed_bits = 2, .granular = true, .scaled = true, .clips = true};
    case Scheme::kDorefa:
      return {.weights = true, .activations = true};
    case Scheme::kTanh:
      return {.weights = true};
    case Scheme::kRelu:
      return {.activations = true};
    case Scheme::kUniform:
      return {.weights = true, .activations = true, .least_bits = 2, .granular = true, .scaled = true, .clips = true};
    case Scheme::kHwgq:
      return {.activations = true};
    case Scheme::kPow2:
      return {.weights = true, .least_bits = 2, .table = true};
    case Scheme::kLog:
    case Scheme::kLog2:
    case Scheme::kKmeans:
      return {.weights = true, .table = true};
    case Scheme::kInt:
      return {.weights = true, .activations = true, .least_bits = 2, .granular = true, .ranged = true};
  }
  return {};
}
constexpr bool needs_both_signs(Scheme scheme) { return traits_of(scheme).needs_both_signs; }

// Bits of one code.
constexpr int bits_of(const QuantSpec& spec) {
  const int fixed = traits_of(spec.scheme).fixed_bits;
  return fixed ? fixed : spec.bits;
}

// Without what its scheme does not take.
constexpr QuantSpec normal(QuantSpec spec) {
  const SchemeTraits traits = traits_of(spec.scheme);
  const QuantSpec usual;
  if (!traits.clips) spec.surrogate = usual.surrogate;
  if (traits.fixed_bits) spec.bits = usual.bits;
  if (!traits.granular) spec.granularity = usual.granularity;
  if (!traits.scaled) spec.scale = usual.scale;
  if (!traits.ranged) spec.low = spec.high = 0;
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
enum class Operand : uint8_t { kWeight, kActivation };
constexpr CodeGrid grid_of(const QuantSpec& spec, Operand operand) {
  const int all = 1 << spec.bits, odd = all - 1, half = (1 << (spec.bits - 1)) - 1;
  switch (spec.scheme) {
    case Scheme::kNone:
      return {};
    case Scheme::kSign:
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
      return {all - 1, 1, 0};
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
