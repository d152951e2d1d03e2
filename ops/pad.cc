#include "ops/pad.h"

#include "core/autograd.h"
#include "ops/copy_block.h"

namespace bantam {

Tensor pad(const Tensor& x, const std::vector<int64_t>& before, const std::vector<int64_t>& after, double value) {
  const Shape inside = x.shape();
  if (before.size() != size_t(inside.rank) || after.size() != size_t(inside.rank))
    throw Error("pad: " + std::to_string(before.size()) + " and " + std::to_string(after.size()) + " sizes for input " +
                to_string(inside));
  Shape shape = inside, at, zero;
  at.rank = zero.rank = inside.rank;
  for (int i = 0; i < inside.rank; ++i) {
    if (before[size_t(i)] < 0 || after[size_t(i)] < 0)
      throw Error("pad: negative size on axis " + std::to_string(i) + ", input " + to_string(inside));
    at[i] = before[size_t(i)];
    shape[i] += before[size_t(i)] + after[size_t(i)];
  }
  Tensor out = value == 0 ? Tensor::zeros(shape, x.dtype()) : Tensor::full(shape, value, x.dtype());
  copy_block(x, zero, &out, at, inside);
  return record("pad", out, {x}, {}, [=](const BackwardArgs& b) {
    Tensor dx = Tensor::empty(inside, b.grad.dtype());
    copy_block(b.grad, at, &dx, zero, inside);
    return Tensors{dx};
  });
}

}  // namespace bantam
