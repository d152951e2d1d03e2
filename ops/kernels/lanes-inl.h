// Whole vectors over arrays of any length: loads and stores of the last few elements, and loops that use them. For
// inclusion in a foreach_target unit after highway.h.
#if defined(BANTAM_OPS_KERNELS_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_LANES_INL_H_
#undef BANTAM_OPS_KERNELS_LANES_INL_H_
#else
#define BANTAM_OPS_KERNELS_LANES_INL_H_
#endif

#include <stdint.h>
#include <string.h>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "ops/kernels/fma.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using VF = hn::Vec<DF>;
constexpr int64_t kLanes = hn::MaxLanes(DF());  // no target of ours has vectors of unknown length

// a / b, rounded once. ARMv7's vectors have no division, and Highway's for them is an approximation.
template <class D, class V> HWY_INLINE V divided(D d, V a, V b) {
#if HWY_ARCH_ARM_V7 && HWY_TARGET == HWY_NEON
  HWY_ALIGN float x[hn::MaxLanes(D())], y[hn::MaxLanes(D())];
  hn::Store(a, d, x);
  hn::Store(b, d, y);
  for (size_t i = 0; i < hn::MaxLanes(D()); ++i) x[i] /= y[i];
  return hn::Load(d, x);
#else
  (void)d;
  return hn::Div(a, b);
#endif
}

// The first k < kLanes elements at p, the other lanes 0; never touches memory beyond them. Highway's masked loads read
// beyond them on targets that have no instruction for it.
HWY_INLINE VF load_part(const float* p, int64_t k) {
  const DF d;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  return hn::MaskedLoad(hn::FirstN(d, size_t(k)), d, p);
#else
  HWY_ALIGN float buffer[kLanes] = {};
  memcpy(buffer, p, size_t(k) * sizeof(float));
  return hn::Load(d, buffer);
#endif
}
HWY_INLINE void store_part(VF v, float* p, int64_t k) {
  const DF d;
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  hn::BlendedStore(v, hn::FirstN(d, size_t(k)), d, p);
#else
  HWY_ALIGN float buffer[kLanes];
  hn::Store(v, d, buffer);
  memcpy(p, buffer, size_t(k) * sizeof(float));
#endif
}

// A vector of the first n elements at p, as many as there are lanes at most; none for n <= 0.
HWY_INLINE VF load_first(const float* p, int64_t n) {
  if (n >= kLanes) return hn::LoadU(DF(), p);
  return n > 0 ? load_part(p, n) : hn::Zero(DF());
}
HWY_INLINE void store_first(VF v, float* p, int64_t n) {
  if (n >= kLanes)
    hn::StoreU(v, DF(), p);
  else if (n > 0)
    store_part(v, p, n);
}

// far(): of an array that may come from memory. A loop of ten instructions a vector has no more than 45 lines of 64
// bytes in the window of 450 instructions that a processor looks ahead, and reads at half the speed of the memory (Zen
// 5); asking for what is kAhead floats further on makes up for it.
constexpr int64_t kAhead = 1024;
struct WholeLoad {
  HWY_INLINE VF operator()(const float* p) const { return hn::LoadU(DF(), p); }
  HWY_INLINE VF far(const float* p) const {
    hwy::Prefetch(p + kAhead);
    return hn::LoadU(DF(), p);
  }
};
struct PartLoad {
  int64_t k;
  HWY_INLINE VF operator()(const float* p) const { return load_part(p, k); }
  HWY_INLINE VF far(const float* p) const { return load_part(p, k); }
};

// mask ? v : 0 for a v that comes straight from memory. IfThenElseZero would do, but on AVX-512 compilers turn it into
// a masked load, which streams from memory at half the speed of a plain one (measured on Zen 5).
template <class D, class V> HWY_INLINE V keep_where(D d, hn::Mask<D> mask, V v) {
  return hn::And(hn::VecFromMask(d, mask), v);
}

// The bits of a mask in the low kLanes bits of a word, and back. Whole words, or compilers take the bytes apart.
HWY_INLINE unsigned bits_of(hn::Mask<DF> mask) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(DF(), mask, bytes);
  uint16_t word;
  memcpy(&word, bytes, sizeof word);
  return kLanes < 8 ? word & ((1u << kLanes) - 1) : word;
}
HWY_INLINE hn::Mask<DF> mask_of(unsigned bits) {
  uint8_t bytes[8] = {};
  const uint16_t word = uint16_t(bits);
  memcpy(bytes, &word, sizeof word);
  return hn::LoadMaskBits(DF(), bytes);
}

// kLanes bits from bit `at` on; bytes from `end` on count as 0.
HWY_INLINE unsigned bits_at(const uint8_t* bits, const uint8_t* end, int64_t at) {
  const uint8_t* p = bits + at / 8;
  uint32_t word = 0;
  if (end - p >= int64_t(sizeof word))
    memcpy(&word, p, sizeof word);
  else
    for (int i = 0; p + i < end; ++i) word |= uint32_t(p[i]) << (8 * i);
  return word >> (at % 8) & ((1u << kLanes) - 1);
}

struct WholeStore {
  HWY_INLINE void operator()(VF v, float* p) const { hn::StoreU(v, DF(), p); }
};
struct PartStore {
  int64_t k;
  HWY_INLINE void operator()(VF v, float* p) const { store_part(v, p, k); }
};

HWY_INLINE WholeStore store_like(WholeLoad) { return {}; }
HWY_INLINE PartStore store_like(PartLoad part) { return {part.k}; }

// Past the caches, to addresses of whole vectors; hwy::FlushStream() behind the last. Without reading the lines first,
// writing takes half the traffic: copying 32 MB is 1.6 times as fast as by memcpy (Zen 5).
struct StreamStore {
  HWY_INLINE void operator()(VF v, float* p) const { hn::Stream(v, DF(), p); }
};
// Whether an output of so many floats in all is for StreamStore: one that is larger than what a cache would hold of it
// until it is read. Rows of c floats from p on must begin on whole vectors.
HWY_INLINE bool streams(const float* p, int64_t c, int64_t floats) {
  return floats >= (int64_t(24) << 20) / int64_t(sizeof(float)) && c % kLanes == 0 &&
         reinterpret_cast<uintptr_t>(p) % (kLanes * sizeof(float)) == 0;
}

// x y + z rounded once where the target can: everywhere but on SSE4 and below. The scalar target is taught to.
template <class V> HWY_INLINE V fused(V x, V y, V z) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(DF(), fused_multiply_add(hn::GetLane(x), hn::GetLane(y), hn::GetLane(z)));
#else
  return hn::MulAdd(x, y, z);
#endif
}

// z - x y, likewise.
template <class V> HWY_INLINE V fused_negated(V x, V y, V z) {
#if HWY_TARGET == HWY_SCALAR
  return fused(hn::Neg(x), y, z);
#else
  return hn::NegMulAdd(x, y, z);
#endif
}

// out[i] = f(x[i]), f from vector to vector.
template <class F> HWY_INLINE void map(const float* x, float* out, int64_t n, const F& f) {
  const DF d;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const VF a = f(d, hn::LoadU(d, x + i));
    const VF b = f(d, hn::LoadU(d, x + i + kLanes));
    hn::StoreU(a, d, out + i);
    hn::StoreU(b, d, out + i + kLanes);
  }
  if (i + kLanes <= n) {
    hn::StoreU(f(d, hn::LoadU(d, x + i)), d, out + i);
    i += kLanes;
  }
  if (i < n) store_part(f(d, load_part(x + i, n - i)), out + i, n - i);
}

// out[i] = f(x[i], y[i]).
template <class F> HWY_INLINE void map2(const float* x, const float* y, float* out, int64_t n, const F& f) {
  const DF d;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const VF a = f(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i));
    const VF b = f(d, hn::LoadU(d, x + i + kLanes), hn::LoadU(d, y + i + kLanes));
    hn::StoreU(a, d, out + i);
    hn::StoreU(b, d, out + i + kLanes);
  }
  if (i + kLanes <= n) {
    hn::StoreU(f(d, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, out + i);
    i += kLanes;
  }
  if (i < n) store_part(f(d, load_part(x + i, n - i), load_part(y + i, n - i)), out + i, n - i);
}

// Rows [rows, C] of few channels, or of a number that fills no whole vectors, are taken as rows / group longer rows of
// group * C columns, whose per-channel parameters are repeated `group` times (repeat_parameters). 1 where that does not
// pay. The numbers are the same on every target, so that sums over groups are, too.
constexpr int64_t kMaxColumns = 1024;
HWY_INLINE int64_t row_group(int64_t rows, int64_t c) {
  if (c < 1) return 1;
  int64_t group = 16;  // least g with g C a multiple of 16
  while (group > 1 && (group / 2 * c) % 16 == 0) group /= 2;
  while (group * c < 64) group *= 2;
  return group * c <= kMaxColumns && rows >= 4 * group ? group : 1;
}
// `out` may be p.
HWY_INLINE void repeat_parameters(const float* p, int64_t c, int64_t group, float* out) {
  for (int64_t g = out == p; g < group; ++g) memcpy(out + g * c, p, size_t(c) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard of a target
