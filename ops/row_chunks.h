// How rows [rows, C] are cut for sums per channel: by the shape alone, so that any number of threads adds in the same
// order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/fixed_point.h"
#include "core/parallel.h"

namespace bantam {

struct RowChunks {
  int64_t rows = 0;   // of a chunk
  int64_t count = 0;  // chunks; 0 for no rows

  // At most 32 chunks, because each has partial sums of its own that must be added; for the same reason at least
  // 4 * kElementGrain elements and 64 rows each.
  static RowChunks of(int64_t rows, int64_t c) {
    constexpr int64_t kMaxChunks = 32;
    if (rows <= 0) return {};
    const int64_t least = std::max<int64_t>(64, ceil_div(4 * kElementGrain, std::max<int64_t>(1, c)));
    const int64_t size = std::max(least, ceil_div(rows, kMaxChunks));
    return {size, ceil_div(rows, size)};
  }
};

// Rows of a chunk of elementwise work on [rows, C].
inline int64_t row_grain(int64_t c) { return std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, c)); }

}  // namespace bantam
