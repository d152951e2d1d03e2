#include "ops/quant/padded_images.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/bitpack.h"
#include "ops/kernels/bitpack_ref.h"
#include "ops/kernels/code_values.h"
#include "ops/kernels/code_values_ref.h"

namespace bantam {
namespace {

// The weight gradient is summed up over groups of images whose activations take about so much memory as f32.
constexpr int64_t kExpandedBytes = int64_t(4) << 20;

void decode(const Codes& codes, int64_t pixel, int64_t pixels, float* x) {
  const int64_t c = codes.channels;
  if (codes.is_bits())
    unpack_signs(codes.bits() + pixel * codes.words(), pixels, c, x);
  else
    codes_to_f32(codes.bytes() + pixel * c, codes.grid.mul, codes.grid.add, x, pixels * c);
}
void decode(const Codes& codes, int64_t pixel, int64_t pixels, double* x) {
  const int64_t c = codes.channels;
  if (codes.is_bits()) return ref::unpack_signs(codes.bits() + pixel * codes.words(), pixels, c, x);
  for (int64_t i = 0; i < pixels * c; ++i) x[i] = codes.grid.code(codes.bytes()[pixel * c + i]);
}

}  // namespace

ConvShape of_padded(ConvShape s) {
  s.h += 2 * s.pad_h;
  s.w += 2 * s.pad_w;
  s.pad_h = s.pad_w = 0;
  return s;
}

Tensor padded_images(const ConvShape& s, const Codes& codes, const Tensor& scale, int64_t begin, int64_t end,
                     int pad_value, DType dtype) {
  const bool padded = pad_value != 0;
  const int64_t pad_h = padded ? s.pad_h : 0, pad_w = padded ? s.pad_w : 0, h = s.h + 2 * pad_h, w = s.w + 2 * pad_w;
  Tensor out = Tensor::empty({end - begin, h, w, s.c}, dtype);
  by_float_type("quant_conv2d", out, [&]<class T>(T) {
    T* values = out.mutable_data<T>();
    parallel_for((end - begin) * h, std::max<int64_t>(1, kElementGrain / (w * s.c)), [&](int64_t b, int64_t e, int) {
      const T step = scale.defined() ? *scale.data<T>() : T(1);
      for (int64_t r = b; r < e; ++r) {
        T* row = values + r * w * s.c;
        const int64_t n = begin + r / h, y = r % h - pad_h;
        const T pad = T(pad_value) * step;
        if (y < 0 || y >= s.h) {
          std::fill(row, row + w * s.c, pad);
          continue;
        }
        T* inside = row + pad_w * s.c;
        std::fill(row, inside, pad);
        decode(codes, (n * s.h + y) * s.w, s.w, inside);
        if (scale.defined())
          for (int64_t i = 0; i < s.w * s.c; ++i) inside[i] *= step;
        std::fill(inside + s.w * s.c, row + w * s.c, pad);
      }
    });
  });
  return out;
}

void weight_grad_of_codes(const ConvShape& s, const Codes& codes, const Tensor& scale, int pad_value, const Tensor& dy,
                          Tensor* dw) {
  const ConvShape whole = pad_value != 0 ? of_padded(s) : s;
  const int64_t image_bytes = whole.h * whole.w * whole.c * int64_t(sizeof(float));
  const int64_t step = std::clamp<int64_t>(kExpandedBytes / image_bytes, 1, s.n);
  const Tensor images_of_dy = dy.view({s.n, s.out_h(), s.out_w(), s.k});
  Tensor part;
  for (int64_t n = 0; n < s.n; n += step) {
    const int64_t end = std::min(s.n, n + step);
    ConvShape some = whole;
    some.n = end - n;
    Tensor* to = n == 0 ? dw : &part;
    if (n == step) part = Tensor::empty(dw->shape(), dw->dtype());
    conv_weight_grad(some, padded_images(s, codes, scale, n, end, pad_value, dy.dtype()),
                     images_of_dy.slice_outer(n, end), to);
    if (n == 0) continue;
    by_float_type("quant_conv2d", *dw, [&]<class T>(T) {
      T* sum = dw->mutable_data<T>();
      const T* more = part.data<T>();
      parallel_for(dw->size(), kElementGrain, [&](int64_t b, int64_t e, int) {
        for (int64_t i = b; i < e; ++i) sum[i] += more[i];
      });
    });
  }
}

}  // namespace bantam
