// Products whose depth are pixels or tiles: both factors lie with what is summed over in rows, so that a column of the
// first is broadcast from whole lines as they were copied. Included once a target.
#if defined(BANTAM_COLUMN_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_COLUMN_TILE_INL_H_
#undef BANTAM_COLUMN_TILE_INL_H_
#else
#define BANTAM_COLUMN_TILE_INL_H_
#endif

#include "ops/kernels/gemm_f32-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Rows of such a tile: as many as registers allow, and a divisor of a line.
constexpr int kColumnRows = kMR == 14 ? 8 : kMR == 2 ? 2 : 4;

// C[R][V vectors] = sum over i < count of a[i'][0..R) b[i][..], rows of A a line apart; i' is i, or index[i].
template <int R, int V, bool kIndexed>
HWY_NOINLINE HWY_ATTR void column_tile(const float* HWY_RESTRICT a, const int32_t* HWY_RESTRICT index,
                                       const float* HWY_RESTRICT b, size_t ldb, int64_t count, float* const* c,
                                       TileEnd end) {
  VF acc[R * V];
  static_for<R>([&](auto r) BANTAM_LAMBDA { __builtin_prefetch(c[r]); });
  static_for<R>([&](auto r) BANTAM_LAMBDA { __builtin_prefetch(c[r] + V * kN - 1); });
  begin_tile<R, V>(acc, c, TileStart::kZero);
  for (int64_t i = 0; i < count; ++i, b += ldb) step<R, V>(a + (kIndexed ? int64_t(index[i]) : i) * kLine, b, acc, 1);
  end_tile<R, V>(acc, c, end, nullptr);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
