// Weight and bias gradient of the f32 convolution (ops/kernels/conv_f32.h):
//   dw[k,ky,kx,c] = sum_pixels dy[p,k] x[window of p, ky,kx,c],
// a product whose depth is the pixels of the batch. Pixels go in blocks of 128 or 256; each block is a sum of its
// own, added to dw (one chain over 10^5 pixels would lose an order of magnitude of accuracy). Definition:
// ops/kernels/conv_ref.h; the order of the sums depends on the shape alone, neither on the split into ranges nor on the
// number of lanes.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

constexpr int64_t kWeightGradMaxBlock = 256;  // pixels

// How the work is cut, a function of the shape alone. Tasks are groups x splits x parts: a split is a range of blocks
// with its own sum, a part a range of dw's column panels.
struct ConvWeightGradPlan {
  bool by_tap = false;     // a column panel stays within one tap, whose pixels outside the image are skipped
  int64_t block = 0;       // pixels of a block
  int64_t blocks = 0, splits = 0, parts = 0, panels = 0;
  int64_t tasks = 0;
  int64_t scratch = 0;     // floats a lane
  int64_t partial = 0;     // floats of the sums of splits 1, 2, ...: [splits - 1] arrays like dw
};

constexpr ConvWeightGradPlan conv_weight_grad_f32_plan(const ConvShape& s) {
  ConvWeightGradPlan p;
  const int64_t cg = s.group_c(), columns = s.taps() * cg, size = s.k * columns;
  p.by_tap = cg % 32 == 0;
  p.panels = p.by_tap ? s.taps() * ((cg + 31) / 32) : (columns + 31) / 32;
  // Both factors of 128 pixels stay in L1; but each block passes over dw, which is large where pixels are few.
  p.block = conv_f32_rows(s) > 1024 ? 128 : kWeightGradMaxBlock;
  p.blocks = (conv_f32_rows(s) + p.block - 1) / p.block;
  // As many splits as keep their sums within 4 MiB: each reads its own pixels, once. Parts all read the same ones: no
  // more than it takes to have work for 8 threads.
  p.splits = 1;
  while (p.splits < 16 && 2 * p.splits <= p.blocks && 2 * p.splits * size <= (1 << 20)) p.splits *= 2;
  const int64_t want = (8 + p.splits * s.groups - 1) / (p.splits * s.groups);
  p.parts = want < p.panels ? want : p.panels;
  p.tasks = s.groups * p.splits * p.parts;
  p.scratch = p.block * ((s.group_k() + 15) / 16 * 16 + kGemmPanel);
  p.partial = (p.splits - 1) * size;
  return p;
}

// Runs tasks [task_begin, task_end): split 0 sums into dw, the others into partial. Then dw += partial[0], [1], ... in
// order.
void conv_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, float* dw, float* partial,
                          int64_t task_begin, int64_t task_end, float* scratch) noexcept;

// ---- Bias gradient: db[k] = sum of dy[rows, k]: sums of chunks of kBiasGradChunk rows, into chunk_sums [chunks][K],
// to be added up in order.
constexpr int64_t kBiasGradChunk = 1024;
void bias_grad_f32(const float* dy, int64_t rows, int64_t k, float* sum) noexcept;  // of one chunk

}  // namespace bantam
