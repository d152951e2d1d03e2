#include "ops/slice.h"

#include "core/autograd.h"
#include "ops/copy_block.h"
#include "ops/dispatch.h"

namespace bantam {
namespace {

// Elements [from, from + extent), and where their gradient goes.
Tensor cut_out(const Tensor& x, const Shape& from, const Shape& extent) {
  Tensor out = Tensor::empty(extent, x.dtype());
  Shape zero;
  zero.rank = extent.rank;
  copy_block(x, from, &out, zero, extent);
  return out;
}
BackwardFn put_back(const Shape& whole, const Shape& from) {
  return [=](const BackwardArgs& g) {
    Tensor dx = Tensor::zeros(whole, g.grad.dtype());
    Shape zero;
    zero.rank = whole.rank;
    copy_block(g.grad, zero, &dx, from, g.grad.shape());
    return Tensors{dx};
  };
}

}  // namespace

Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end) {
  const int at = normal_axis("slice", axis, x);
  const int64_t b = begin < 0 ? begin + x.dim(at) : begin, e = end < 0 ? end + x.dim(at) : end;
  if (b < 0 || b > e || e > x.dim(at))
    throw Error("slice: [" + std::to_string(begin) + ", " + std::to_string(end) + ") of axis " + std::to_string(axis) +
                ", input " + to_string(x.shape()));
  Shape extent = x.shape(), from;
  extent[at] = e - b;
  from.rank = extent.rank;
  from[at] = b;
  return record("slice", cut_out(x, from, extent), {x}, {}, put_back(x.shape(), from));
}

Tensor leading_block(const Tensor& x, const Shape& extent) {
  bool fits = extent.rank == x.rank();
  for (int i = 0; fits && i < extent.rank; ++i) fits = extent[i] >= 0 && extent[i] <= x.dim(i);
  if (!fits) throw Error("leading_block: " + to_string(extent) + " of " + to_string(x.shape()));
  Shape from;
  from.rank = extent.rank;
  return record("leading_block", cut_out(x, from, extent), {x}, {}, put_back(x.shape(), from));
}

}  // namespace bantam
