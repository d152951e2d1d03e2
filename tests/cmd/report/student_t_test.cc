#include "cmd/report/student_t.h"

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

using namespace bantam;

TEST_CASE("student_t: quantiles of the tables, and the normal's for many degrees of freedom") {
  const std::pair<double, double> table[] = {{1, 12.7062047}, {2, 4.3026527},  {3, 3.1824463},  {4, 2.7764451},
                                             {9, 2.2621572},  {29, 2.0452296}, {100, 1.9839715}};
  for (const std::pair<double, double>& row : table) {
    const double df = row.first, t = row.second;
    CAPTURE(df);
    CHECK(student_t_quantile(0.975, df) == doctest::Approx(t).epsilon(1e-7));  // the tables' last digit
    CHECK(student_t_quantile(0.025, df) == -student_t_quantile(0.975, df));
    CHECK(student_t_cdf(student_t_quantile(0.9, df), df) == doctest::Approx(0.9).epsilon(1e-12));
  }
  CHECK(student_t_quantile(0.975, 1e7) == doctest::Approx(1.9599640).epsilon(1e-6));
  // Of one degree of freedom, Cauchy's: 1/2 + atan(t) / pi.
  for (double t : {-3.0, -0.5, 0.0, 0.1, 7.0})
    CHECK(student_t_cdf(t, 1) == doctest::Approx(0.5 + std::atan(t) / std::acos(-1.0)).epsilon(1e-13));
}

TEST_CASE("summarize: 1, 2, 4 by hand; one value has no interval") {
  const Summary s = summarize({1, 2, 4});
  CHECK(s.n == 3);
  CHECK(s.mean == doctest::Approx(7.0 / 3));
  CHECK(s.stddev == doctest::Approx(std::sqrt(7.0 / 3)));  // squares 16/9 + 1/9 + 25/9 = 14/3, over 2
  CHECK(s.half_width == doctest::Approx(4.3026527 * std::sqrt(7.0) / 3).epsilon(1e-7));
  CHECK(summarize({5}).mean == 5);
  CHECK(std::isinf(summarize({5}).half_width));
  CHECK(summarize({}).n == 0);
}
