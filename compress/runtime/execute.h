// Runs the ops of a checked model.
#pragma once

#include <cstdint>

#include "compress/runtime/bnt.h"
#include "compress/runtime/reader.h"

namespace bantam::packed {

// Weights of the integer convolutions in the running target's order, and of floats that are kept as codes; mem has
// info.model_bytes. BNT_MISSING_FAMILY, and which op, where the program's list leaves out what the model needs.
bnt_status lay_out_weights(const Reader& model, uint8_t* mem, bnt_where* where) noexcept;

struct Execution {
  const Reader* model;
  const uint8_t* mem;
  uint8_t* arena;
  uint32_t index;                // of the switch
  const bnt_parallel* parallel;  // lanes >= 1; run is null for one lane
  bnt_tap tap;                   // or null
  void* tap_user;
  int (*poll)(void*);            // or null
  void* poll_user;
};

// One image [h][w][c] -> scores [classes]. BNT_BAD_PARALLEL if the caller's `run` did not run each task once,
// BNT_CANCELLED if `poll` said to stop before an op; then the scores are as they were.
bnt_status execute(const Execution& e, const uint8_t* image, float* scores) noexcept;

// The arithmetic of the program's families, on values whose results are known by hand: a fused multiply-add and the
// order of a sum, signs, rounding, thresholds.
bool kernels_are_sane() noexcept;

}  // namespace bantam::packed
