#include "ops/quant/sign.h"

#include "bantam_fault.h"
#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/quant/mask.h"
#include "ops/quant/pixel_grain.h"

namespace bantam {
namespace {

// Kernels of f32; the definitions for f64.
void pack(const float* x, int64_t pixels, int64_t c, uint64_t* bits) { pack_signs(x, pixels, c, bits); }
void pack(const double* x, int64_t pixels, int64_t c, uint64_t* bits) { ref::pack_signs(x, pixels, c, bits); }
void check_input(const char* op, const Tensor& x) {
  if (x.rank() < 1 || x.size() == 0) throw Error(std::string(op) + ": input is empty " + to_string(x.shape()));
}

}  // namespace

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
    uint64_t* bits = q.codes.mutable_bits();
    uint8_t* inside = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(q.codes.pixels(), pixel_grain(c), [&](int64_t b, int64_t e, int) {
      pack(in + b * c, e - b, c, bits + b * words);
      if (masked) range_mask(in + b * c, T(-1), T(1), inside + b * c / 8, (e - b) * c);
    });
  });
  q.value = materialize_value ? expand(q.codes, {}, x.shape(), x.dtype()) : Tensor::virtual_like(x.shape(), x.dtype());

  List<SavedTensor> saved;
  if (masked) saved.push_back({"mask", mask});
  q.value = record("sign", q.value, {x}, std::move(saved), [masked](const BackwardArgs& b) -> Tensors {
    if (!masked) return {b.grad};
    return {where_bits(b.grad, b[0], b.grad_room())};
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
