#include "ops/quant/quantized.h"

#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/quant/pixel_grain.h"

namespace bantam {
namespace {

void unpack(const uint64_t* bits, int64_t pixels, int64_t c, float* x) { unpack_signs(bits, pixels, c, x); }
void unpack(const uint64_t* bits, int64_t pixels, int64_t c, double* x) { ref::unpack_signs(bits, pixels, c, x); }
void decode(const CodeGrid& g, const uint8_t* bytes, int64_t n, float* x) { codes_to_f32(bytes, g.mul, g.add, x, n); }
void decode(const CodeGrid& g, const uint8_t* bytes, int64_t n, double* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = ref::code(bytes[i], g.mul, g.add);
}

// Pixels [b, e) times their scales.
template <class T>
void multiply(const Tensor& scale, const Shape& shape, int64_t b, int64_t e, T* y) {
  const T* s = scale.data<T>();
  const int64_t c = shape[-1], n = scale.size(), group = shape.size() / c / shape[0];
  for (int64_t p = b; p < e; ++p, y += c) {
    const bool by_kernel = scale.rank() == 2;
    const T* row = s + (n == 1 ? 0 : p / group * (by_kernel ? c : 1));
    for (int64_t i = 0; i < c; ++i) y[i] *= row[by_kernel ? i : 0];
  }
}

}  // namespace

Tensor expand(const Codes& codes, const Tensor& scale, const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  by_float_type("expand", out, [&]<class T>(T) {
    const int64_t c = codes.channels, words = codes.words();
    T* y = out.mutable_data<T>();
    parallel_for(codes.pixels(), pixel_grain(c), [&](int64_t b, int64_t e, int) {
      if (codes.is_bits())
        unpack(codes.bits() + b * words, e - b, c, y + b * c);
      else
        decode(codes.grid, codes.bytes() + b * c, (e - b) * c, y + b * c);
      if (scale.defined()) multiply(scale, shape, b, e, y + b * c);
    });
  });
  return out;
}

Tensor look_up(const Codes& codes, const Tensor& table, const Shape& shape, DType dtype) {
  Tensor out = Tensor::empty(shape, dtype);
  by_float_type("look_up", out, [&]<class T>(T) {
    T* y = out.mutable_data<T>();
    parallel_for(out.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      const T* values = table.data<T>();
      for (int64_t i = b; i < e; ++i) y[i] = values[codes.bytes()[i]];
    });
  });
  return out;
}

Tensor materialize(const Quantized& q) {
  if (q.value.has_data()) return q.value;
  const Shape& shape = q.value.shape();
  Tensor t = q.table.defined() ? look_up(q.codes, q.table, shape, q.value.dtype())
                               : expand(q.codes, q.scale, shape, q.value.dtype());
  t.set_node(q.value.node());
  return t;
}

}  // namespace bantam
