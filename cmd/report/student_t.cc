#include "cmd/report/student_t.h"

#include <cmath>
#include <limits>

namespace bantam {
namespace {

// The regularized incomplete beta function I_x(a, b) by its continued fraction (Lentz's method), which converges fast
// where x < (a + 1) / (a + b + 2); elsewhere I_x(a, b) = 1 - I_{1-x}(b, a).
double incomplete_beta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incomplete_beta(1 - x, b, a);
  constexpr double kTiny = 1e-300;
  double c = 1, d = 1 / std::fmax(1 - (a + b) * x / (a + 1), kTiny), h = d;
  for (int m = 1; m < 10000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      d = 1 + term * d, c = 1 + term / c;
      d = 1 / (std::fabs(d) < kTiny ? kTiny : d);
      if (std::fabs(c) < kTiny) c = kTiny;
      h *= step = c * d;
    }
    if (std::fabs(step - 1) < 1e-15) break;
  }
  const double log_front =
      a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) - std::log(a);
  return std::exp(log_front) * h;
}

}  // namespace

double student_t_cdf(double t, double df) {
  const double tail = incomplete_beta(df / (df + t * t), df / 2, 0.5) / 2;
  return t > 0 ? 1 - tail : tail;
}

double student_t_quantile(double p, double df) {
  if (p == 0.5) return 0;
  if (p < 0.5) return -student_t_quantile(1 - p, df);
  double low = 0, high = 1;
  while (student_t_cdf(high, df) < p && high < 1e12) high *= 2;
  for (int i = 0; i < 200 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle == low || middle == high) break;
    (student_t_cdf(middle, df) < p ? low : high) = middle;
  }
  return high;
}

Summary summarize(const std::vector<double>& values) {
  Summary s{.n = int(values.size())};
  for (double v : values) s.mean += v / double(s.n);
  double squares = 0;
  for (double v : values) squares += (v - s.mean) * (v - s.mean);
  if (s.n < 2) {
    s.half_width = std::numeric_limits<double>::infinity();
    return s;
  }
  s.stddev = std::sqrt(squares / (s.n - 1));
  s.half_width = student_t_quantile(0.975, s.n - 1) * s.stddev / std::sqrt(double(s.n));
  return s;
}

}  // namespace bantam
