#include "cmd/run/run_folder.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "cmd/errors.h"
#include "tests/core/temp_folder.h"

using namespace bantam;
namespace fs = std::filesystem;

namespace {

Json epoch_line(int epoch, double loss) {
  return Json::object(
      {{"epoch", epoch},
       {"step", epoch * 10},
       {"lr", 0.1},
       {"train", Json::object({{"loss", loss}, {"top1", 0.5}})},
       {"eval", Json::object({{"split", "test"}, {"loss", loss + 1}, {"top1", 0.25}, {"top5", 0.75}})}});
}

}  // namespace

TEST_CASE("run folder: a log cut back and written again is the uninterrupted log") {
  const TempFolder folder;
  const std::string path = folder / "run";
  std::string whole;
  {
    auto run = RunFolder::create(path);
    CHECK_THROWS_AS(RunFolder::open(path), UsageError);  // not yet a run
    run->commit("about = \"x\"\n");
    run->log("start", Json::object({{"steps", 20}}));
    run->log("epoch", epoch_line(1, 2.0));
    const uint64_t mark = run->log_bytes();
    run->log("epoch", epoch_line(2, 1.0));
    whole = read_text(run->file("log.jsonl"), 1 << 20);
    CHECK(whole.substr(0, mark).back() == '\n');
    run->open_log(mark);
    CHECK(run->log_bytes() == mark);
    run->log("epoch", epoch_line(2, 1.0));
    CHECK(read_text(run->file("log.jsonl"), 1 << 20) == whole);
    run->write_curves("x, seed 0");
    CHECK(read_text(run->file("curves.csv"), 1 << 20) ==
          "epoch,step,lr,train_loss,train_top1,eval_split,eval_loss,eval_top1,eval_top5,cosine\n"
          "1,10,0.1,2,0.5,test,3,0.25,0.75,\n2,20,0.1,1,0.5,test,2,0.25,0.75,\n");
    CHECK(read_text(run->file("curves.svg"), 1 << 20).find("x, seed 0") != std::string::npos);
    CHECK_THROWS_AS(RunFolder::open(path), UsageError);  // this run still works in it
  }
  CHECK_THROWS_WITH_AS(RunFolder::create(path), doctest::Contains("holds a run already; go on with --resume"),
                       UsageError);
  auto again = RunFolder::open(path);
  CHECK_THROWS_AS(again->open_log(whole.size() + 1), FileError);
}

TEST_CASE("run folder: what is no run is named") {
  const TempFolder folder;
  const std::string path = folder / "run";
  CHECK_THROWS_WITH_AS(RunFolder::open(path), doctest::Contains("no such run folder"), UsageError);
  fs::create_directories(path);
  CHECK_THROWS_WITH_AS(RunFolder::open(path), doctest::Contains("recipe.toml is missing"), UsageError);
}
