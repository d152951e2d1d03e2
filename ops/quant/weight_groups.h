// Weights that share a scale: for ops/quant, and for penalties on latent weights.
#pragma once

#include <cmath>

#include "core/parallel.h"
#include "core/tensor.h"
#include "ops/dispatch.h"
#include "ops/quant/quantized.h"

namespace bantam {

// Groups of w [K, ..., C]: all of it, each k's, or each (k, c)'s. Kernels of one number go by channel.
struct WeightGroups {
  int64_t k, per_k, c;
  Granularity granularity;

  WeightGroups(const Shape& w, Granularity g)
      : k(w[0]),
        per_k(w.size() / w[0]),
        c(w[-1]),
        granularity(g == Granularity::kKernel && per_k == c ? Granularity::kChannel : g) {}
  int64_t count() const {
    return granularity == Granularity::kLayer ? 1 : granularity == Granularity::kChannel ? k : k * c;
  }
  Shape scale_shape() const {
    return granularity == Granularity::kLayer     ? Shape{1}
           : granularity == Granularity::kChannel ? Shape{k}
                                                  : Shape{k, c};
  }
  int64_t size() const { return k * per_k / count(); }  // of a group
  int64_t of(int64_t i) const {                         // the group of element i
    return granularity == Granularity::kLayer     ? 0
           : granularity == Granularity::kChannel ? i / per_k
                                                  : i / per_k * c + i % c;
  }
  // f(i) for each element of a group, in order.
  template <class F>
  void for_each(int64_t group, F f) const {
    const bool kernel = granularity == Granularity::kKernel;
    const int64_t n = size(), first = kernel ? group / c * per_k + group % c : group * n, step = kernel ? c : 1;
    for (int64_t i = 0; i < n; ++i) f(first + i * step);
  }
};

// A scale for each group: f(data, group, groups) -> its value in f64. Tensor of w's type.
template <class F>
Tensor scale_of_groups(const Tensor& w, const WeightGroups& groups, F f) {
  Tensor scale = Tensor::empty(groups.scale_shape(), w.dtype());
  by_float_type("quantize", w, [&]<class T>(T) {
    const T* in = w.data<T>();
    T* s = scale.mutable_data<T>();
    const int64_t grain = std::max<int64_t>(1, kElementGrain / groups.size());
    parallel_for(groups.count(), grain, [&](int64_t b, int64_t e, int) {
      for (int64_t g = b; g < e; ++g) s[g] = T(f(in, g, groups));
    });
  });
  return scale;
}
// Mean magnitude times `of_mean`, or the largest; 1 where all are 0.
Tensor magnitude_scale(const Tensor& w, const WeightGroups& groups, ScaleRule rule, double of_mean = 1);

// Bytes of codes: f(w, scale) -> byte; scale may be undefined and is 1 then. As signs if the grid's codes are.
template <class F>
Codes codes_of_weights(const Tensor& w, const CodeGrid& grid, const WeightGroups& groups, const Tensor& scale, F f) {
  Codes codes = Codes::empty(w.shape(), grid);
  by_float_type("quantize", w, [&]<class T>(T) {
    const T* in = w.data<T>();
    const T* s = scale.defined() ? scale.data<T>() : nullptr;
    const int64_t c = codes.channels, words = codes.words();
    parallel_for(codes.pixels(), std::max<int64_t>(1, kElementGrain / c), [&](int64_t b, int64_t e, int) {
      for (int64_t p = b; p < e; ++p) {
        uint64_t* bits = codes.is_bits() ? codes.mutable_bits() + p * words : nullptr;
        for (int64_t i = 0; bits && i < words; ++i) bits[i] = 0;
        for (int64_t i = 0; i < c; ++i) {
          const int64_t at = p * c + i;
          const uint8_t byte = uint8_t(f(in[at], s ? s[groups.of(at)] : T(1)));
          if (bits)
            bits[i / kWordBits] |= uint64_t(byte) << (i % kWordBits);
          else
            codes.mutable_bytes()[at] = byte;
        }
      }
    });
  });
  return codes;
}

// The weights' value with its elements, or without them where codes alone are read.
inline Tensor value_of(const Quantized& q, const Tensor& w, bool materialize_value) {
  if (!materialize_value) return Tensor::virtual_like(w.shape(), w.dtype());
  return q.table.defined() ? look_up(q.codes, q.table, w.shape(), w.dtype())
                           : expand(q.codes, q.scale, w.shape(), w.dtype());
}

}  // namespace bantam
