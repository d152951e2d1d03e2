#include "cmd/run/toy_apsq.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

using namespace bantam;

// [T 6.2] [T 6.5]
TEST_CASE(
    "toy: BWN flips signs again and again, and never settles; with the angle penalty nothing flips, and it ends at the "
    "minimum") {
  std::map<std::string, ToyTrajectory> by_name;
  for (const ToyArm& arm : toy_arms()) by_name[arm.name] = run_toy(arm);
  const ToyTrajectory &bwn = by_name.at("BWN"), &learned = by_name.at("learned scale"),
                      &l2 = by_name.at("learned scale + L2"), &angle = by_name.at("BWN + angle (APSQ)");
  // Counts of an independent run of the same setting.
  CHECK(bwn.flips == 29);
  CHECK(learned.flips == 8);
  CHECK(l2.flips == 0);
  CHECK(angle.flips == 0);
  // The first never settles: in its second half it still jumps between the diagonals.
  int late = 0;
  for (size_t i = bwn.steps.size() / 2; i + 1 < bwn.steps.size(); ++i)
    late += bwn.steps[i].quantized[0] * bwn.steps[i + 1].quantized[0] < 0 ? 1 : 0;
  CHECK(late >= 10);
  const ToyStep& end = angle.steps.back();
  CHECK(end.quantized[0] == doctest::Approx(0.977).epsilon(1e-3));
  CHECK(end.quantized[1] == end.quantized[0]);
  CHECK(end.loss == doctest::Approx(0.026).epsilon(0.05));
  CHECK(end.cosine > 0.999);
  CHECK(l2.steps.back().quantized[0] == doctest::Approx(1.355).epsilon(1e-3));
  CHECK(l2.steps.back().loss > 10 * end.loss);
}

TEST_CASE("toy: the surface's minima are at (1, 1) and (0, 3), and its gradient is its slope") {
  CHECK(toy_loss({1, 1}) == 0);
  CHECK(toy_loss({0, 3}) == 0);
  const Point2 at = {1.5, 2.25}, g = toy_gradient(at);
  constexpr double h = 1e-6;
  CHECK(g[0] == doctest::Approx((toy_loss({at[0] + h, at[1]}) - toy_loss({at[0] - h, at[1]})) / (2 * h)).epsilon(1e-8));
  CHECK(g[1] == doctest::Approx((toy_loss({at[0], at[1] + h}) - toy_loss({at[0], at[1] - h})) / (2 * h)).epsilon(1e-8));
}
