#include "cmd/report/metrics.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace bantam;

TEST_CASE("metrics: Wilson's interval, closed forms") {
  // right = 0: [0, zz / (n + zz)] with zz = 1.96^2 = 3.8415; n = 10: 3.8415 / 13.8415 = 0.27754
  CHECK(wilson95(0, 10).low == doctest::Approx(0).epsilon(1e-12));
  CHECK(wilson95(0, 10).high == doctest::Approx(0.2775328).epsilon(1e-6));
  // p = 1/2: middle 1/2, half width z / (2 sqrt(n + zz)) = 1.959964 / (2 sqrt(103.8415)) = 0.0961695
  CHECK(wilson95(50, 100).low == doctest::Approx(0.5 - 0.0961695).epsilon(1e-6));
  CHECK(wilson95(50, 100).high == doctest::Approx(0.5 + 0.0961695).epsilon(1e-6));
  CHECK(wilson95(10, 10).high == doctest::Approx(1).epsilon(1e-12));
  CHECK(wilson95(0, 0).low == 0);
  CHECK(wilson95(0, 0).high == 1);
}

TEST_CASE("metrics: equal scores rank by index, NaN ranks last") {
  const float ties[] = {1, 3, 3, 0};
  CHECK(rank_of(ties, 4, 1) == 0);
  CHECK(rank_of(ties, 4, 2) == 1);
  CHECK(rank_of(ties, 4, 0) == 2);
  CHECK(rank_of(ties, 4, 3) == 3);
  CHECK(best_class(ties, 4) == 1);
  const float nan = std::nanf("");
  const float with_nan[] = {nan, -1, nan, -2};
  CHECK(best_class(with_nan, 4) == 1);
  CHECK(rank_of(with_nan, 4, 3) == 1);
  CHECK(rank_of(with_nan, 4, 0) == 2);
  CHECK(rank_of(with_nan, 4, 2) == 3);
}

TEST_CASE("metrics: counts, recall, precision and F1 of a batch worked by hand") {
  Metrics m(3);
  // predictions 0, 1, 1, 0 for truths 0, 1, 0, 1
  const float scores[] = {2, 1, 0, 0, 5, 1, 1, 2, 0, 9, 8, 7};
  const int32_t labels[] = {0, 1, 0, 1};
  m.add(scores, labels, 2, 0.5);
  m.add(scores + 6, labels + 2, 2, 1.5);
  CHECK(m.images() == 4);
  CHECK(m.top1() == 0.5);
  CHECK(m.top5() == 1.0);  // 3 classes: top-3
  CHECK(m.loss() == 0.5);
  CHECK(m.confusion(0, 0) == 1);
  CHECK(m.confusion(0, 1) == 1);
  CHECK(m.confusion(1, 0) == 1);
  CHECK(m.confusion(1, 1) == 1);
  CHECK(*m.figures_of(0).recall == 0.5);
  CHECK(*m.figures_of(0).precision == 0.5);
  CHECK(*m.figures_of(0).f1 == 0.5);
  CHECK(!m.figures_of(2).recall);
  CHECK(!m.figures_of(2).precision);
  CHECK(!m.figures_of(2).f1);
  CHECK(confusion_csv(m, {"a", "b,c", "d"}) == "truth\\predicted,a,\"b,c\",d\na,1,1,0\n\"b,c\",1,1,0\nd,0,0,0\n");
  const std::string text = metrics_text(m, {"a", "b", "c"});
  CHECK(text.find("top-1  50.00 %  (95 % interval 15.00 to 85.00, 2 of 4)") != std::string::npos);
}

TEST_CASE("metrics: top-5 counts the first five ranks") {
  Metrics m(7);
  const float scores[] = {7, 6, 5, 4, 3, 2, 1};
  for (int32_t label = 0; label < 7; ++label) m.add(scores, &label, 1, 0);
  CHECK(m.top1_right() == 1);
  CHECK(m.top5_right() == 5);
}
