#include "ops/slice.h"

#include "core/autograd.h"
#include "ops/copy_block.h"
#include "ops/dispatch.h"

namespace bantam {

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end) {
  const int at = normal_axis("slice", axis, x);
  const int64_t b = begin < 0 ? begin + x.dim(at) : begin, e = end < 0 ? end + x.dim(at) : end;
  if (b < 0 || b > e || e > x.dim(at))
    throw Error("slice: [" + std::to_string(begin) + ", " + std::to_string(end) + ") of axis " + std::to_string(axis) +
                ", input " + to_string(x.shape()));
  const Shape whole = x.shape();
  Shape extent = whole, from, zero;
  extent[at] = e - b;
  from.rank = zero.rank = whole.rank;
  from[at] = b;
  Tensor out = Tensor::empty(extent, x.dtype());
  copy_block(x, from, &out, zero, extent);
  return record("slice", out, {x}, {}, [=](const BackwardArgs& g) {
    Tensor dx = Tensor::zeros(whole, g.grad.dtype());
    copy_block(g.grad, zero, &dx, from, extent);
    return Tensors{dx};
  });
}

}  // namespace bantam
