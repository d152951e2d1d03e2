#include "ops/quant/range.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/pool.h"
#include "ops/dispatch.h"

namespace bantam {
namespace {

constexpr double kLargest = 1e30, kLeast = 1e-30;  // of what a range reaches: steps and their inverses stay finite
constexpr double kLogFloor = 0.03;
constexpr double kMomentum = 0.1;

struct Ends {
  double least = 0, largest = 0;  // 0 among them
  double least_above = kLargest;  // of what is above 0

  void take(const Ends& e) {
    least = std::min(least, e.least), largest = std::max(largest, e.largest);
    least_above = std::min(least_above, e.least_above);
  }
};

// Several at a time: a comparison takes as long as four do.
template <class T>
Ends ends_of(const T* x, int64_t n) {
  constexpr int kLanes = 8;
  T least[kLanes], largest[kLanes], above[kLanes];
  std::fill_n(least, kLanes, T(0)), std::fill_n(largest, kLanes, T(0)), std::fill_n(above, kLanes, T(kLargest));
  const auto take = [&](int lane, T v) {
    least[lane] = v < least[lane] ? v : least[lane];
    largest[lane] = v > largest[lane] ? v : largest[lane];
    above[lane] = v > 0 && v < above[lane] ? v : above[lane];
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) take(lane, x[i + lane]);
  for (; i < n; ++i) take(0, x[i]);
  Ends all;
  for (int lane = 0; lane < kLanes; ++lane) all.take({double(least[lane]), double(largest[lane]), double(above[lane])});
  return all;
}

Ends ends_of(const Tensor& x) {
  const int64_t chunks = (x.size() + kElementGrain - 1) / kElementGrain;
  Tensor parts = Tensor::empty({chunks * int64_t(sizeof(Ends))}, DType::kU8);
  Ends all;
  by_float_type("quantize", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    Ends* part = static_cast<Ends*>(parts.raw());
    parallel_for(x.size(), kElementGrain,
                 [&](int64_t b, int64_t e, int) { part[b / kElementGrain] = ends_of(in + b, e - b); });
    for (int64_t i = 0; part && i < chunks; ++i) all.take(part[i]);
  });
  return all;
}

}  // namespace

CodeRange range_of(const Tensor& x, const QuantSpec& spec) {
  const Ends e = ends_of(x);
  const double low = std::max(e.least, -kLargest), high = std::min(e.largest, kLargest);
  if (spec.scheme == Scheme::kInt) return high - low > kLeast ? CodeRange{low, high} : CodeRange{0, 1};
  const bool both = spec.scheme == Scheme::kUniform || spec.scheme == Scheme::kTernary || spec.scheme == Scheme::kTanh;
  const double most = both ? std::max(-low, high) : high;
  if (!(most > kLeast)) return {};
  if (spec.scheme == Scheme::kLog) return {std::clamp(e.least_above, kLogFloor * most, most), most};
  return {both ? -most : 0, most};
}

CodeRange running_range(const Tensor& ends, const QuantSpec& spec) {
  CodeRange r;
  if (ends.has_data() && ends.raw()) r = {ends.at(0), ends.at(1)};
  if (!r.measured() && spec.scheme == Scheme::kInt) return {-1, 1};
  return r;
}

void move_range(const CodeRange& batch, Tensor* ends) {
  if (dry_run()) return;
  const CodeRange old{ends->at(0), ends->at(1)};
  by_float_type("quantize", *ends, [&]<class T>(T) {
    T* to = ends->mutable_data<T>();
    const auto moved = [&](double was, double now) {
      return old.measured() ? (1 - kMomentum) * was + kMomentum * now : now;
    };
    to[0] = T(moved(old.low, batch.low)), to[1] = T(moved(old.high, batch.high));
  });
}

}  // namespace bantam
