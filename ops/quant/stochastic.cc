#include "ops/quant/stochastic.h"

#include <algorithm>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/kernels_train/philox.h"
#include "ops/quant/mask.h"
#include "ops/quant/pixel_grain.h"

namespace bantam {
namespace {

// u < p: p = 0 gives never, p = 1 always; NaN never.
template <class T>
bool draw(T x, uint32_t number) {
  const T p = std::min(std::max((x + T(1)) * T(0.5), T(0)), T(1));
  return T(float(number >> 8) * 0x1p-24f) < p;
}

// Signs of elements [first, first + n), the first of which starts a pixel.
template <class T>
void draw_signs(const PhiloxStream& stream, const T* x, int64_t first, int64_t n, int64_t c, uint64_t* bits) {
  constexpr int64_t kNumbers = 512;
  uint32_t numbers[kNumbers];
  const int64_t words = int64_t(words_for(size_t(c)));
  std::fill_n(bits, n / c * words, uint64_t(0));
  for (int64_t begin = 0; begin < n; begin += kNumbers) {
    const int64_t end = std::min(n, begin + kNumbers);
    philox_numbers(stream, uint64_t(first + begin), numbers, end - begin);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t channel = i % c;
      bits[i / c * words + channel / kWordBits] |= uint64_t(draw(x[i], numbers[i - begin])) << (channel % kWordBits);
    }
  }
}

}  // namespace

Quantized stochastic_sign(const Tensor& x, Surrogate surrogate, const Rng& rng, bool materialize_value) {
  if (x.rank() < 1 || x.size() == 0) throw Error("stochastic_sign: input is empty " + to_string(x.shape()));
  Quantized q;
  q.codes = Codes::empty(x.shape());
  const bool masked = is_clipped(surrogate) && recording({x});
  Tensor mask;  // element i in byte i / 8, bit i % 8
  if (masked) mask = Tensor::empty({(x.size() + 7) / 8}, DType::kU8);
  by_float_type("stochastic_sign", x, [&]<class T>(T) {
    const int64_t c = q.codes.channels, words = q.codes.words();
    const T* in = x.data<T>();
    uint64_t* bits = q.codes.mutable_bits();
    uint8_t* inside = masked ? mask.mutable_data<uint8_t>() : nullptr;
    parallel_for(q.codes.pixels(), pixel_grain(c), [&](int64_t b, int64_t e, int) {
      draw_signs(rng.stream(), in + b * c, b * c, (e - b) * c, c, bits + b * words);
      if (masked) range_mask(in + b * c, T(-1), T(1), inside + b * c / 8, (e - b) * c);
    });
  });
  q.value = materialize_value ? expand(q.codes, {}, x.shape(), x.dtype()) : Tensor::virtual_like(x.shape(), x.dtype());
  List<SavedTensor> saved;
  if (masked) saved.push_back({"mask", mask});
  q.value = record("stochastic_sign", q.value, {x}, std::move(saved), [masked](const BackwardArgs& b) -> Tensors {
    if (!masked) return {b.grad};
    return {where_bits(b.grad, b[0], b.grad_room())};
  });
  return q;
}

}  // namespace bantam
