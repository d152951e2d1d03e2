#include "cmd/run/arms.h"

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>

#include "cmd/errors.h"
#include "cmd/run/arm_plot.h"
#include "cmd/run/run_folder.h"
#include "core/file.h"
#include "tests/core/error_text.h"
#include "tests/core/temp_folder.h"

using namespace bantam;
namespace fs = std::filesystem;

namespace {

// A run folder as the trainer leaves it: these top-1, one an epoch.
void make_run(const std::string& path, int seed, const std::vector<double>& top1, bool finished = true,
              const std::string& split = "test") {
  fs::create_directories(path);
  atomic_write(path + "/recipe.toml", "[train]\nseed = " + std::to_string(seed) + "\n");
  std::string log = "{\"schema\":1,\"event\":\"start\"}\n";
  for (size_t i = 0; i < top1.size(); ++i)
    log += Json::object(
               {{"schema", 1},
                {"event", "epoch"},
                {"epoch", int64_t(i + 1)},
                {"step", int64_t(10 * (i + 1))},
                {"lr", 0.1},
                {"train", Json::object({{"loss", 1.0}, {"top1", 0.5}})},
                {"eval", Json::object({{"split", split}, {"loss", 2 - top1[i]}, {"top1", top1[i]}, {"top5", 1.0}})}})
               .dump() +
           "\n";
  if (finished) log += "{\"schema\":1,\"event\":\"end\"}\n";
  atomic_write(path + "/log.jsonl", log);
}

}  // namespace

TEST_CASE("arms: the paired difference by seed, its interval and its verdict, by hand") {
  const TempFolder dir;
  const double base[] = {0.70, 0.72, 0.71};
  for (int seed = 0; seed < 3; ++seed) {
    const std::string name = "/seed-" + std::to_string(seed);
    make_run(dir / ("base" + name), seed, {0.6, base[seed]});
    make_run(dir / ("better" + name), seed, {0.9, base[seed] + 0.02 + 0.001 * seed});
    make_run(dir / ("noise" + name), seed, {base[seed] + (seed == 1 ? 0.03 : -0.01)});
  }
  make_run(dir / "half/seed-0", 0, {0.9}, false);
  make_run(dir / "half/seed-1", 1, {0.5});
  const std::vector<Arm> arms = read_arms({dir.path()});
  REQUIRE(arms.size() == 4);  // by name
  CHECK(arms[0].name == "base");
  CHECK(arms[1].name == "better");
  CHECK(arms[2].name == "half");
  CHECK(arms[3].name == "noise");
  const std::vector<ArmRow> rows = compare(arms, 0, ArmMetric::kTop1);
  CHECK(rows[0].own.mean == doctest::Approx(71));
  CHECK(rows[0].own.stddev == doctest::Approx(1));
  CHECK(rows[0].verdict == "");
  CHECK(rows[1].difference.n == 3);
  CHECK(rows[1].difference.mean == doctest::Approx(2.1));
  CHECK(rows[1].difference.half_width == doctest::Approx(4.3026527 * 0.1 / std::sqrt(3.0)).epsilon(1e-6));
  CHECK(rows[1].verdict == "better");
  CHECK(rows[2].unfinished == 1);
  CHECK(rows[2].own.n == 1);
  CHECK(rows[2].verdict == "one seed");
  CHECK(rows[3].verdict == "within noise");
  CHECK(compare(arms, 1, ArmMetric::kTop1)[0].verdict == "worse");
  CHECK(compare(arms, 0, ArmMetric::kLoss)[1].verdict == "better");  // a lower loss
  CHECK(compare(arms, 0, ArmMetric::kBest)[1].own.mean == doctest::Approx(90));
  CHECK(read_arms({dir / "base/seed-0", dir / "noise"}).size() == 2);
}

// [T 3.2.6]
TEST_CASE("pareto front: points that nobody beats, by cost; of equal ones the first; what is not finite is left out") {
  const double nan = std::nan("");
  CHECK(pareto_front({{10, 70}, {5, 60}, {20, 65}, {5, 60}, {5, 50}, {30, 80}, {1, nan}, {nan, 90}}) ==
        std::vector<size_t>{1, 0, 5});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("arms: the figure has a curve and a band for each arm, and no NaN where nothing is known of a net") {
  const TempFolder dir;
  for (int seed = 0; seed < 2; ++seed)
    for (const char* arm : {"a", "b"})
      make_run(dir / (std::string(arm) + "/" + std::to_string(seed)), seed, {0.5, 0.6 + 0.01 * seed});
  const std::string svg = arms_chart(read_arms({dir.path()}));
  size_t bands = 0;
  for (size_t at = svg.find("fill-opacity"); at != std::string::npos; at = svg.find("fill-opacity", at + 1)) ++bands;
  CHECK(bands == 2);
  CHECK(svg.find("nan") == std::string::npos);
}

TEST_CASE("arms: what is no arm is named") {
  const TempFolder dir;
  const auto said = [&](const std::vector<std::string>& folders) {
    return error_text<UsageError>([&] { read_arms(folders); });
  };
  CHECK(said({dir / "none"}).find("no such folder") != std::string::npos);
  CHECK(said({dir.path()}).find("holds no run, and no folder of it does") != std::string::npos);
  make_run(dir / "a/one", 3, {0.5});
  make_run(dir / "a/two", 3, {0.5});
  CHECK(said({dir / "a"}).find("has seed 3, as") != std::string::npos);
  make_run(dir / "b/one", 1, {0.5});
  make_run(dir / "b/two", 2, {0.5}, true, "holdout");
  CHECK(said({dir / "b"}).find("was evaluated on holdout, other runs of the arm on test") != std::string::npos);
  make_run(dir / "c", 1, {0.5});
  CHECK(said({dir / "c", dir / "c"}).find("two arms are named c") != std::string::npos);
  atomic_write(dir / "c/log.jsonl", "{\"event\":");
  CHECK_THROWS_AS(read_arms({dir / "c"}), FileError);
}
