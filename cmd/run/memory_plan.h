// --mem-limit: which pieces of a net a training step computes a second time in backward, so that it fits a limit;
// nothing else changes, not a bit of any result.
#pragma once

#include <string>
#include <vector>

#include "cmd/run/memory_report.h"
#include "cmd/recipe/recipe.h"
#include "nn/plan.h"

namespace bantam {

struct RecomputePlan {
  List<Segment> segments;  // for Context::recompute; none where the step fits as it is
  size_t peak_bytes = 0;          // of the step, by a dry run of it as planned
  double extra = 0;               // operations that run twice, as a share of the forward pass
};

// The plan that computes least a second time, by dynamic programming over the net's cuts with what each piece takes in
// a dry run of its own; the step as planned is then run dry as a whole. Throws UsageError that says how much is missing
// and what takes most.
RecomputePlan plan_memory(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held, size_t limit);

// Batches that the trainer's loader holds.
HeldBatches held_batches(const Recipe& recipe);

// For the trainer and `info`: a recipe's step, and its evaluation (of train.eval_batch images), which a plan cannot
// make smaller.
RecomputePlan plan_recipe(const Recipe& recipe, const NetSpec& spec, size_t limit);

// "fits, 153 MiB of tensors at most" or "..., with pool1 to hardtanh4 computed again in backward (12 % of the forward
// pass)".
std::string describe(const RecomputePlan& plan, const NetSpec& spec);

// "512MiB", "1.5 GiB", "100000": bytes, with KiB, MiB or GiB. Throws UsageError.
size_t parse_bytes(const std::string& text);

}  // namespace bantam
