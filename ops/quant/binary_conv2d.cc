#include "ops/quant/binary_conv2d.h"

#include <algorithm>

#include "bantam_fault.h"
#include "core/parallel.h"
#include "ops/conv/work.h"
#include "ops/dispatch.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/quant/padded_images.h"
#include "ops/quant/sign.h"

namespace bantam {
namespace {

// Multiply-accumulates of bits that are worth handing to another thread.
constexpr int64_t kBinaryTaskMacs = int64_t(1) << 25;

Tensor forward(const ConvShape& s, int pad_value, const Tensor& codes, const Tensor& weight, const Tensor& bias,
               const Shape& out_shape) {
  Tensor y = Tensor::empty(out_shape, weight.dtype());
#ifdef BANTAM_FAULT_BINARY_CONV_PADS_WITH_MINUS_ONE
  if (pad_value == 0) pad_value = -1;  // what bits of 0 are
#endif
  if (weight.dtype() == DType::kF64) {
    const bool padded = pad_value != 0;
    conv_forward(padded ? of_padded(s) : s, padded_images(s, {codes, s.c}, {}, 0, s.n, pad_value, DType::kF64),
                 sign_ste(weight.detach(), Surrogate::kIdentity), bias, &y);
    return y;
  }
  Tensor packed = Tensor::empty({int64_t(xnor_packed_bytes(s, pad_value))}, DType::kU8);
  {
    const Codes signs = sign(weight.detach(), Surrogate::kIdentity).codes;
    parallel_for(1, 1, [&](int64_t, int64_t, int) { xnor_pack_weights(s, pad_value, signs.bits(), packed.raw()); });
  }
  const int64_t rows = s.n * s.out_h(), block = xnor_block_rows(s), scratch_bytes = int64_t(xnor_scratch_bytes(s));
  const int64_t grain = block * std::max<int64_t>(1, kBinaryTaskMacs / std::max<int64_t>(1, s.macs() / rows * block));
  Tensor scratch = Tensor::empty({threads() * scratch_bytes}, DType::kU8);
  const uint64_t* bits = static_cast<const uint64_t*>(codes.raw());
  const float* b = bias.defined() ? bias.data<float>() : nullptr;
  float* out = y.mutable_data<float>();
  uint8_t* memory = scratch.mutable_data<uint8_t>();
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int lane) {
    xnor_conv_f32(s, pad_value, bits, xnor_weights(s, packed.raw()), b, begin, end, memory + lane * scratch_bytes,
                  out + begin * s.out_w() * s.k);
  });
  return y;
}

// dw = 0 outside |weight| <= 1.
void clip_grad(const Tensor& weight, Tensor* dw) {
  by_float_type("binary_conv2d", *dw, [&]<class T>(T) {
    const T* w = weight.data<T>();
    T* g = dw->mutable_data<T>();
    parallel_for(dw->size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i)
        if (!(w[i] >= T(-1) && w[i] <= T(1))) g[i] = 0;
    });
  });
}

Tensors backward(const ConvShape& s, SumOrder order, int pad_value, Surrogate surrogate, const Shape& x_shape,
                 const Shape& w_shape, const BackwardArgs& b) {
  const Tensor& weight = b[1];
  Tensors grads(3);
  if (b.needs[0]) {
    grads[0] = Tensor::empty(x_shape, b.grad.dtype());
    conv_input_grad(s, b.grad, sign_ste(weight, Surrogate::kIdentity), &grads[0], order);
  }
  if (b.needs[1]) {
    grads[1] = Tensor::empty(w_shape, b.grad.dtype());
    weight_grad_of_codes(s, {b[0], s.c}, {}, pad_value, b.grad, &grads[1]);
    if (is_clipped(surrogate)) clip_grad(weight, &grads[1]);
  }
  if (b.needs[2]) {
    grads[2] = Tensor::empty({s.k}, b.grad.dtype());
    conv_bias_grad(b.grad, &grads[2]);
  }
  return grads;
}

void check(const std::string& op, const ConvShape& s, const Quantized& x, const Tensor& weight, const Tensor& bias) {
  if (!x.codes.defined() || !x.codes.is_bits() || x.scale.defined())
    throw Error(op + ": input must be signs of step 1");
  if (x.codes.channels != s.c || x.codes.pixels() != s.n * s.h * s.w)
    throw Error(op + ": codes of " + std::to_string(x.codes.channels) + " channels do not fit the value " +
                to_string(x.value.shape()));
  if (weight.dtype() != x.value.dtype() || (bias.defined() && bias.dtype() != x.value.dtype()))
    throw Error(op + ": input is " + name_of(x.value.dtype()) + ", weight or bias is not");
  if (weight.dtype() != DType::kF32 && weight.dtype() != DType::kF64) throw Error(op + ": weight must be f32 or f64");
  if (bias.defined() && bias.shape() != Shape{s.k})
    throw Error(op + ": bias must be [" + std::to_string(s.k) + "], is " + to_string(bias.shape()));
  if (s.taps() * s.c >= int64_t(1) << 24)
    throw Error(op + ": sums of " + std::to_string(s.taps() * s.c) + " products are not exact in f32");
  if (xnor_scratch_bytes(s) >> 32 || xnor_packed_bytes(s, 0) >> 32)
    throw Error(op + ": input " + to_string(x.value.shape()) + " or weight " + to_string(weight.shape()) +
                " is too large");
}

}  // namespace

Tensor binary_conv2d(const Quantized& x, const Tensor& weight, Surrogate surrogate, const Tensor& bias,
                     const Conv2dParams& params, int pad_value) {
  if (params.groups != 1) throw Error("binary_conv2d: groups must be 1");
  if (pad_value < -1 || pad_value > 1) throw Error("binary_conv2d: padding must be 0, +1 or -1");
  const Shape x_shape = x.value.shape(), w_shape = weight.shape();
  const ConvShape s = conv_shape_of("binary_conv2d", x_shape, w_shape, params);
  check("binary_conv2d", s, x, weight, bias);
  const Shape out{s.n, s.out_h(), s.out_w(), s.k};
  return record(
      "binary_conv2d", forward(s, pad_value, x.codes.tensor, weight, bias, out), {x.value, weight, bias},
      {{"codes", x.codes.tensor}, {"weight", weight}, {"bias", bias}},
      [=](const BackwardArgs& b) { return backward(s, params.order, pad_value, surrogate, x_shape, w_shape, b); },
      [=](const Node& n) {
        return forward(s, pad_value, n.saved[0].tensor, saved_value(n.saved[1]), saved_value(n.saved[2]), out);
      });
}

Tensor binary_linear(const Quantized& x, const Tensor& weight, Surrogate surrogate, const Tensor& bias) {
  const Shape x_shape = x.value.shape(), w_shape = weight.shape();
  if (x_shape.rank != 2) throw Error("binary_linear: input must be [N,in], is " + to_string(x_shape));
  if (w_shape.rank != 2) throw Error("binary_linear: weight must be [out,in], is " + to_string(w_shape));
  if (w_shape[1] != x_shape[1])
    throw Error("binary_linear: weight has " + std::to_string(w_shape[1]) + " inputs, input has " +
                std::to_string(x_shape[1]) + " " + to_string(x_shape));
  if (x_shape.size() == 0 || w_shape.size() == 0)
    throw Error("binary_linear: nothing to multiply in " + to_string(x_shape) + " and " + to_string(w_shape));
  const ConvShape s{.n = x_shape[0], .c = x_shape[1], .k = w_shape[0]};
  check("binary_linear", s, x, weight, bias);
  const Shape out{s.n, s.k};
  return record(
      "binary_linear", forward(s, 0, x.codes.tensor, weight, bias, out), {x.value, weight, bias},
      {{"codes", x.codes.tensor}, {"weight", weight}, {"bias", bias}},
      [=](const BackwardArgs& b) { return backward(s, SumOrder::kAny, 0, surrogate, x_shape, w_shape, b); },
      [=](const Node& n) {
        return forward(s, 0, n.saved[0].tensor, saved_value(n.saved[1]), saved_value(n.saved[2]), out);
      });
}

}  // namespace bantam
