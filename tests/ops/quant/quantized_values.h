// What the tests of the quantizers share: groups of weights, codes and scales, each read off by its definition.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ops/quant/quantized.h"
#include "tests/core/tensors.h"

namespace bantam {

constexpr Granularity kGranularities[] = {Granularity::kLayer, Granularity::kChannel, Granularity::kKernel};

// Convolutions of several sizes, channels around the word, 1x1 kernels, and linear layers.
inline std::vector<Shape> weight_shapes() {
  return {{1, 1, 1, 1}, {2, 3, 3, 1}, {3, 3, 2, 5}, {5, 1, 1, 7}, {4, 3, 3, 65}, {7, 130}, {1, 3}};
}

// The elements of w [K, taps..., C] that share a scale, group by group: in the order of the scales.
inline std::vector<std::vector<int64_t>> groups_of(const Shape& w, Granularity g) {
  const int64_t k = w[0], c = w[-1], taps = w.size() / k / c;
  if (g == Granularity::kKernel && taps == 1) g = Granularity::kChannel;
  std::vector<std::vector<int64_t>> groups(size_t(g == Granularity::kLayer     ? 1
                                                  : g == Granularity::kChannel ? k
                                                                               : k * c));
  for (int64_t i = 0; i < k; ++i)
    for (int64_t t = 0; t < taps; ++t)
      for (int64_t j = 0; j < c; ++j)
        groups[size_t(g == Granularity::kLayer     ? 0
                      : g == Granularity::kChannel ? i
                                                   : i * c + j)]
            .push_back((i * taps + t) * c + j);
  return groups;
}
// [1], [K] or [K, C].
inline Shape scale_shape_of(const Shape& w, Granularity g) {
  if (g == Granularity::kLayer) return {1};
  return g == Granularity::kKernel && w.size() > w[0] * w[-1] ? Shape{w[0], w[-1]} : Shape{w[0]};
}

inline int code_at(const Codes& codes, int64_t i) {
  const int64_t c = codes.channels;
  if (codes.is_bits()) return codes.bits()[i / c * codes.words() + i % c / 64] >> (i % c % 64) & 1 ? 1 : -1;
  return codes.grid.mul * codes.bytes()[i] + codes.grid.add;
}
inline std::vector<int> all_codes(const Codes& codes, int64_t n) {
  std::vector<int> all;
  for (int64_t i = 0; i < n; ++i) all.push_back(code_at(codes, i));
  return all;
}

// "" if bytes lie in their grid, bits behind the channels are 0, and value = scale * code, rounded once, with the scale
// of the group that each element is in; else what is wrong.
inline std::string inconsistency(const Quantized& q, const Shape& shape, Granularity g) {
  const DType dtype = q.value.dtype();
  if (q.codes.is_bits()) {
    const int64_t rest = q.codes.channels % 64;
    for (int64_t p = 0; rest && p < q.codes.pixels(); ++p)
      if (q.codes.bits()[(p + 1) * q.codes.words() - 1] >> rest) return "pad bits are not 0";
  } else {
    for (int64_t i = 0; i < shape.size(); ++i)
      if (q.codes.bytes()[i] >= q.codes.grid.levels) return "byte " + std::to_string(i) + " lies above its grid";
  }
  const Tensor values = materialize(q);
  if (!(values.shape() == shape) || values.dtype() != dtype) return "shape or type of the value";
  if (!same_tensor(values.detach(), expand(q.codes, q.scale, shape, dtype))) return "expand and materialize differ";
  const auto groups = groups_of(shape, g);
  if (q.scale.defined() && q.scale.size() != int64_t(groups.size())) return "number of scales";
  for (size_t group = 0; group < groups.size(); ++group)
    for (int64_t i : groups[group]) {
      const double scale = q.scale.defined() ? q.scale.at(int64_t(group)) : 1.0;
      double want = code_at(q.codes, i) * scale;
      if (dtype == DType::kF32) want = double(float(want));  // exact in f64: 9 bits by 24
      if (values.at(i) != want) return "value " + std::to_string(i);
    }
  return "";
}

}  // namespace bantam
