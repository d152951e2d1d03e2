#include "ops/copy_block.h"

#include <cstring>

#include "core/parallel.h"
#include "ops/row_chunks.h"

namespace bantam {

void copy_block(const Tensor& from, const Shape& from_at, Tensor* to, const Shape& to_at, const Shape& extent) {
  if (extent.size() == 0) return;
  const size_t bytes = size_of(from.dtype());
  if (extent.rank == 0) {
    parallel_for(1, 1, [&](int64_t, int64_t, int) { std::memcpy(to->raw(), from.raw(), bytes); });
    return;
  }
  // A run is contiguous in both: the last axis, and those before it while everything below them is whole.
  const Shape &fs = from.shape(), &ts = to->shape();
  int axis = extent.rank - 1;
  int64_t run = extent[axis];
  while (axis > 0 && fs[axis] == extent[axis] && ts[axis] == extent[axis]) run *= extent[--axis];
  int64_t rows = 1;
  for (int i = 0; i < axis; ++i) rows *= extent[i];

  const char* src = static_cast<const char*>(from.raw());
  char* dst = static_cast<char*>(to->raw());
  parallel_for(rows, row_grain(run), [&](int64_t b, int64_t e, int) {
    for (int64_t r = b; r < e; ++r) {
      int64_t rest = r, f = 0, t = 0, f_stride = 1, t_stride = 1;
      for (int i = extent.rank - 1; i >= 0; --i) {
        int64_t at = 0;
        if (i < axis) {
          at = rest % extent[i];
          rest /= extent[i];
        }
        f += (from_at[i] + at) * f_stride;
        t += (to_at[i] + at) * t_stride;
        f_stride *= fs[i];
        t_stride *= ts[i];
      }
      std::memcpy(dst + size_t(t) * bytes, src + size_t(f) * bytes, size_t(run) * bytes);
    }
  });
}

}  // namespace bantam
