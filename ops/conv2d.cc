#include "ops/conv2d.h"

#include "bantam_fault.h"
#include "ops/conv/work.h"

namespace bantam {

ConvShape conv_shape_of(const char* op, const Shape& x, const Shape& weight, const Conv2dParams& p) {
  const auto fail = [&](const std::string& what) -> void { throw Error(std::string(op) + ": " + what); };
  if (x.rank != 4) fail("input must be [N,H,W,C], is " + to_string(x));
  if (weight.rank != 4) fail("weight must be [K,kh,kw,C/groups], is " + to_string(weight));
  if (p.stride_h < 1 || p.stride_w < 1) fail("stride must be at least 1");
  if (p.dilation_h < 1 || p.dilation_w < 1) fail("dilation must be at least 1");
  if (p.pad_h < 0 || p.pad_w < 0) fail("padding must not be negative");
  if (p.groups < 1 || x[3] % p.groups != 0 || weight[0] % p.groups != 0)
    fail(std::to_string(p.groups) + " groups do not divide " + std::to_string(x[3]) + " input and " +
         std::to_string(weight[0]) + " output channels");
  if (weight[3] * p.groups != x[3])
    fail("weight has " + std::to_string(weight[3] * p.groups) + " input channels, input has " + std::to_string(x[3]) +
         " " + to_string(x));
  const ConvShape s{x[0], x[1], x[2], x[3], weight[0], weight[1], weight[2],
#ifdef BANTAM_FAULT_SWAPPED_STRIDE
                    p.stride_w, p.stride_h,
#else
                    p.stride_h, p.stride_w,
#endif
                    p.pad_h, p.pad_w, p.dilation_h, p.dilation_w, p.groups};
  if (x.size() == 0 || weight.size() == 0)
    fail("nothing to convolve in " + to_string(x) + " with " + to_string(weight));
  if (s.h + 2 * s.pad_h < s.dilation_h * (s.kh - 1) + 1 || s.w + 2 * s.pad_w < s.dilation_w * (s.kw - 1) + 1)
    fail("the window of weight " + to_string(weight) + " is larger than the padded input " + to_string(x));
  return s;
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dParams& params) {
  const ConvShape s = conv_shape_of("conv2d", x.shape(), weight.shape(), params);
  if (weight.dtype() != x.dtype() || (bias.defined() && bias.dtype() != x.dtype()))
    throw Error("conv2d: input is " + std::string(name_of(x.dtype())) + ", weight or bias is not");
  if (bias.defined() && bias.shape() != Shape{s.k})
    throw Error("conv2d: bias must be [" + std::to_string(s.k) + "], is " + to_string(bias.shape()));

  Tensor y = Tensor::empty({s.n, s.out_h(), s.out_w(), s.k}, x.dtype());
  conv_forward(s, x, weight, bias, &y, params.order);

  return record("conv2d", y, {x, weight, bias},
                {{"input", weight.needs_grad() ? x : Tensor()}, {"weight", x.needs_grad() ? weight : Tensor()}},
                [s, order = params.order](const BackwardArgs& b) {
                  Tensors grads(3);
                  const DType dtype = b.grad.dtype();
                  if (b.needs[1]) {
                    grads[1] = Tensor::empty({s.k, s.kh, s.kw, s.group_c()}, dtype);
                    conv_weight_grad(s, b[0], b.grad, &grads[1]);
                    b.drop(0);  // an input that was made again goes before its gradient comes
                  }
                  if (b.needs[0]) {
                    grads[0] = Tensor::empty({s.n, s.h, s.w, s.c}, dtype);
                    conv_input_grad(s, b.grad, b[1], &grads[0], order);
                  }
                  if (b.needs[2]) {
                    grads[2] = Tensor::empty({s.k}, dtype);
                    conv_bias_grad(b.grad, &grads[2]);
                  }
                  return grads;
                });
}

}  // namespace bantam
