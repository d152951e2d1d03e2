// The range of activations that no codebook fixes, for ScaleRule::kMax: in training that of the batch, in evaluation a
// running mean of it, as the trainers of Jacob et al. 2018 keep. So evaluation is a function of each image alone, and
// what is packed is a constant; and a step that is computed a second time meets the range that it had.
//
//   kInt                        low = min(0, least x), high = max(0, largest x)
//   kUniform, kTernary, kTanh   high = max |x|, low = -high
//   kLog                        high = max x, low = the least x above 0, at least 0.03 high
//   kRelu, kDorefa, kLog2, kPow2  high = max x, low = 0
// NaN counts as nothing, and so does what is too small to divide by. What is left of a batch without anything above 0
// is the codebook's own range, of kInt [0, 1].
#pragma once

#include "core/tensor.h"
#include "ops/quant/scheme.h"

namespace bantam {

struct CodeRange {
  double low = 0, high = 0;  // both 0: not measured
  bool measured() const { return low != 0 || high != 0; }
};

// Of x, f32 or f64. In a dry run, that of a batch without anything above 0.
CodeRange range_of(const Tensor& x, const QuantSpec& spec);

// What a running range [2] of least and largest stands for; before the first batch the codebook's own, of kInt [-1, 1].
CodeRange running_range(const Tensor& ends, const QuantSpec& spec);
// Moves it: ends = 0.9 ends + 0.1 batch, as a norm's statistics; the batch itself at first.
void move_range(const CodeRange& batch, Tensor* ends);

// With the range as constants.
constexpr QuantSpec with_range(QuantSpec spec, const CodeRange& range) {
  spec.scale = ScaleRule::kNone, spec.set = 0;
  spec.low = range.low, spec.high = range.high;
  return spec;
}

}  // namespace bantam
