// The one door to the codebooks: whoever has a QuantSpec gets the quantizer that it names. Its switches have no
// default, so that the compiler names what a new scheme has been forgotten in.
#pragma once

#include <string>

#include "core/rng.h"
#include "core/tensor.h"
#include "ops/quant/quantized.h"
#include "ops/quant/scheme.h"

namespace bantam {

// Why a spec cannot quantize such an operand: "relu is for activations alone", "uniform takes 2 to 8 bits, not 1"; ""
// where it can.
std::string refusal(const QuantSpec& spec, Operand operand);

// What a pass gives a quantizer besides its operand.
struct QuantInputs {
  const Rng* rng = nullptr;  // kStochastic draws from it, and takes the sign without one
  Tensor scale = {};         // of ScaleRule::kLearned
  bool of_batch = false;     // the spec's range is that of this very operand (ops/quant/range.h)
};

// Of activations, x [..., C]: codes, scale and value; with kNone x itself, without codes, and of a table of activations
// the value alone. The value is left without elements unless `materialize_value`. A range stands in the spec. Throws
// Error where there is a refusal.
Quantized quantize_activation(const Tensor& x, const QuantSpec& spec, bool materialize_value,
                              const QuantInputs& in = {});

// Of weights [K, ..., C]: the same. With kSign and `materialize_value` the value alone. Throws Error where there
// is a refusal.
Quantized quantize_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value, const QuantInputs& in = {});

// How a layer multiplies, by the codes of its operands.
enum class Arithmetic : uint8_t {
  kReal,          // values, f32
  kCodedWeights,  // real activations by the weights' codes, f32; the scales afterwards
  kCodes,         // codes by codes, an exact integer
  kBits,          // the same on bits, by xor and popcount
};
struct WeightShape {
  int64_t taps = 1, groups = 1;
};
Arithmetic arithmetic_of(const QuantSpec& weight, const QuantSpec& activation, const WeightShape& shape);

}  // namespace bantam
