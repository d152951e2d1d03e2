#include "ops/linear.h"

#include "ops/conv/work.h"

namespace bantam {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, SumOrder order) {
  if (x.rank() != 2) throw Error("linear: input must be [N,in], is " + to_string(x.shape()));
  if (weight.rank() != 2) throw Error("linear: weight must be [out,in], is " + to_string(weight.shape()));
  if (weight.dim(1) != x.dim(1))
    throw Error("linear: weight has " + std::to_string(weight.dim(1)) + " inputs, input has " +
                std::to_string(x.dim(1)) + " " + to_string(x.shape()));
  if (bias.defined() && bias.shape() != Shape{weight.dim(0)})
    throw Error("linear: bias must be [" + std::to_string(weight.dim(0)) + "], is " + to_string(bias.shape()));
  if (weight.dtype() != x.dtype() || (bias.defined() && bias.dtype() != x.dtype()))
    throw Error("linear: input is " + std::string(name_of(x.dtype())) + ", weight or bias is not");
  if (x.size() == 0 || weight.size() == 0)
    throw Error("linear: nothing to multiply in " + to_string(x.shape()) + " and " + to_string(weight.shape()));

  const ConvShape s{.n = x.dim(0), .c = x.dim(1), .k = weight.dim(0)};  // 1x1 on images of one pixel
  Tensor y = Tensor::empty({s.n, s.k}, x.dtype());
  conv_forward(s, x, weight, bias, &y, order);

  return record("linear", y, {x, weight, bias},
                {{"input", weight.needs_grad() ? x : Tensor()}, {"weight", x.needs_grad() ? weight : Tensor()}},
                [s](const BackwardArgs& b) {
                  Tensors grads(3);
                  const DType dtype = b.grad.dtype();
                  if (b.needs[0]) conv_input_grad(s, b.grad, b[1], &(grads[0] = Tensor::empty({s.n, s.c}, dtype)));
                  if (b.needs[1]) conv_weight_grad(s, b[0], b.grad, &(grads[1] = Tensor::empty({s.k, s.c}, dtype)));
                  if (b.needs[2]) conv_bias_grad(b.grad, &(grads[2] = Tensor::empty({s.k}, dtype)));
                  return grads;
                });
}

}  // namespace bantam
