// The largest value of each window [ops/kernels/pool.h] with its position, which the gradient goes back by. Definition:
// ops/kernels/pool_ref.h.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_shape.h"
#include "ops/kernels/pool.h"

namespace bantam {

// positions: max_pool_planes(s) * max_pool_plane_bytes(s) bytes, of the whole batch. row_begin is a multiple of 8, and
// so is row_end, unless it is the last: no two ranges share a byte.
void max_pool_positions_f32(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                            int64_t row_end) noexcept;

}  // namespace bantam
