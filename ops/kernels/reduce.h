// Sums, moments and softmax over contiguous f32. Single-threaded over the range that they get; a caller who splits rows
// over threads cuts at points that depend on the shape alone and adds the f64 results in order. Definitions:
// reduce_ref.h.
#pragma once

#include <cstdint>

namespace bantam {

// Sums, |error| <= 68 * 2^-24 * sum |terms| (columns-inl.h). The sum of squares is dot_f32(x, x, n).
double sum_f32(const float* x, int64_t n) noexcept;
double dot_f32(const float* a, const float* b, int64_t n) noexcept;

// Over rows [rows, C]; results [C], overwritten.
void channel_sums_f32(const float* x, int64_t rows, int64_t c, double* sums) noexcept;
void channel_dots_f32(const float* a, const float* b, int64_t rows, int64_t c, double* dots) noexcept;  // sum of a b
// mean and m2 = sum (x - mean)^2, in one pass over memory, as deviations from the mean of the first 16 rows or more
// (reduce.cc). m2 errs by about 70 * 2^-24 of itself, whatever the mean; by rows / 16 times that at worst, if all first
// rows are far from all others. 0 and 0 for no rows. With `slope` [C], of x >= 0 ? x : x slope instead of x.
void channel_moments_f32(const float* x, int64_t rows, int64_t c, double* mean, double* m2,
                         const float* slope = nullptr) noexcept;

// Moments of `count` rows and of `count_b` others -> of all of them, for c channels. [Chan, Golub, LeVeque 1979]
inline void merge_moments(double count, double* mean, double* m2, double count_b, const double* mean_b,
                          const double* m2_b, int64_t c) noexcept {
  if (!(count + count_b > 0)) return;
  const double weight = count_b / (count + count_b);
  for (int64_t k = 0; k < c; ++k) {
    const double delta = mean_b[k] - mean[k];
    mean[k] += delta * weight;
    m2[k] += m2_b[k] + delta * delta * (count * weight);
  }
}

// Each row of [rows, C], C >= 1: out = e^(x - max) / sum, or x - max - log(sum). The row's maximum leaves first, so
// nothing overflows. NaN, or two infinities, make a row NaN. In place is allowed.
void softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept;
void log_softmax_rows_f32(const float* x, float* out, int64_t rows, int64_t c) noexcept;

}  // namespace bantam
