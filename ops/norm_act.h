// Batch norm in training as one operation with the activation before it, the residual sum and the activation behind it:
//
//   y = post(norm(pre(x)) + residual),  x [..., C]; norm as in ops/batch_norm.h
//   pre: none, relu, prelu; post: none, relu, hardtanh, hard_swish
//
// The values are those of the operations one after the other, bit for bit (a relu before the norm may give -0 for 0,
// and lets NaN pass), and so are the gradients but for sums of a slope; memory is passed over twice forward
// (statistics; y) and twice backward (sums; dx) instead of up to four and six times.
//
// Saves x and a few numbers a channel; what post lets pass is found again from x, or, behind a residual, where post may
// be relu alone, kept as bits.
// The output need not be kept by who reads it: it is made again from these (`remake`).
//
// The pieces below the operation are for those who have x only a part at a time (nn/batch_blocks.h).
#pragma once

#include <vector>

#include "core/autograd.h"
#include "ops/kernels_train/norm.h"

namespace bantam {

enum class NormPre : uint8_t { kNone, kRelu, kPRelu };

struct NormForm {
  NormPre pre = NormPre::kNone;
  NormPost post = NormPost::kNone;
  double momentum = 0.1, eps = 1e-5;
};

struct NormInputs {
  Tensor slope = {};             // [1] or [C], of kPRelu
  Tensor gamma = {}, beta = {};  // [C]
  Tensor residual = {};          // of x's shape, or undefined
  Tensor *running_mean = nullptr, *running_var = nullptr;  // moved in place; both or none
};

// `remake`: whoever would save y makes it again instead, from x and the residual, which are then kept. Throws Error if
// sizes do not fit or there is only one value a channel.
Tensor norm_act(const Tensor& x, const NormForm& form, const NormInputs& in, bool remake = false);

// What a batch decides: [C] each, of x's type.
struct NormState {
  Tensor slopes;  // pre as a slope a channel; undefined without one
  Tensor mean, inv_std, scale, shift;
};
void check_norm(const Tensor& x, const NormForm& form, const NormInputs& in);
// Moves the running statistics.
NormState norm_statistics(const Tensor& x, const NormForm& form, const NormInputs& in);
// y, which may be x or the residual itself. `passed`, if given: a bit an element, set where post = relu lets the
// gradient pass.
void norm_apply(const NormState& state, NormPost post, const Tensor& x, const Tensor& residual, Tensor y,
                Tensor* passed = nullptr);

// dx = dy where the bit is set, else 0; dx may be dy.
void keep_passed(const Tensor& dy, const Tensor& passed, Tensor dx);

// What a node saves of a norm, in this order; undefined where there is nothing. The residual only to make the output
// again.
enum NormSaved : size_t {
  kNormGamma,
  kNormSlopes,
  kNormMean,
  kNormInvStd,
  kNormScale,
  kNormShift,
  kNormMask,
  kNormResidual
};
List<SavedTensor> saved_norm(const NormState& state, const Tensor& gamma, const Tensor& mask, const Tensor& residual);
// saved(i): the i-th of them, made again if need be.
template <class F> NormState saved_norm_state(F saved) {
  return {saved(kNormSlopes), saved(kNormMean), saved(kNormInvStd), saved(kNormScale), saved(kNormShift)};
}

// The gradient, from dy and x of the whole batch or of its parts, one after the other: all through add(), finish(),
// then all through input_gradient().
class NormGradient {
 public:
  // rows: of the whole batch.
  NormGradient(const NormForm& form, const NormState& state, const Tensor& gamma, int64_t rows, bool slope_gradient);
  void add(const Tensor& dy, const Tensor& x);
  void add_masked(const Tensor& dy, const Tensor& passed, const Tensor& x,
                  Tensor g);                   // keep_passed into g, which may be dy, and add
  void finish(Tensor* dgamma, Tensor* dbeta);  // null where not wanted
  void input_gradient(const Tensor& dy, const Tensor& x, Tensor dx);  // dx may be dy or x
  Tensor slope_gradient(const Shape& shape) const;

 private:
  NormForm form_;
  NormState state_;
  Tensor gamma_;
  int64_t rows_, c_;
  Tensor sums_;          // [2, C] f64: of g and of g (pre(x) - mean)
  Tensor coefficients_;  // [4, C]: NormGrad
  Tensor slope_sums_;    // [C] f64, or undefined
};

}  // namespace bantam
