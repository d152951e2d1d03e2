// Sums, moments and softmax over contiguous f32. Single-threaded over the range that they get; a caller who splits rows over
// threads cuts at points that depend on the shape alone and adds the f64 results in order. Definitions: reduce_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

// Sums, |error| <= 68 * 2^-24 * sum |terms| (columns-inl.h). The sum of squares is dot_f32(x, x, n).
double sum_f32(const float* x, int64_t n) noexcept;
double dot_f32(const float* a, const float* b, int64_t n) noexcept;

// Over rows [rows, C]; results [C], overwritten.
void channel_sums_f32(const float* x, int64_t rows, int64_t c, double* sums) noexcept;
void channel_dots_f32(const float* a, const float* b, int64_t rows, int64_t c, double* dots) noexcept;  // sum of a b
// mean and m2 = sum (x - mean)^2, in one pass over memory: each block's mean first, then its deviations while it is in cache,
// then the blocks are merged. No cancellation, whatever the mean. 0 and 0 for no rows.
void channel_moments_f32(const float* x, int64_t rows, int64_t c, double* mean, double* m2) noexcept;

// (mean, m2) of count rows and (mean_b, m2_b) of count_b others -> those of all of them. [Chan, Golub, LeVeque 1979]
inline void merge_moments(double count, double* mean, double* m2, double count_b, double mean_b, double m2_b) noexcept {
  const double all = count + count_b;
  if (!(all > 0)) return;
  const double delta = mean_b - *mean;
  *mean += delta * (count_b / all);
  *m2 += m2_b + delta * delta * (count * (count_b / all));
}

// Each row of [rows, C], C >= 1: out = e^(x - max) / sum, or x - max - log(sum). The row's maximum leaves first, so nothing
// overflows. NaN, or two infinities, make a row NaN. In place is allowed.
void softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept;
void log_softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept;

}  // namespace bantam
