#include "ops/quant/table_weights.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"
#include "ops/quant/weight_groups.h"

namespace bantam {
namespace {

constexpr int kBins = 4096;

struct Ends {
  double least = 0, largest = 0;
  double magnitude() const { return std::max(std::abs(least), std::abs(largest)); }
};

template <class T>
Ends ends_of(const T* w, int64_t n) {
  Ends e{double(w[0]), double(w[0])};
  for (int64_t i = 1; i < n; ++i)
    e.least = std::min(e.least, double(w[i])), e.largest = std::max(e.largest, double(w[i]));
  return e;
}

// A codebook in ascending order.
using Table = std::vector<double>;

Table powers_of_two(const Ends& ends, int bits) {
  const int magnitudes = (1 << (bits - 1)) - 1;
  const double most = ends.magnitude();
  const int top = most > 0 && std::isfinite(most) ? int(std::floor(std::log2(most) + 0.5)) : 0;
  Table t;
  for (int i = 0; i < magnitudes; ++i) t.push_back(-std::exp2(top - i));
  t.push_back(0);
  for (int i = magnitudes - 1; i >= 0; --i) t.push_back(std::exp2(top - i));
  return t;
}

template <class T>
Table centroids(const T* w, int64_t n, const Ends& ends, int bits) {
  const int k = 1 << bits;
  const double width = (ends.largest - ends.least) / kBins;
  Table t;
  for (int i = 0; i < k; ++i) t.push_back(ends.least + (ends.largest - ends.least) * (i + 0.5) / k);
  if (!(width > 0)) return t;
  std::vector<double> count(kBins, 0), sum(kBins, 0);
  for (int64_t i = 0; i < n; ++i) {
    const double at = (double(w[i]) - ends.least) / width;
    const size_t bin = at > 0 ? size_t(std::min(at, double(kBins - 1))) : 0;  // 0 where it is not a number
    count[bin] += 1, sum[bin] += double(w[i]);
  }
  for (int round = 0; round < 50; ++round) {
    Table members(size_t(k), 0), sums(size_t(k), 0);
    int j = 0;
    for (int bin = 0; bin < kBins; ++bin) {  // bins ascend, and so do their nearest centroids
      const double x = ends.least + (bin + 0.5) * width;
      while (j + 1 < k && x > (t[size_t(j)] + t[size_t(j + 1)]) / 2) ++j;
      members[size_t(j)] += count[size_t(bin)], sums[size_t(j)] += sum[size_t(bin)];
    }
    bool moved = false;
    for (int i = 0; i < k; ++i) {
      if (members[size_t(i)] == 0) continue;
      const double mean = sums[size_t(i)] / members[size_t(i)];
      moved = moved || mean != t[size_t(i)];
      t[size_t(i)] = mean;
    }
    if (!moved) break;
  }
  return t;
}

// l of the logarithmic codebooks.
double depth_of(double w, double most, double floor) { return -std::log2(std::max(floor, std::abs(w) / most)); }

// sign bit, then the step's number; the table has the values of both.
struct LogTable {
  double most = 1, floor = 0.03, first = 0, step = 0;  // lhat = first + number * step
  int n = 0;

  int number(double w) const {
    if (step <= 0) return 0;
    const double at = round_half_even((depth_of(w, most, floor) - first) / step);
    return at > 0 ? int(std::min(at, double(n))) : 0;
  }
};
template <class T>
LogTable log_table(const T* w, int64_t size, const Ends& ends, const QuantSpec& spec) {
  LogTable t;
  t.most = ends.magnitude() > 0 ? ends.magnitude() : 1;
  t.floor = spec.bits <= 2 ? 0.33 : spec.bits == 3 ? 0.15 : 0.03;
  t.n = (1 << (spec.bits - 1)) - 1;
  if (t.n == 0) return t;
  if (spec.scheme == Scheme::kLog2) {
    t.step = 1;
    return t;
  }
  double least = depth_of(double(w[0]), t.most, t.floor), largest = least;
  for (int64_t i = 1; i < size; ++i) {
    const double l = depth_of(double(w[i]), t.most, t.floor);
    least = std::min(least, l), largest = std::max(largest, l);
  }
  t.first = least, t.step = (largest - least) / t.n;
  return t;
}

}  // namespace

Quantized table_weight(const Tensor& w, const QuantSpec& spec, bool materialize_value) {
  if (w.rank() < 2 || w.size() == 0) throw Error("quantize: weights are empty " + to_string(w.shape()));
  const CodeGrid grid = grid_of(spec, Operand::kWeight);
  const bool logarithmic = spec.scheme == Scheme::kLog || spec.scheme == Scheme::kLog2;
  Quantized q;
  q.codes = Codes::empty(w.shape(), grid);
  q.table = Tensor::empty({grid.levels}, w.dtype());
  Tensor most = Tensor::empty({1}, w.dtype());
  by_float_type("quantize_weight", w, [&]<class T>(T) {
    // One thread: sums and ends of a layer's weights, in order.
    parallel_for(1, 1, [&](int64_t, int64_t, int) {
      const T* in = w.data<T>();
      const int64_t n = w.size();
      const Ends ends = ends_of(in, n);
      T* table = q.table.mutable_data<T>();
      uint8_t* bytes = q.codes.mutable_bytes();
      *most.mutable_data<T>() = T(1);
      if (logarithmic) {
        const LogTable t = log_table(in, n, ends, spec);
        *most.mutable_data<T>() = T(t.most);
        const int half = grid.levels / 2;
        for (int i = 0; i < half; ++i)
          table[half + i] = T(std::exp2(-(t.first + i * t.step))), table[i] = -table[half + i];
        for (int64_t i = 0; i < n; ++i) bytes[i] = uint8_t((sign_bit(in[i]) ? half : 0) + t.number(double(in[i])));
        return;
      }
      const Table t = spec.scheme == Scheme::kPow2 ? powers_of_two(ends, spec.bits) : centroids(in, n, ends, spec.bits);
      for (size_t i = 0; i < t.size(); ++i) table[i] = T(t[i]);
      std::vector<T> bounds;
      for (size_t i = 0; i + 1 < t.size(); ++i) bounds.push_back(T((t[i] + t[i + 1]) / 2));
      for (int64_t i = 0; i < n; ++i)
        bytes[i] = uint8_t(std::lower_bound(bounds.begin(), bounds.end(), in[i]) - bounds.begin());
    });
  });
  q.value = record("table_weight", value_of(q, w, materialize_value), {w}, {{"max", most}},
                   [](const BackwardArgs& b) -> Tensors {
                     Tensor dw = Tensor::empty(b.grad.shape(), b.grad.dtype());
                     by_float_type("table_weight", dw, [&]<class T>(T) {
                       const T* g = b.grad.data<T>();
                       T* out = dw.mutable_data<T>();
                       parallel_for(dw.size(), kElementGrain, [&](int64_t i, int64_t e, int) {
                         const T m = *b[0].data<T>();
                         for (; i < e; ++i) out[i] = g[i] / m;
                       });
                     });
                     return {dw};
                   });
  return q;
}

}  // namespace bantam
