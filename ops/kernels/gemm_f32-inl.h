// The register-blocked f32 tile, included once a target by every unit that multiplies: C[R rows][V vectors] = A B, with
// the accumulators in registers all along. Vectors lie along C's columns, so that each output is one chain
// acc = fma(a, b, acc) over k ascending: the canonical order costs nothing.
#if defined(BANTAM_GEMM_F32_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_GEMM_F32_INL_H_
#undef BANTAM_GEMM_F32_INL_H_
#else
#define BANTAM_GEMM_F32_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "ops/kernels/lanes-inl.h"
#include "ops/kernels/static_for-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

constexpr int kN = int(kLanes);

// Rows of a tile: 14 * 2 accumulators + 2 of B + 1 broadcast fit in 32 registers, 6 * 2 + 2 + 1 in 16.
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
constexpr int kMR = 14;
#elif HWY_TARGET == HWY_SCALAR
constexpr int kMR = 2;
#else
constexpr int kMR = 6;
#endif
constexpr int kNR = 2 * kN;
constexpr int kUnroll = HWY_TARGET == HWY_SCALAR ? 1 : 4;  // steps of k a turn; divides a line

// A is packed in lines of 16 floats, [k/16][row][16]: a row's element lies at a constant displacement from the first
// row's, and packing an image copies whole 64-byte lines. 16 on every target, so that packed sizes do not differ.
constexpr int64_t kLine = 16;

// acc[r * V + v] += a[r * row_step] * b[v]: one step of k.
template <int R, int V>
HWY_INLINE HWY_ATTR void step(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, VF* acc, const int row_step) {
  const DF d;
  VF bv[V];
  static_for<V>([&](auto v) BANTAM_LAMBDA { bv[v] = hn::LoadU(d, b + v * kN); });
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    const VF av = hn::Set(d, a[r * row_step]);
    static_for<V>([&](auto v) BANTAM_LAMBDA { acc[r * V + v] = fused(av, bv[v], acc[r * V + v]); });
  });
}

// How a tile begins and ends.
enum class TileStart { kZero, kReload };        // from +0, or go on with the chain whose value lies in C
// C = acc, past the caches (C aligned), C = acc + bias (a separate addition), C = C + acc (+ bias, if there is one)
enum class TileEnd { kStore, kStream, kAddBias, kAddTo };

template <int R, int V>
HWY_INLINE HWY_ATTR void begin_tile(VF* acc, float* const* c, TileStart start) {
  const DF d;
  if (start == TileStart::kReload) {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA { acc[r * V + v] = hn::LoadU(d, c[r] + v * kN); });
    });
  } else {
    static_for<R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  }
}

template <int R, int V>
HWY_INLINE HWY_ATTR void end_tile(const VF* acc, float* const* c, TileEnd end, const float* bias) {
  const DF d;
  if (end == TileEnd::kStore) {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA { hn::StoreU(acc[r * V + v], d, c[r] + v * kN); });
    });
  } else if (end == TileEnd::kStream) {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA { hn::Stream(acc[r * V + v], d, c[r] + v * kN); });
    });
  } else if (end == TileEnd::kAddBias) {
    VF bv[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { bv[v] = hn::LoadU(d, bias + v * kN); });
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA { hn::StoreU(hn::Add(acc[r * V + v], bv[v]), d, c[r] + v * kN); });
    });
  } else {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA {
        float* p = c[r] + v * kN;
        const VF sum = hn::Add(hn::LoadU(d, p), acc[r * V + v]);
        hn::StoreU(bias ? hn::Add(sum, hn::LoadU(d, bias + v * kN)) : sum, d, p);
      });
    });
  }
}

// Row r of C at c[r] (R pointers), A in lines, B's row k at b + k * ldb.
template <int R, int V>
HWY_NOINLINE HWY_ATTR void line_tile(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, size_t ldb, size_t k,
                                     float* const* c, TileStart start, TileEnd end, const float* bias) {
  VF acc[R * V];
  begin_tile<R, V>(acc, c, start);
  // One flat loop, a part of a line a turn: nested loops make g++ copy every accumulator between them.
  constexpr size_t kLastPart = size_t(kLine) - kUnroll;
  size_t i = 0;
  for (; i + kUnroll <= k; i += kUnroll) {
    static_for<kUnroll>([&](auto u) BANTAM_LAMBDA { step<R, V>(a + u, b + size_t(u) * ldb, acc, int(kLine)); });
    b += kUnroll * ldb;
    a += (i & kLastPart) == kLastPart ? size_t(R * kLine) - kLastPart : size_t(kUnroll);
  }
  for (; i < k; ++i, ++a, b += ldb) step<R, V>(a, b, acc, int(kLine));
  end_tile<R, V>(acc, c, end, bias);
}

using LineTile = void (*)(const float*, const float*, size_t, size_t, float* const*, TileStart, TileEnd, const float*);

// The heights there is a tile for: a group of fewer rows is padded to the next.
HWY_INLINE int tile_rows(int64_t rows) {
  if (kFewTiles) return rows > 4 ? kMR : rows > 1 ? (kMR > 4 ? 4 : kMR) : 1;
  if (kMR == 14 && rows > 4) return rows > 8 ? 14 : 8;
  return rows > 4 ? kMR : rows > 2 ? (kMR > 4 ? 4 : kMR) : int(rows);
}
template <int V>
HWY_INLINE LineTile line_tile_for(int rows) {
  if constexpr (kMR == 14 && !kFewTiles) {
    if (rows == 8) return line_tile<8, V>;
  }
  if constexpr (kMR > 4) {
    if (rows == 4) return line_tile<4, V>;
  }
  if constexpr (kMR > 2 && !kFewTiles) {
    if (rows == 2) return line_tile<2, V>;
  }
  return rows == kMR ? line_tile<kMR, V> : line_tile<1, V>;
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
