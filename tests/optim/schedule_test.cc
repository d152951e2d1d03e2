#include "optim/schedule.h"

#include <doctest/doctest.h>

using namespace bantam;

TEST_CASE("schedule: multi-step changes at the milestone itself") {
  Schedule s{.kind = ScheduleKind::kMultiStep,
             .lr = 5e-3,
             .total_steps = 100,
             .warmup_steps = 0,
             .milestones = {10, 20},
             .lrs = {1e-3, 1e-4}};
  CHECK(learning_rate(s, 9) == 5e-3);
  CHECK(learning_rate(s, 10) == 1e-3);
  CHECK(learning_rate(s, 19) == 1e-3);
  CHECK(learning_rate(s, 1000) == 1e-4);
}

TEST_CASE("schedule: cosine runs from lr over lr / 2 to 0, after the warm-up") {
  Schedule s{
      .kind = ScheduleKind::kCosine, .lr = 2, .total_steps = 110, .warmup_steps = 10, .milestones = {}, .lrs = {}};
  CHECK(learning_rate(s, 0) == doctest::Approx(0.2));
  CHECK(learning_rate(s, 9) == doctest::Approx(2));
  CHECK(learning_rate(s, 10) == doctest::Approx(2));
  CHECK(learning_rate(s, 60) == doctest::Approx(1));
  CHECK(learning_rate(s, 110) == doctest::Approx(0));
  CHECK(learning_rate(s, 1000) == doctest::Approx(0));
}

TEST_CASE("schedule: milestones of a full schedule scale to the run's steps, rounded") {
  CHECK(scale_milestones({40, 80, 140}, 160, 391 * 4) == std::vector<int64_t>{391, 782, 1369});
}
