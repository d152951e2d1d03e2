// Sums down the columns of rows [rows, C], for inclusion in a foreach_target unit after lanes-inl.h.
//
// Rows are cut into blocks whose size depends on the shape alone; a block is summed in f32, four rows at a time as
// (a + b) + (c + d), at most 256 rows, and added to f64 totals. So a sum errs by at most 66 * 2^-24 * sum |x| (64 additions
// in a chain, two in the tree), however many rows there are, and is the same for any number of threads. Columns never mix,
// so targets differ by fused multiply-adds at most.
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

struct WholeLoad {
  HWY_INLINE VF operator()(const float* p) const { return hn::LoadU(DF(), p); }
};
struct PartLoad {
  int64_t k;
  HWY_INLINE VF operator()(const float* p) const { return load_part(p, k); }
};

// A block: `rows` rows of `columns` columns, `stride` apart, the first at element `offset` of the arrays; column i belongs
// to channel `channel` + i % channels.
struct ColumnBlock {
  int64_t offset, rows, columns, stride, channel, channels;
};

// One step down: ROWS (4 or 1) rows from `row` on, one vector of columns.
template <int A, int ROWS, class Load, class F>
HWY_INLINE void column_step(const ColumnBlock& b, const F& f, const Load& load, int64_t row, int64_t column,
                            float (*acc)[kMaxColumns]) {
  const DF d;
  const int64_t at = b.offset + row * b.stride + column;
  VF t[4][A];
  f.terms(load, at, column, t[0]);
  if constexpr (ROWS == 4) {
    f.terms(load, at + b.stride, column, t[1]);
    f.terms(load, at + 2 * b.stride, column, t[2]);
    f.terms(load, at + 3 * b.stride, column, t[3]);
    for (int a = 0; a < A; ++a) t[0][a] = hn::Add(hn::Add(t[0][a], t[1][a]), hn::Add(t[2][a], t[3][a]));
  }
  for (int a = 0; a < A; ++a) hn::StoreU(hn::Add(hn::LoadU(d, acc[a] + column), t[0][a]), d, acc[a] + column);
}

// acc[a][i] = sum over the block's rows of term a at (row, column i), a < A. The terms are
// f.terms(load, offset of the element in the arrays, column in the block, out[A]).
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
      block(ColumnBlock{r * stride + channel, long_rows - r < height ? long_rows - r : height, columns, stride, channel, channels});
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
