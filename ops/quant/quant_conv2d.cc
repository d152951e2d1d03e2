#include "ops/quant/quant_conv2d.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/work.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/conv_codes.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"
#include "ops/kernels/gemm_xnor.h"
#include "ops/quant/padded_images.h"

namespace bantam {
namespace {

// Multiply-accumulates that are worth handing to another thread: of bits, and of other codes.
constexpr int64_t kBitTaskMacs = int64_t(1) << 25, kCodeTaskMacs = int64_t(1) << 21;

// A call's sizes and what its operands are, for the closures of its node.
struct Form {
  ConvShape s;
  SumOrder order;
  int pad_value;
  bool coded;  // are the activations codes?
  CodeGrid x_grid, w_grid;
  Shape x_shape, w_shape, out_shape;

  bool on_bits() const { return coded && x_grid.is_signs() && w_grid.is_signs() && s.groups == 1; }
  Codes x_codes(const Tensor& t) const { return {t, s.c, x_grid}; }
  Codes w_codes(const Tensor& t) const { return {t, w_shape[-1], w_grid}; }
};

// scale_x * scale_w, and bias or +0, for each output channel [2, K]; undefined where there is no scale.
Tensor affine_of(const Form& f, const Tensor& x, const Tensor& w, const Tensor& bias, DType dtype) {
  if (!x.defined() && !w.defined()) return {};
  const int64_t n = f.s.k;
  Tensor affine = Tensor::empty({2, n}, dtype);
  by_float_type("quant_conv2d", affine, [&]<class T>(T) {
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      T* out = affine.mutable_data<T>();
      for (int64_t k = 0; k < n; ++k) {
        const T of_w = !w.defined() ? T(1) : w.data<T>()[w.size() == 1 ? 0 : k];
        out[k] = x.defined() ? x.data<T>()[0] * of_w : of_w;
        out[n + k] = bias.defined() ? bias.data<T>()[k] : T(0);
      }
    });
  });
  return affine;
}

// What becomes of the sums of a pixel, in place.
struct Finish {
  const Tensor affine, bias;
  int64_t k;

  void operator()(float* y, int64_t pixels) const {
    if (affine.defined())
      affine_channels_f32(y, affine.data<float>(), affine.data<float>() + k, y, pixels, k);
    else if (bias.defined())
      bias_channels_f32(y, bias.data<float>(), y, pixels, k);
  }
  void operator()(double* y, int64_t pixels) const {
    const double* scale = affine.defined() ? affine.data<double>() : nullptr;
    const double* shift = scale ? scale + k : bias.defined() ? bias.data<double>() : nullptr;
    for (int64_t i = 0; i < pixels * k; ++i) y[i] = (scale ? y[i] * scale[i % k] : y[i]) + (shift ? shift[i % k] : 0.0);
  }
};

// Weights' codes as 16-bit numbers.
void widen(const Codes& w, int64_t n, int16_t* out) {
  const int64_t c = w.channels, words = w.words();
  for (int64_t i = 0; i < n; ++i)
    out[i] = w.is_bits() ? int16_t(int(w.bits()[i / c * words + i % c / kWordBits] >> (i % c % kWordBits) & 1) * 2 - 1)
                         : int16_t(w.grid.code(w.bytes()[i]));
}

Tensor forward_on_bits(const Form& f, const Tensor& x, const Tensor& w, const Finish& finish) {
  const ConvShape& s = f.s;
  Tensor y = Tensor::empty(f.out_shape, DType::kF32);
  Tensor packed = Tensor::empty({int64_t(xnor_packed_bytes(s, f.pad_value))}, DType::kU8);
  const Codes signs = f.w_codes(w);
  parallel_for(1, 1, [&](int64_t, int64_t, int) { xnor_pack_weights(s, f.pad_value, signs.bits(), packed.raw()); });
  const int64_t rows = s.n * s.out_h(), block = xnor_block_rows(s), scratch_bytes = int64_t(xnor_scratch_bytes(s));
  const int64_t grain = block * std::max<int64_t>(1, kBitTaskMacs / std::max<int64_t>(1, s.macs() / rows * block));
  Tensor scratch = Tensor::empty({threads() * scratch_bytes}, DType::kU8);
  const uint64_t* bits = f.x_codes(x).bits();
  float* out = y.mutable_data<float>();
  uint8_t* memory = scratch.mutable_data<uint8_t>();
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int lane) {
    float* to = out + begin * s.out_w() * s.k;
    xnor_conv_f32(s, f.pad_value, bits, xnor_weights(s, packed.raw()), nullptr, begin, end,
                  memory + lane * scratch_bytes, to);
    finish(to, (end - begin) * s.out_w());
  });
  return y;
}

Tensor forward_on_codes(const Form& f, const Tensor& x, const Tensor& w, const Finish& finish) {
  const ConvShape& s = f.s;
  Tensor y = Tensor::empty(f.out_shape, DType::kF32);
  Tensor packed = Tensor::empty({int64_t(codes_packed_bytes(s, f.w_grid.reach()))}, DType::kU8);
  Tensor wide = Tensor::empty({2 * f.w_shape.size()}, DType::kU8);
  parallel_for(1, 1, [&](int64_t, int64_t, int) {
    int16_t* codes = static_cast<int16_t*>(wide.raw());
    widen(f.w_codes(w), f.w_shape.size(), codes);
    codes_pack_weights(s, codes, f.w_grid.reach(), packed.raw());
  });
  const Codes a = f.x_codes(x);
  CodeInput in;
  if (a.is_bits())
    in.bits = a.bits();
  else
    in.bytes = a.bytes(), in.mul = a.grid.mul, in.add = a.grid.add;
  in.pad = f.pad_value;
  const int64_t rows = s.n * s.out_h(), block = codes_block_rows(s), scratch_bytes = int64_t(codes_scratch_bytes(s));
  const int64_t grain = block * std::max<int64_t>(1, kCodeTaskMacs / std::max<int64_t>(1, s.macs() / rows * block));
  Tensor scratch = Tensor::empty({threads() * scratch_bytes}, DType::kU8);
  uint8_t* memory = scratch.mutable_data<uint8_t>();
  float* out = y.mutable_data<float>();
  parallel_for(rows, grain, [&](int64_t begin, int64_t end, int lane) {
    float* to = out + begin * s.out_w() * s.k;
    const int64_t pixels = (end - begin) * s.out_w();
    codes_conv_i32(s, in, packed.raw(), f.w_grid.reach(), begin, end, memory + lane * scratch_bytes,
                   reinterpret_cast<int32_t*>(to));
    sums_to_f32(reinterpret_cast<const int32_t*>(to), to, pixels * s.k);
    finish(to, pixels);
  });
  return y;
}

// What the node saves, in this order.
enum Saved : size_t { kX, kW, kXScale, kWScale, kBias };

Tensor forward(const Form& f, const Tensor& x, const Tensor& w, const Tensor& x_scale, const Tensor& w_scale,
               const Tensor& bias, DType dtype) {
  const Finish finish{affine_of(f, x_scale, w_scale, bias, dtype), bias, f.s.k};
  if (f.coded && dtype == DType::kF32)
    return f.on_bits() ? forward_on_bits(f, x, w, finish) : forward_on_codes(f, x, w, finish);
  Tensor y = Tensor::empty(f.out_shape, dtype);
  const Tensor codes = expand(f.w_codes(w), {}, f.w_shape, dtype);
  if (!f.coded) {
    conv_forward(f.s, x, codes, {}, &y, f.order);
  } else {
    const bool padded = f.pad_value != 0;
    conv_forward(padded ? of_padded(f.s) : f.s, padded_images(f.s, f.x_codes(x), {}, 0, f.s.n, f.pad_value, dtype),
                 codes, {}, &y, f.order);
  }
  by_float_type("quant_conv2d", y, [&]<class T>(T) {
    const int64_t k = f.s.k;
    parallel_for(y.size() / k, std::max<int64_t>(1, kElementGrain / k),
                 [&](int64_t b, int64_t e, int) { finish(y.mutable_data<T>() + b * k, e - b); });
  });
  return y;
}

Tensors backward(const Form& f, const BackwardArgs& b) {
  const ConvShape& s = f.s;
  const DType dtype = b.grad.dtype();
  Tensors grads(3);
  if (b.needs[0]) {
    grads[0] = Tensor::empty(f.x_shape, dtype);
    conv_input_grad(s, b.grad, expand(f.w_codes(b[kW]), b[kWScale], f.w_shape, dtype), &grads[0], f.order);
  }
  if (b.needs[1]) {
    grads[1] = Tensor::empty(f.w_shape, dtype);
    if (f.coded)
      weight_grad_of_codes(s, f.x_codes(b[kX]), b[kXScale], f.pad_value, b.grad, &grads[1]);
    else
      conv_weight_grad(s, b[kX], b.grad, &grads[1]);
  }
  if (b.needs[2]) {
    grads[2] = Tensor::empty({s.k}, dtype);
    conv_bias_grad(b.grad, &grads[2]);
  }
  return grads;
}

// What record() takes besides the op's name.
struct Call {
  Tensor y;
  Tensors inputs;
  List<SavedTensor> saved;
  BackwardFn backward;
  RecomputeFn recompute;
};

Call call(const char* op, const Form& f, const Quantized& x, const Quantized& w, const Tensor& bias) {
  const auto fail = [op](const std::string& what) { throw Error(std::string(op) + ": " + what); };
  const DType dtype = x.value.dtype();
  if (dtype != DType::kF32 && dtype != DType::kF64) fail(std::string("input is ") + name_of(dtype));
  for (const Tensor* t : {&w.value, &bias, &x.scale, &w.scale})
    if (t->defined() && t->dtype() != dtype)
      fail("input is " + std::string(name_of(dtype)) + ", weight, scale or bias is not");
  if (!w.codes.defined()) fail("weights have no codes");
  if (w.codes.channels != f.w_shape[-1] || w.codes.pixels() * w.codes.channels != f.w_shape.size())
    fail("codes do not fit the weight " + to_string(f.w_shape));
  if (f.coded && (x.codes.channels != f.s.c || x.codes.pixels() * x.codes.channels != f.x_shape.size()))
    fail("codes of " + std::to_string(x.codes.channels) + " channels do not fit the value " + to_string(f.x_shape));
  if (x.scale.defined() && x.scale.size() != 1) fail("activations have one scale");
  if (w.scale.defined() && w.scale.size() != 1 && w.scale.shape() != Shape{f.s.k})
    fail("weights have one scale or one for each output channel, not " + to_string(w.scale.shape()));
  if (bias.defined() && bias.shape() != Shape{f.s.k})
    fail("bias must be [" + std::to_string(f.s.k) + "], is " + to_string(bias.shape()));
  const int64_t products = f.s.taps() * f.s.group_c();
  if (f.coded && !sums_fit(products, f.x_grid, f.w_grid))
    fail("sums of " + std::to_string(products) + " products of codes up to " + std::to_string(f.x_grid.reach()) +
         " and " + std::to_string(f.w_grid.reach()) + " do not fit 32 bits");
  if (f.on_bits() && products >= int64_t(1) << 24)
    fail("sums of " + std::to_string(products) + " products are too long");
  if (f.coded && (codes_scratch_bytes(f.s) >> 32 || codes_packed_bytes(f.s, f.w_grid.reach()) >> 32))
    fail("input " + to_string(f.x_shape) + " or weight " + to_string(f.w_shape) + " is too large");

  const Tensor& in = f.coded ? x.codes.tensor : x.value;
  Call c;
  c.y = forward(f, in, w.codes.tensor, x.scale, w.scale, bias, dtype);
  c.inputs = {x.value, w.value, bias};
  c.saved = {{f.coded ? "codes" : "input", in},
             {"weight", w.codes.tensor},
             {"scale", f.coded ? x.scale : Tensor()},
             {"scale", w.scale},
             {"bias", bias}};
  c.backward = [f](const BackwardArgs& b) { return backward(f, b); };
  if (f.coded)
    c.recompute = [f, dtype](const Node& n) {
      const auto at = [&](Saved i) { return saved_value(n.saved[i]); };
      return forward(f, at(kX), at(kW), at(kXScale), at(kWScale), at(kBias), dtype);
    };
  return c;
}

}  // namespace

Tensor quant_conv2d(const Quantized& x, const Quantized& w, const Tensor& bias, const Conv2dParams& params,
                    int pad_value) {
  Form f;
  f.x_shape = x.value.shape(), f.w_shape = w.value.shape();
  f.s = conv_shape_of("quant_conv2d", f.x_shape, f.w_shape, params);
  if (pad_value < -1 || pad_value > 1) throw Error("quant_conv2d: padding must be 0, +1 or -1");
  if (pad_value && !x.codes.defined()) throw Error("quant_conv2d: padding of real activations is 0");
  f.order = params.order, f.pad_value = pad_value, f.coded = x.codes.defined();
  f.x_grid = x.codes.grid, f.w_grid = w.codes.grid;
  f.out_shape = {f.s.n, f.s.out_h(), f.s.out_w(), f.s.k};
  Call c = call("quant_conv2d", f, x, w, bias);
  return record("quant_conv2d", std::move(c.y), c.inputs, std::move(c.saved), std::move(c.backward),
                std::move(c.recompute));
}

Tensor quant_linear(const Quantized& x, const Quantized& w, const Tensor& bias, SumOrder order) {
  Form f;
  f.x_shape = x.value.shape(), f.w_shape = w.value.shape();
  if (f.x_shape.rank != 2) throw Error("quant_linear: input must be [N,in], is " + to_string(f.x_shape));
  if (f.w_shape.rank != 2) throw Error("quant_linear: weight must be [out,in], is " + to_string(f.w_shape));
  if (f.w_shape[1] != f.x_shape[1])
    throw Error("quant_linear: weight has " + std::to_string(f.w_shape[1]) + " inputs, input has " +
                std::to_string(f.x_shape[1]) + " " + to_string(f.x_shape));
  if (f.x_shape.size() == 0 || f.w_shape.size() == 0)
    throw Error("quant_linear: nothing to multiply in " + to_string(f.x_shape) + " and " + to_string(f.w_shape));
  f.s = {.n = f.x_shape[0], .c = f.x_shape[1], .k = f.w_shape[0]};
  f.order = order, f.pad_value = 0, f.coded = x.codes.defined();
  f.x_grid = x.codes.grid, f.w_grid = w.codes.grid;
  f.out_shape = {f.s.n, f.s.k};
  Call c = call("quant_linear", f, x, w, bias);
  return record("quant_linear", std::move(c.y), c.inputs, std::move(c.saved), std::move(c.backward),
                std::move(c.recompute));
}

}  // namespace bantam
