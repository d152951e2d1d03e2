// Runs of one setting with several seeds, and settings against one another.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cmd/report/student_t.h"

namespace bantam {

struct ArmRun {
  std::string path = {};
  bool finished = false;                     // its log has an end; only such runs count
  double top1 = 0, best_top1 = 0, loss = 0;  // shares and cross-entropy; of the last evaluation, and of the best
  std::map<int64_t, double> top1_by_epoch = {};  // where it was evaluated
};
struct Arm {
  std::string name = {};
  std::string split = {};               // on which it was evaluated
  std::map<int64_t, ArmRun> runs = {};  // by seed
};

// An arm from a run folder, or from a folder of run folders (the arm's seeds). Throws UsageError where there is no run,
// where two runs have one seed, or where they were evaluated on different splits; FileError on a file that is not what
// the trainer writes.
Arm read_arm(const std::string& folder);
// Of each folder its arm; a folder of folders of runs stands for all of these, by name.
std::vector<Arm> read_arms(const std::vector<std::string>& folders);

enum class ArmMetric : uint8_t { kTop1, kBest, kLoss };
constexpr const char* name_of(ArmMetric metric) {
  switch (metric) {
    case ArmMetric::kTop1:
      return "top1";
    case ArmMetric::kBest:
      return "best";
    case ArmMetric::kLoss:
      return "loss";
  }
  return nullptr;
}

// One arm beside another: over the seeds that both have finished.
struct ArmRow {
  std::string name = {};
  Summary own = {};         // over its own seeds; top-1 in per cent
  Summary difference = {};  // of pairs by seed, this arm less the other; none of the other itself
  int unfinished = 0;
  std::string verdict = {};  // "better", "worse", "within noise", "one seed", "no pair", "" of the other itself
};
// `against`: index of the arm that the others are held against.
std::vector<ArmRow> compare(const std::vector<Arm>& arms, size_t against, ArmMetric metric);

}  // namespace bantam
