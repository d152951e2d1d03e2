// What a net takes, tensor by tensor, told by the code that takes it: a training step and an inference are run dry
// (core/pool.h), and every buffer's life is recorded. So the figures are those of the pool's counters in a real run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cmd/recipe/recipe.h"
#include "nn/plan.h"

namespace bantam {

// Buffers of one node and one role ("output", "saved", "gradient", "parameter", "optimizer", ...) that are alive
// together when the pool holds most.
struct MemoryItem {
  std::string who, what;
  size_t bytes = 0;
};

struct MemoryPlan {
  size_t peak_bytes = 0;             // the pool's high-water mark
  std::vector<MemoryItem> at_peak;   // sums to peak_bytes; largest first
};

struct MemoryReport {
  int64_t batch = 0;
  size_t parameter_bytes = 0;        // weights, slopes, norms with their running statistics
  size_t gradient_bytes = 0;         // of all parameters, as after a backward pass; 0 where each is updated during it
  size_t optimizer_bytes = 0;
  size_t batch_bytes = 0;            // input batches held by the loader
  MemoryPlan training;               // a step: forward, loss, backward, update
  MemoryPlan inference;              // evaluation of one image
};

// Batches of input that the loader keeps, the one in use included; as bytes, or as f32 values.
struct HeldBatches {
  int count = 1;
  bool bytes = false;
};

// Of the recipe's training step (cmd/recipe/training.h) of this net, with train.batch images. recompute: as in
// Context.
MemoryReport memory_report(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held = {},
                           const List<Segment>& recompute = {});

// The pool's high-water mark in evaluation between two epochs, of train.eval_batch images in bytes: the trainer's state
// and batches are held beside it.
size_t evaluation_peak(const Recipe& recipe, const NetSpec& spec, const HeldBatches& held);

}  // namespace bantam
