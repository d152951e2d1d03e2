// Student's t distribution: how wide the interval of a mean of few values is.
#pragma once

#include <vector>

namespace bantam {

// P(T <= t) with `df` degrees of freedom, at least 1.
double student_t_cdf(double t, double df);
// The t that a fraction `p` of (0, 1) lies below.
double student_t_quantile(double p, double df);

struct Summary {
  int n = 0;
  double mean = 0;
  double stddev = 0;      // of the sample (n - 1); 0 with one value
  double half_width = 0;  // of the mean's 95 % interval, t * stddev / sqrt(n); infinite with one value
};
Summary summarize(const std::vector<double>& values);

}  // namespace bantam
