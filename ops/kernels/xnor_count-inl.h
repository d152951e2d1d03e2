// Counting mismatches of bits, for units of kernels, once a target: up to 7 pixels by a panel of output channels that
// lie in the 64-bit lanes of 1 or 2 vectors.
#if defined(BANTAM_OPS_KERNELS_XNOR_COUNT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_OPS_KERNELS_XNOR_COUNT_INL_H_
#undef BANTAM_OPS_KERNELS_XNOR_COUNT_INL_H_
#else
#define BANTAM_OPS_KERNELS_XNOR_COUNT_INL_H_
#endif

#include <hwy/highway.h>

#include "ops/kernels/static_for-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<uint64_t>;
using V = hn::Vec<D>;
constexpr int kLanes = int(hn::MaxLanes(D()));

// 7 * 2 counters, 2 words of weights and the temporaries need more than 16 registers.
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
constexpr int kVectors = 2;
using DI = hn::Repartition<int32_t, D>;
#else
constexpr int kVectors = 1;
using DI = hn::Rebind<int32_t, D>;
#endif
using DF = hn::Rebind<float, DI>;
using VI = hn::Vec<DI>;
constexpr int kPanel = kLanes * kVectors;

// Adds the mismatches of `steps` steps to acc, a 64-bit count in each lane.
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_SCALAR
template <int kPixels>
HWY_INLINE HWY_ATTR void count(const uint64_t* const* x, const uint32_t* offsets, int64_t steps, const uint64_t* w,
                               V* acc) {
  const D d;
  for (int64_t i = 0; i < steps; ++i, w += kPanel) {
    V weights[kVectors];
    static_for<kVectors>([&](auto v) BANTAM_LAMBDA { weights[v] = hn::LoadU(d, w + v * kLanes); });
    const size_t o = offsets[i];
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
      const V a = hn::Set(d, x[p][o]);
      static_for<kVectors>([&](auto v) BANTAM_LAMBDA {
        acc[p * kVectors + v] = hn::Add(acc[p * kVectors + v], hn::PopulationCount(hn::Xor(a, weights[v])));
      });
    });
  }
}
#else
// Without an instruction that counts 64 bits: counts of bytes, at most 8 a step, summed up before they pass 255.
template <int kPixels>
HWY_INLINE HWY_ATTR void count(const uint64_t* const* x, const uint32_t* offsets, int64_t steps, const uint64_t* w,
                               V* acc) {
  const D d;
  const hn::Repartition<uint8_t, D> d8;
  while (steps > 0) {
    const int64_t n = steps < 31 ? steps : 31;
    hn::Vec<hn::Repartition<uint8_t, D>> bytes[kPixels * kVectors];
    static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { bytes[i] = hn::Zero(d8); });
    for (int64_t i = 0; i < n; ++i, w += kPanel) {
      V weights[kVectors];
      static_for<kVectors>([&](auto v) BANTAM_LAMBDA { weights[v] = hn::LoadU(d, w + v * kLanes); });
      const size_t o = offsets[i];
      static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
        const V a = hn::Set(d, x[p][o]);
        static_for<kVectors>([&](auto v) BANTAM_LAMBDA {
          const auto ones = hn::PopulationCount(hn::BitCast(d8, hn::Xor(a, weights[v])));
          bytes[p * kVectors + v] = hn::Add(bytes[p * kVectors + v], ones);
        });
      });
    }
    static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Add(acc[i], hn::SumsOf8(bytes[i])); });
    offsets += n;
    steps -= n;
  }
}
#endif

// The counts of a pixel as int32, one lane an output channel.
HWY_INLINE HWY_ATTR VI as_i32(const V* acc) {
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
  const DI d;
  return hn::ConcatEven(d, hn::BitCast(d, acc[1]), hn::BitCast(d, acc[0]));
#else
  return hn::BitCast(DI(), hn::TruncateTo(hn::Rebind<uint32_t, D>(), acc[0]));
#endif
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per target
