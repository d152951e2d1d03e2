#include "ops/dropout.h"

#include <cmath>

#include "core/autograd.h"
#include "core/base/fixed_point.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels/elementwise_ref.h"

namespace bantam {
namespace {

// out = bit ? x s : 0
Tensor select(const Tensor& x, const Tensor& mask, double s) {
  Tensor out = Tensor::empty(x.shape(), x.dtype());
  by_float_type("dropout", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    const uint8_t* bits = mask.data<uint8_t>();
    T* y = out.mutable_data<T>();
    parallel_for(x.size(), kElementGrain, [&](int64_t b, int64_t e, int) {
      if constexpr (kIsF32<T>)
        select_bits_f32(in + b, bits + b / 8, float(s), y + b, e - b);
      else
        for (int64_t i = b; i < e; ++i) y[i] = ref::get_bit(bits, i) ? in[i] * s : T(0);
    });
  });
  return out;
}

}  // namespace

Tensor dropout(const Tensor& x, double p, const Rng& rng) {
  if (!(p >= 0 && p < 1)) throw Error("dropout: p = " + std::to_string(p) + " is not in [0, 1), input " + to_string(x.shape()));
  if (p == 0) return x;
  Tensor mask = Tensor::empty({ceil_div(x.size(), 8)}, DType::kU8);
  uint8_t* bits = mask.mutable_data<uint8_t>();
  // uniform(i) >= p, of 24 bits, without making it a float. Random numbers cost more than the selection: smaller chunks.
  const uint32_t least = uint32_t(std::ceil(p * 16777216.0));
  parallel_for(x.size(), kElementGrain / 8, [&](int64_t b, int64_t e, int) {
    for (int64_t i = b; i < e; i += 8) {
      unsigned byte = 0;
      for (int64_t half = 0; half < 2; ++half) {
        const auto four = rng.four_bits(uint64_t(i / 4 + half));
        for (int64_t j = 0; j < 4 && i + 4 * half + j < e; ++j)
          byte |= unsigned(four[size_t(j)] >> 8 >= least) << (4 * half + j);
      }
      bits[i / 8] = uint8_t(byte);
    }
  });
  const double s = 1 / (1 - p);
  return record("dropout", select(x, mask, s), {x}, {{"mask", mask}},
                [s](const BackwardArgs& b) { return std::vector<Tensor>{select(b.grad, b[0], s)}; });
}

}  // namespace bantam
