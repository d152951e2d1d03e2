#include "ops/kernels_train/philox.h"

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // nothing over SSE4 and AVX3 here
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/philox.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "ops/kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

using DU = hn::ScalableTag<uint32_t>;
using VU = hn::Vec<DU>;

#if HWY_TARGET == HWY_SCALAR

// kStep numbers from block `block` on.
constexpr int64_t kStep = 4;
HWY_INLINE void numbers_of(const PhiloxStream& s, uint64_t block, uint32_t* out) {
  const PhiloxBlock b = s.block(block);
  memcpy(out, b.word, sizeof b.word);
}

#else

// Counters lie one a 64-bit lane: a lane's product of 32-bit numbers is the multiplication that the round wants, its
// low word the next counter's word (what stands above it nobody reads) and its high word one shift away.
using D64 = hn::ScalableTag<uint64_t>;
using V64 = hn::Vec<D64>;
constexpr int64_t kBlocks = hn::MaxLanes(D64());
constexpr int64_t kStep = 8 * kBlocks;  // numbers that are made at once

// What does not change from block to block as long as the counter's high word does not: three of the first four
// products.
struct Start {
  uint64_t c3_key, c1_key, c3_key_2;  // words that the first two rounds xor
  uint64_t p0;                          // of the second round
  uint64_t key[8][2];                   // of the other rounds

  Start(const PhiloxStream& s, uint32_t counter_high) {
    const uint64_t p1 = uint64_t(kPhiloxMultiplier[1]) * uint32_t(s.stream);
    const uint32_t c0 = uint32_t(p1 >> 32) ^ counter_high ^ s.key[0];
    p0 = uint64_t(kPhiloxMultiplier[0]) * c0;
    c3_key = uint32_t(s.stream >> 32) ^ s.key[1];
    c1_key = uint32_t(p1) ^ (s.key[0] + kPhiloxKeyStep[0]);
    c3_key_2 = uint32_t(p0 >> 32) ^ (s.key[1] + kPhiloxKeyStep[1]);
    for (uint32_t r = 0; r < 8; ++r)
      for (int j = 0; j < 2; ++j) key[r][j] = s.key[j] + (r + 2) * kPhiloxKeyStep[j];
  }
};

HWY_INLINE V64 product(V64 c, uint32_t multiplier) {
  return hn::MulEven(hn::BitCast(DU(), c), hn::Set(DU(), multiplier));
}

struct Counter {
  V64 c0, c1, c2, c3;
};
HWY_INLINE Counter next(const Counter& c, const uint64_t* key) {
  const D64 d;
  const V64 p0 = product(c.c0, kPhiloxMultiplier[0]), p1 = product(c.c2, kPhiloxMultiplier[1]);
  return {hn::Xor3(hn::ShiftRight<32>(p1), c.c1, hn::Set(d, key[0])), p1,
          hn::Xor3(hn::ShiftRight<32>(p0), c.c3, hn::Set(d, key[1])), p0};
}

HWY_INLINE Counter two_rounds(const Start& s, V64 counter) {
  const D64 d;
  const V64 p0 = product(counter, kPhiloxMultiplier[0]);
  const V64 p1 = product(hn::Xor(hn::ShiftRight<32>(p0), hn::Set(d, s.c3_key)), kPhiloxMultiplier[1]);
  return {hn::Xor(hn::ShiftRight<32>(p1), hn::Set(d, s.c1_key)), p1, hn::Xor(p0, hn::Set(d, s.c3_key_2)),
          hn::Set(d, s.p0)};
}
// Lanes 0, 2, 4 .. in order fill the first vector, lanes 1, 3, 5 .. the second.
HWY_INLINE void numbers(const Counter& c, VU* out) {
  const D64 d;
  const DU du;
  const V64 c01 = hn::BitCast(d, hn::OddEven(hn::BitCast(du, hn::ShiftLeft<32>(c.c1)), hn::BitCast(du, c.c0)));
  const V64 c23 = hn::BitCast(d, hn::OddEven(hn::BitCast(du, hn::ShiftLeft<32>(c.c3)), hn::BitCast(du, c.c2)));
  out[0] = hn::BitCast(du, hn::InterleaveLower(d, c01, c23));
  out[1] = hn::BitCast(du, hn::InterleaveUpper(d, c01, c23));
}
// The numbers of blocks whose low counter words are in `counter`: two vectors, and two of the kBlocks blocks behind
// them. A round waits for the round before: two chains side by side are faster than one. No loop: compilers would leave
// it one.
HWY_INLINE void rounds(const Start& s, V64 counter, VU* out) {
  Counter a = two_rounds(s, counter), b = two_rounds(s, hn::Add(counter, hn::Set(D64(), uint64_t(kBlocks))));
  a = next(a, s.key[0]), b = next(b, s.key[0]);
  a = next(a, s.key[1]), b = next(b, s.key[1]);
  a = next(a, s.key[2]), b = next(b, s.key[2]);
  a = next(a, s.key[3]), b = next(b, s.key[3]);
  a = next(a, s.key[4]), b = next(b, s.key[4]);
  a = next(a, s.key[5]), b = next(b, s.key[5]);
  a = next(a, s.key[6]), b = next(b, s.key[6]);
  a = next(a, s.key[7]), b = next(b, s.key[7]);
  numbers(a, out);
  numbers(b, out + 2);
}
// Lane 2 b counts b, lane 2 b + 1 counts kBlocks / 2 + b, so that `rounds` gives numbers in order.
HWY_INLINE V64 lane_blocks() {
  HWY_ALIGN uint64_t order[kBlocks];
  for (int64_t b = 0; b < kBlocks / 2; ++b) {
    order[2 * b] = uint64_t(b);
    order[2 * b + 1] = uint64_t(kBlocks / 2 + b);
  }
  return hn::Load(D64(), order);
}

HWY_INLINE void numbers_of(const PhiloxStream& s, uint64_t block, uint32_t* out) {
  if (uint32_t(block) > ~0u - 2 * uint32_t(kBlocks)) {  // the counter's high word changes
    for (int64_t b = 0; b < 2 * kBlocks; ++b) memcpy(out + 4 * b, s.block(block + uint64_t(b)).word, 4 * sizeof *out);
    return;
  }
  VU v[4];
  rounds(Start(s, uint32_t(block >> 32)), hn::Add(lane_blocks(), hn::Set(D64(), block)), v);
  hn::StoreU(v[0], DU(), out);
  hn::StoreU(v[1], DU(), out + 2 * kBlocks);
  hn::StoreU(v[2], DU(), out + 4 * kBlocks);
  hn::StoreU(v[3], DU(), out + 6 * kBlocks);
}

#endif

void philox_numbers_impl(const PhiloxStream& s, uint64_t first, uint32_t* out, int64_t n) {
  uint32_t buffer[kStep];
  while (n > 0) {
    const int64_t skip = int64_t(first % 4);
    if (skip == 0 && n >= kStep) {
      numbers_of(s, first / 4, out);
      first += uint64_t(kStep), out += kStep, n -= kStep;
      continue;
    }
    numbers_of(s, first / 4, buffer);
    const int64_t k = skip == 0 ? n : n < 4 - skip ? n : 4 - skip;  // to a whole block, or all that is left
    memcpy(out, buffer + skip, size_t(k) * sizeof *out);
    first += uint64_t(k), out += k, n -= k;
  }
}

// One number after the other.
void dropout_rest(const PhiloxStream& s, uint64_t first, uint32_t least, float scale, const float* x, float* y,
                  uint8_t* bits, int64_t n) {
  uint32_t numbers[8];
  for (int64_t i = 0; i < n; i += 8) {
    const int64_t k = n - i < 8 ? n - i : 8;
    philox_numbers_impl(s, first + uint64_t(i), numbers, k);
    unsigned byte = 0;
    for (int64_t j = 0; j < k; ++j) {
      const bool kept = numbers[j] >> 8 >= least;
      y[i + j] = kept ? x[i + j] * scale : 0.0f;
      byte |= unsigned(kept) << j;
    }
    bits[i / 8] = uint8_t(byte);
  }
}

void dropout_impl(const PhiloxStream& s, uint64_t first, uint32_t least, float scale, const float* x, float* y,
                  uint8_t* bits, int64_t n) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  // number >> 8 >= least without the shift: number > least 2^8 - 1, which fits 32 bits.
  const VU bound = hn::Set(DU(), uint32_t((uint64_t(least) << 8) - 1));
  const DF d;
  const VF factor = hn::Set(d, scale);
  const V64 order = lane_blocks();
  const auto one = [&](VU numbers, int64_t at) HWY_ATTR {
    const auto kept = hn::RebindMask(d, hn::Gt(numbers, bound));
    hn::StoreU(keep_where(d, kept, hn::Mul(WholeLoad().far(x + at), factor)), d, y + at);
    return kept;
  };
  const auto two = [&](VU numbers, VU more, int64_t at) HWY_ATTR {
    const auto a = one(numbers, at), b = one(more, at + kLanes);
    if constexpr (kLanes >= 8) {
      hn::StoreMaskBits(d, a, bits + at / 8);
      hn::StoreMaskBits(d, b, bits + (at + kLanes) / 8);
    } else {
      bits[at / 8] = uint8_t(bits_of(a) | bits_of(b) << kLanes);
    }
  };
  while (first % 4 == 0 && i + kStep <= n) {
    const uint64_t block = (first + uint64_t(i)) / 4;
    int64_t blocks = (n - i) / 4;
    const int64_t same_high =
        int64_t((uint64_t(1) << 32) - uint32_t(block));  // blocks until the counter's high word changes
    if (blocks > same_high) blocks = same_high;
    if (blocks < 2 * kBlocks) break;  // one by one from here on: 2^34 elements are further than any tensor
    const Start start(s, uint32_t(block >> 32));
    V64 counter = hn::Add(order, hn::Set(D64(), uint32_t(block)));
    for (; blocks >= 2 * kBlocks; blocks -= 2 * kBlocks, i += kStep) {
      VU v[4];
      rounds(start, counter, v);
      counter = hn::Add(counter, hn::Set(D64(), uint64_t(2 * kBlocks)));
      two(v[0], v[1], i);
      two(v[2], v[3], i + 2 * kLanes);
    }
  }
#endif
  dropout_rest(s, first + uint64_t(i), least, scale, x + i, y + i, bits + i / 8, n - i);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(philox_numbers_impl);
HWY_EXPORT(dropout_impl);

void philox_numbers(const PhiloxStream& stream, uint64_t first, uint32_t* out, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(philox_numbers_impl)(stream, first, out, n);
}
void dropout_f32(const PhiloxStream& stream, uint64_t first, uint32_t least, float scale, const float* x, float* y,
                 uint8_t* bits, int64_t n) noexcept {
  HWY_DYNAMIC_DISPATCH(dropout_impl)(stream, first, least, scale, x, y, bits, n);
}

}  // namespace bantam
#endif  // HWY_ONCE
