// What follows from an op's record, its input's shape and its stages: the shapes of its rows, and how it uses a lane's
// scratch memory. One definition for the packer (which plans), the reader (which checks) and the executor (which runs).
#pragma once

#include <cstdint>

#include "compress/runtime/format.h"
#include "ops/kernels/conv_planes.h"
#include "ops/kernels/conv_shape.h"

namespace bantam::packed {

struct Geometry {
  ConvShape conv;  // of a convolution, and how it multiplies
  Product product = Product::kNone;
  Elements in, out;    // of the op's tensor; of the one that it makes besides floats, if it does
  uint64_t in_h = 0, in_w = 0, in_c = 0;
  uint64_t h = 0, w = 0, c = 0;   // rows as the source yields them
  uint32_t appended = 0;          // stages of kConcat, which the source has done
  int pool = -1;                  // index of the stage that pools, or -1
  uint64_t out_h = 0, out_w = 0;  // after the pool

  uint64_t part_c = 0, parts = 1;  // output channels of a task, and into how many parts that cuts them
  uint64_t tasks = 0;              // of `band` output rows and `part_c` channels each
  uint64_t source_rows = 0;  // most rows of the source that a task needs

  // A lane's scratch, in this order, each part rounded up to kAlign; a part that the op does not need has 0 bytes.
  uint64_t rows_bytes = 0;    // rows of the source, unless they go straight to the output tensor
  uint64_t pooled_bytes = 0;  // rows after the pool where only their codes are kept
  uint64_t codes_bytes = 0;   // codes before the pool, where there are thresholds and a pool
  uint64_t kernel_bytes = 0;  // working memory of the kernel
  uint64_t scratch_bytes = 0;
  uint64_t gemm_rows = 0;  // block_rows of the f32 convolution

  uint64_t weight_bytes = 0;  // of the payload
  uint64_t model_bytes = 0;   // of the weights as laid out in mem
  uint64_t macs = 0;

  // Of a product of codes: could it be one of planes of bits [ops/kernels/conv_planes.h]? Their numbers; else x is 0.
  Planes planes = {.x = 0};

  // Of an op with thresholds: bits by bits to bits, without sums in memory.
  bool makes_bits_at_once() const { return product == Product::kXnor && out.type == Type::kBits; }
};

// Where a record is wrong: in the op itself, or in its stage `stage`.
struct Fault {
  int stage = -1;
  uint32_t at = 0;  // byte offset in the record
};

struct Dims {
  uint32_t h = 0, w = 0, c = 0;
  Elements elements = {};
};

// Fills *g; false with *fault if the record is impossible for an input of these dims, and for codes `out` besides its
// floats. `stages` has op.n_stages of them.
// Every number is bounded by the limits of format.h, so nothing here overflows.
bool derive(const OpRecord& op, Dims in, const Elements& out, const StageRecord* stages, Geometry* g,
            Fault* fault) noexcept;

constexpr uint64_t aligned(uint64_t v) { return (v + kAlign - 1) / kAlign * kAlign; }

}  // namespace bantam::packed
