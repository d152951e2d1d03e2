#include "ops/concat.h"

#include "core/autograd.h"
#include "ops/copy_block.h"
#include "ops/dispatch.h"

namespace bantam {

Tensor concat(const Tensors& xs, int axis) {
  if (xs.empty()) throw Error("concat: no tensors");
  const int at = normal_axis("concat", axis, xs[0]);
  Shape shape = xs[0].shape();
  std::vector<int64_t> sizes;
  shape[at] = 0;
  for (const Tensor& x : xs) {
    Shape other = x.shape();
    if (other.rank == shape.rank) other[at] = shape[at];
    if (!(other == shape) || x.dtype() != xs[0].dtype()) {
      std::string all;
      for (const Tensor& t : xs) all += " " + to_string(t.shape()) + " " + name_of(t.dtype());
      throw Error("concat: along axis " + std::to_string(axis) + all);
    }
    sizes.push_back(x.dim(at));
    shape[at] += x.dim(at);
  }
  Tensor out = Tensor::empty(shape, xs[0].dtype());
  Shape zero, to;
  zero.rank = to.rank = shape.rank;
  for (const Tensor& x : xs) {
    copy_block(x, zero, &out, to, x.shape());
    to[at] += x.dim(at);
  }
  return record("concat", out, xs, {}, [=](const BackwardArgs& b) {
    Tensors grads(sizes.size());
    Shape from = zero, extent = b.grad.shape();
    for (size_t i = 0; i < sizes.size(); ++i) {
      extent[at] = sizes[i];
      if (b.needs[i]) {
        grads[i] = Tensor::empty(extent, b.grad.dtype());
        copy_block(b.grad, from, &grads[i], zero, extent);
      }
      from[at] += sizes[i];
    }
    return grads;
  });
}

}  // namespace bantam
