// Sums down the columns of rows [rows, C], for inclusion in a foreach_target unit after lanes-inl.h.
//
// Rows are cut into blocks whose size depends on the shape alone; a block is summed in f32, four rows at a time as
// (a + b) + (c + d), at most 256 rows, and added to f64 totals. So a sum errs by at most 66 * 2^-24 * sum |x| (64
// additions in a chain, two in the tree), however many rows there are, and is the same for any number of threads.
// Columns never mix, so targets differ by fused multiply-adds at most.
#if defined(BANTAM_OPS_KERNELS_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_COLUMNS_INL_H_
#undef BANTAM_OPS_KERNELS_COLUMNS_INL_H_
#else
#define BANTAM_OPS_KERNELS_COLUMNS_INL_H_
#endif

#include "ops/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {

// A block: `rows` rows of `columns` columns, `stride` apart, the first at element `offset` of the arrays; column i
// belongs to channel `channel` + i % channels.
struct ColumnBlock {
  int64_t offset, rows, columns, stride, channel, channels;
};

// One step down: ROWS (4 or 1) rows from `row` on, one vector of columns.
template <int A, int ROWS, class Load, class F>
HWY_INLINE void column_step(const ColumnBlock& b, const F& f, const Load& load, int64_t row, int64_t column,
                            float (*acc)[kMaxColumns]) {
  const DF d;
  const int64_t at = b.offset + row * b.stride + column;
  VF t[2] = {hn::Zero(d), hn::Zero(d)}, u[2] = {hn::Zero(d), hn::Zero(d)};
  // No loop over the terms: g++ 12 at -O2 would keep them in memory.
  static_assert(A == 1 || A == 2);
  if constexpr (ROWS == 4) {
    f.two(load, at, at + b.stride, column, t);
    f.two(load, at + 2 * b.stride, at + 3 * b.stride, column, u);
    t[0] = hn::Add(t[0], u[0]);
    if constexpr (A == 2) t[1] = hn::Add(t[1], u[1]);
  } else {
    f.one(load, at, column, t);
  }
  hn::StoreU(hn::Add(hn::LoadU(d, acc[0] + column), t[0]), d, acc[0] + column);
  if constexpr (A == 2) hn::StoreU(hn::Add(hn::LoadU(d, acc[1] + column), t[1]), d, acc[1] + column);
}

// acc[a][i] = sum over the block's rows of term a at (row, column i), a < A. `one` gives the terms of the element at an
// offset of the arrays, f.one(load, at, column in the block, out[A]); `two` the sums of the terms of two: a product of
// the second may be fused into its sum with the first.
template <int A, class F> HWY_INLINE void sum_columns(const ColumnBlock& b, const F& f, float (*acc)[kMaxColumns]) {
  const DF d;
  for (int a = 0; a < A; ++a)
    for (int64_t i = 0; i < b.columns; i += kLanes) hn::StoreU(hn::Zero(d), d, acc[a] + i);
  const int64_t whole = b.columns / kLanes * kLanes;
  const PartLoad part{b.columns - whole};
  int64_t r = 0;
  for (; r + 4 <= b.rows; r += 4) {
    for (int64_t i = 0; i < whole; i += kLanes) column_step<A, 4>(b, f, WholeLoad(), r, i, acc);
    if (part.k > 0) column_step<A, 4>(b, f, part, r, whole, acc);
  }
  for (; r < b.rows; ++r) {
    for (int64_t i = 0; i < whole; i += kLanes) column_step<A, 1>(b, f, WholeLoad(), r, i, acc);
    if (part.k > 0) column_step<A, 1>(b, f, part, r, whole, acc);
  }
}

// x[at] + x[next], a vector of each.
template <class Load> HWY_INLINE VF sum_of_two(const Load& load, const float* x, int64_t at, int64_t next) {
  return hn::Add(load.far(x + at), load.far(x + next));
}

// Calls block(ColumnBlock) over rows [rows, C], in order.
template <class Block> HWY_INLINE void for_column_blocks(int64_t rows, int64_t c, const Block& block) {
  const int64_t group = c <= kMaxColumns ? row_group(rows, c) : 1;
  const int64_t long_rows = rows / group;
  for (int64_t channel = 0; channel < c; channel += kMaxColumns) {
    const int64_t channels = c - channel < kMaxColumns ? c - channel : kMaxColumns;
    const int64_t columns = channels * group, stride = c * group;
    int64_t height = 65536 / columns;  // 256 KB: the block stays in L2 for a second pass
    height = height > 256 ? 256 : height / 4 * 4;
    for (int64_t r = 0; r < long_rows; r += height)
      block(ColumnBlock{r * stride + channel, long_rows - r < height ? long_rows - r : height, columns, stride, channel,
                        channels});
    if (const int64_t rest = rows - long_rows * group; rest > 0)
      block(ColumnBlock{long_rows * stride + channel, rest, channels, c, channel, channels});
  }
}

// total[channel] += the columns that belong to it.
HWY_INLINE void add_columns(const ColumnBlock& b, const float* acc, double* total) {
  for (int64_t i = 0; i < b.columns; i += b.channels)
    for (int64_t k = 0; k < b.channels; ++k) total[b.channel + k] += double(acc[i + k]);
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard of a target
