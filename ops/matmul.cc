#include "ops/matmul.h"

#include "ops/conv/work.h"

namespace bantam {

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.rank() != 2 || b.rank() != 2 || a.dim(1) != b.dim(0))
    throw Error("matmul: " + to_string(a.shape()) + " times " + to_string(b.shape()) + " does not fit");
  if (a.dtype() != b.dtype())
    throw Error("matmul: " + std::string(name_of(a.dtype())) + " times " + name_of(b.dtype()));
  const int64_t m = a.dim(0), k = a.dim(1), n = b.dim(1);
  if (m == 0 || k == 0 || n == 0)
    throw Error("matmul: nothing to multiply in " + to_string(a.shape()) + " and " + to_string(b.shape()));

  Tensor c = Tensor::empty({m, n}, a.dtype());
  product_forward(m, k, n, a, b, &c);

  return record("matmul", c, {a, b},
                {{"input", b.needs_grad() ? a : Tensor()}, {"weight", a.needs_grad() ? b : Tensor()}},
                [m, k, n](const BackwardArgs& args) {
                  Tensors grads(2);
                  // Both gradients are passes of the 1x1 convolution from n to k channels, whose weight is b as it
                  // lies.
                  const ConvShape s{.n = m, .c = n, .k = k};
                  if (args.needs[0]) {
                    grads[0] = Tensor::empty({m, k}, args.grad.dtype());
                    conv_forward(s, args.grad, args[1], {}, &grads[0]);
                  }
                  if (args.needs[1]) {
                    grads[1] = Tensor::empty({k, n}, args.grad.dtype());
                    conv_weight_grad(s, args.grad, args[0], &grads[1]);
                  }
                  return grads;
                });
}

}  // namespace bantam
