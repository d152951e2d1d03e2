#include "ops/kernels_train/max_pool_positions.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/max_pool_positions.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/max_pool-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Positions go out as P planes of bits, 32 of each at a time.
template <int P> struct PlaneWriter {
  uint8_t* to;
  uint64_t waiting = 0;
  PlaneWriter<P - 1> lower;

  PlaneWriter(uint8_t* planes, int64_t plane_bytes, int64_t first)
      : to(planes + (P - 1) * plane_bytes + first), lower(planes, plane_bytes, first) {}
  HWY_INLINE void add(VI where, unsigned lanes, int fill) {
    waiting |= uint64_t(bits_of(hn::RebindMask(DF(), hn::TestBit(where, hn::Set(DI(), 1 << (P - 1))))) & lanes) << fill;
    lower.add(where, lanes, fill);
  }
  template <class Word> HWY_INLINE void store() {
    const Word word = Word(waiting);
    memcpy(to, &word, sizeof word);
    to += sizeof word;
    waiting >>= 8 * sizeof word;
    lower.template store<Word>();
  }
};
template <> struct PlaneWriter<0> {
  PlaneWriter(uint8_t*, int64_t, int64_t) {}
  HWY_INLINE void add(VI, unsigned, int) {}
  template <class Word> HWY_INLINE void store() {}
};
template <int P> struct PositionWriter {
  PlaneWriter<P> planes;
  int fill = 0;

  PositionWriter(const ConvShape& s, uint8_t* positions, int64_t output)
      : planes(positions, max_pool_plane_bytes(s), output / 8) {}
  // Of the first k lanes.
  HWY_INLINE void put(VI where, int64_t k) {
    planes.add(where, (1u << k) - 1, fill);
    fill += int(k);
    if (fill < 32) return;
    planes.template store<uint32_t>();
    fill -= 32;
  }
  HWY_INLINE void end() {
    for (; fill > 0; fill -= 8) planes.template store<uint8_t>();
  }
};

template <class Whole, int P>
HWY_INLINE void max_pool_as(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                            int64_t row_end) {
  PositionWriter<P> writer(s, positions, row_begin * s.c);
  max_pool_rows<Whole>(s, x, y, &writer, row_begin, row_end);
}

HWY_ATTR void max_pool_positions(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                                 int64_t row_end) {
  if (s.kh == 2 && s.kw == 2) return max_pool_as<WholeWindow<2, 2>, 2>(s, x, y, positions, row_begin, row_end);
  if (s.kh == 3 && s.kw == 3) return max_pool_as<WholeWindow<3, 3>, 4>(s, x, y, positions, row_begin, row_end);
  switch (max_pool_planes(s)) {
    case 2:
      return max_pool_as<PartWindow, 2>(s, x, y, positions, row_begin, row_end);
    case 4:
      return max_pool_as<PartWindow, 4>(s, x, y, positions, row_begin, row_end);
    default:
      return max_pool_as<PartWindow, 8>(s, x, y, positions, row_begin, row_end);
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(max_pool_positions);

void max_pool_positions_f32(const ConvShape& s, const float* x, float* y, uint8_t* positions, int64_t row_begin,
                            int64_t row_end) noexcept {
  HWY_DYNAMIC_DISPATCH(max_pool_positions)(s, x, y, positions, row_begin, row_end);
}

}  // namespace bantam
#endif
