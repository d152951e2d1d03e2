#include "ops/quant/sign.h"

#include "bantam_fault.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"

namespace bantam {
namespace {

// Kernels of f32; the definitions for f64.
void pack(const float* x, int64_t pixels, int64_t c, uint64_t* bits) { pack_signs(x, pixels, c, bits); }
void pack(const double* x, int64_t pixels, int64_t c, uint64_t* bits) { ref::pack_signs(x, pixels, c, bits); }
void unpack(const uint64_t* bits, int64_t pixels, int64_t c, float* x) { unpack_signs(bits, pixels, c, x); }
void unpack(const uint64_t* bits, int64_t pixels, int64_t c, double* x) { ref::unpack_signs(bits, pixels, c, x); }
void clip_mask(const float* x, uint8_t* mask, int64_t n) { within_bits_f32(x, -1, 1, mask, n); }
void clip_mask(const double* x, uint8_t* mask, int64_t n) {
  ref::fill_bits(mask, n, [&](int64_t i) { return x[i] >= -1 && x[i] <= 1; });
}
void select(const float* g, const uint8_t* mask, float* dx, int64_t n) { select_bits_f32(g, mask, 1, dx, n); }
void select(const double* g, const uint8_t* mask, double* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = ref::get_bit(mask, i) ? g[i] : 0;
}

// Pixels of a chunk: a multiple of 8, so that its first element starts a byte of the mask.
int64_t pixel_grain(int64_t channels) { return 8 * ceil_div(kElementGrain, 8 * channels); }

void check_input(const char* op, const Tensor& x) {
  if (x.rank() < 1 || x.size() == 0) throw Error(std::string(op) + ": input is empty " + to_string(x.shape()));
}

}  // namespace

Tensor expand(const Codes& codes, float step, const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  by_float_type("expand", out, [&]<class T>(T) {
    const int64_t c = codes.channels, words = codes.words();
    const uint64_t* bits = codes.data();
    T* y = out.mutable_data<T>();
    parallel_for(codes.pixels(), pixel_grain(c), [&](int64_t b, int64_t e, int) {
      unpack(bits + b * words, e - b, c, y + b * c);
      if (step != 1)
        for (int64_t i = b * c; i < e * c; ++i) y[i] *= T(step);
    });
  });
  return out;
}

Tensor materialize(const Quantized& q) {
  if (q.value.has_data()) return q.value;
  Tensor t = expand(q.codes, q.step, q.value.shape(), q.value.dtype());
  t.set_node(q.value.node());
  return t;
}

Quantized sign(const Tensor& x, Surrogate surrogate, bool materialize_value) {
  check_input("sign", x);
  Quantized q;
  q.codes = Codes::empty(x.shape());
#ifdef BANTAM_FAULT_DROPPED_MASK
  surrogate = Surrogate::kIdentity;
#endif
  const bool masked = is_clipped(surrogate) && recording({x});
  Tensor mask;  // element i in byte i / 8, bit i % 8
  if (masked) mask = Tensor::empty({(x.size() + 7) / 8}, DType::kU8);

  by_float_type("sign", x, [&]<class T>(T) {
    const int64_t c = q.codes.channels, words = q.codes.words();
    const T* in = x.data<T>();
    uint64_t* bits = q.codes.mutable_data();
    uint8_t* inside = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(q.codes.pixels(), pixel_grain(c), [&](int64_t b, int64_t e, int) {
      pack(in + b * c, e - b, c, bits + b * words);
      if (masked) clip_mask(in + b * c, inside + b * c / 8, (e - b) * c);
    });
  });
  q.value = materialize_value ? expand(q.codes, 1, x.shape(), x.dtype()) : Tensor::virtual_like(x.shape(), x.dtype());

  List<SavedTensor> saved;
  if (masked) saved.push_back({"mask", mask});
  q.value = record("sign", q.value, {x}, std::move(saved), [masked](const BackwardArgs& b) -> Tensors {
    if (!masked) return {b.grad};
    Tensor dx = b.grad_room();
    by_float_type("sign", dx, [&]<class T>(T) {
      const T* g = b.grad.data<T>();
      const uint8_t* inside = b[0].data<uint8_t>();
      T* out = dx.mutable_data<T>();
      parallel_for(dx.size(), kElementGrain,
                   [&](int64_t i, int64_t e, int) { select(g + i, inside + i / 8, out + i, e - i); });
    });
    return {dx};
  });
  return q;
}

namespace {

Tensor sign_values(const Tensor& w) {
  Tensor out = Tensor::empty(w.shape(), w.dtype());
  by_float_type("sign_ste", w, [&]<class T>(T) {
    const T* in = w.data<T>();
    T* y = out.mutable_data<T>();
    parallel_for(w.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
#ifdef BANTAM_FAULT_SIGN_OF_ZERO
      for (int64_t i = b; i < e; ++i) y[i] = in[i] > 0 ? T(1) : T(-1);
#else
      for (int64_t i = b; i < e; ++i) y[i] = sign_value(in[i]);
#endif
    });
  });
  return out;
}

}  // namespace

Tensor sign_ste(const Tensor& w, Surrogate surrogate) {
  check_input("sign_ste", w);
  return record(
      "sign_ste", sign_values(w), {w}, {{"input", w}},
      [surrogate](const BackwardArgs& b) -> Tensors {
        if (!is_clipped(surrogate)) return {b.grad};
        Tensor dw = Tensor::empty(b.grad.shape(), b.grad.dtype());
        by_float_type("sign_ste", dw, [&]<class T>(T) {
          const T *g = b.grad.data<T>(), *in = b[0].data<T>();
          T* out = dw.mutable_data<T>();
          parallel_for(dw.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
            for (; i < e; ++i) out[i] = in[i] >= T(-1) && in[i] <= T(1) ? g[i] : T(0);
          });
        });
        return {dw};
      },
      [](const Node& node) {
        const SavedTensor& input = node.saved[0];
        return sign_values(input.source ? input.source->recompute(*input.source) : input.tensor);
      });
}

}  // namespace bantam
