// A tile is up to 6 output pixels by a panel of output channels in the 32-bit lanes of 2 vectors: a pair of codes of
// each pixel is broadcast against pairs of weights, a multiply-add of pairs a vector. The rows of input that a block of
// output rows looks at are turned into codes of 16 bits with their padding in scratch first, so that a window's row is
// a run of codes that lie side by side, and every pixel finds its runs at the same offsets from its first code.
//
// Where the machine has a dot product of four bytes (VNNI, Arm's DotProd) and weights take a byte, the rows stay bytes:
// as code = mul * byte + add, the sum over codes is mul * (sum of byte * w) + add * (sum of w), where what overflows on
// the way cancels. Pairs of weights that follow one another are interleaved to quads, so panels are the same.
#include "ops/kernels/conv_codes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/conv_codes.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <string.h>

#include "core/base/fixed_point.h"
#include "ops/kernels/static_for-inl.h"

#ifndef BANTAM_OPS_KERNELS_CONV_CODES_SHARED_  // what all targets share
#define BANTAM_OPS_KERNELS_CONV_CODES_SHARED_
namespace bantam {
namespace {

constexpr int64_t kPanel = 32;        // output channels of a panel
constexpr int64_t kPanelAlign = 16;   // ... of the last one
constexpr int64_t kBlockPixels = 24;  // that share what is made of the input's rows
constexpr int64_t kSlack = 64;        // bytes behind the copied rows that a vector or a pair may read

// Do weights take a byte each?
constexpr bool is_narrow(int32_t reach) { return reach <= 127; }

// What is 1 output channel a group of 1 input channel.
inline bool is_depthwise(const ConvShape& s) { return s.groups > 1 && s.groups == s.c && s.groups == s.k; }

struct Sizes {
  int64_t run, runs_w, pairs;   // codes of a run, runs in a window's row, pairs of a run
  int64_t steps;                // pairs of a window
  int64_t padded_k;             // output channels of a group (of all, if it is depthwise) in whole panels
  int64_t padded_w, row_codes;  // of a copied input row
  int64_t block_rows, block_in_rows;
};

inline Sizes sizes_of(const ConvShape& s) {
  Sizes z;
  const bool joined = s.groups == 1 && s.dilation_w == 1;
  z.run = joined ? s.kw * s.c : s.group_c();
  z.runs_w = joined ? 1 : s.kw;
  z.pairs = ceil_div(z.run, 2);
  z.steps = s.kh * z.runs_w * z.pairs;
  z.padded_k = int64_t(round_up(size_t(is_depthwise(s) ? s.k : s.group_k()), size_t(kPanelAlign)));
  z.padded_w = s.w + 2 * s.pad_w;
  z.row_codes = z.padded_w * s.c;
  z.block_rows = ceil_div(kBlockPixels, s.out_w());
  if (z.block_rows > s.out_h()) z.block_rows = s.out_h();
  z.block_in_rows = (z.block_rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  return z;
}

}  // namespace
}  // namespace bantam
#endif

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using DI = hn::ScalableTag<int32_t>;
using VI = hn::Vec<DI>;
constexpr int kLanes = int(hn::MaxLanes(DI()));
constexpr int kRows = HWY_TARGET == HWY_SCALAR ? 2 : 6;
// Bytes take so few instructions that more pixels share the weights' loads.
template <class A> constexpr int kMostRows = sizeof(A) == 1 && !kFewTiles ? 8 : kRows;

#if HWY_TARGET != HWY_SCALAR
using D16 = hn::Repartition<int16_t, DI>;
HWY_INLINE hn::Vec<D16> load_weights(const int16_t* w) { return hn::LoadU(D16(), w); }
HWY_INLINE hn::Vec<D16> load_weights(const int8_t* w) {
  return hn::PromoteTo(D16(), hn::LoadU(hn::Rebind<int8_t, D16>(), w));
}
#endif

// Four bytes by four weights, added to each lane; kBytesFrom is the byte that the instruction takes as 0.
#if HWY_TARGET == HWY_AVX3_DL
constexpr bool kHasDot = true;
constexpr int32_t kBytesFrom = 0;
HWY_INLINE VI dot(VI bytes, VI weights, VI sum) { return VI{_mm512_dpbusd_epi32(sum.raw, bytes.raw, weights.raw)}; }
// Blocks of four lanes: of lower and upper by turns.
HWY_INLINE void in_order(VI& lower, VI& upper) {
  const __m512i l = lower.raw, u = upper.raw;
  lower = VI{_mm512_permutex2var_epi64(l, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), u)};
  upper = VI{_mm512_permutex2var_epi64(l, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), u)};
}
#elif HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64 && defined(__ARM_FEATURE_DOTPROD)
constexpr bool kHasDot = true;
constexpr int32_t kBytesFrom = 128;
HWY_INLINE VI dot(VI bytes, VI weights, VI sum) {
  return VI(vdotq_s32(sum.raw, vreinterpretq_s8_s32(bytes.raw), vreinterpretq_s8_s32(weights.raw)));
}
HWY_INLINE void in_order(VI&, VI&) {}
#else
constexpr bool kHasDot = false;
constexpr int32_t kBytesFrom = 0;
#endif

// Codes of the copied rows: A is int16_t, or uint8_t for the dot product.
template <class A>
struct TileArgs {
  const A* const* a;  // the pixels' first codes
  const Sizes* z;
  int64_t kh, row_step, run_step;  // codes from a window's row, and from a run, to the next
  const void* b;                   // the panel from its column on
  int64_t width;                   // columns of the panel
  int32_t* out;
  int64_t pixel_step;  // of out
  int64_t cols;        // that exist
  int32_t mul = 1, add = 0;  // of bytes
};

// Weights of 8 or 16 bits.
template <class W, int R, int V>
HWY_NOINLINE HWY_ATTR void tile(const TileArgs<int16_t>& t) {
  const DI d;
  const W* b = static_cast<const W*>(t.b);
  const int64_t pairs = t.z->pairs;
#if HWY_TARGET == HWY_SCALAR
  int32_t acc[R * V] = {};
  for (int64_t ky = 0; ky < t.kh; ++ky)
    for (int64_t run = 0; run < t.z->runs_w; ++run) {
      const int64_t at = ky * t.row_step + run * t.run_step;
      for (int64_t i = 0; i < pairs; ++i, b += 2 * t.width)
        for (int r = 0; r < R; ++r)
          for (int v = 0; v < V; ++v)
            acc[r * V + v] += t.a[r][at + 2 * i] * b[2 * v] + t.a[r][at + 2 * i + 1] * b[2 * v + 1];
    }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V && v < t.cols; ++v) t.out[r * t.pixel_step + v] = acc[r * V + v];
  (void)d;
#else
  const hn::Repartition<int16_t, DI> d16;
  using V16 = hn::Vec<decltype(d16)>;
  VI even[R * V], odd[R * V];  // which pairs add to which differs by target, their rearranged sum does not
  static_for<R * V>([&](auto i) BANTAM_LAMBDA { even[i] = odd[i] = hn::Zero(d); });
  for (int64_t ky = 0; ky < t.kh; ++ky)
    for (int64_t run = 0; run < t.z->runs_w; ++run) {
      const int64_t at = ky * t.row_step + run * t.run_step;
      const int16_t* a[R];
      static_for<R>([&](auto r) BANTAM_LAMBDA { a[r] = t.a[r] + at; });
      for (int64_t i = 0; i < pairs; ++i, b += 2 * t.width) {
        V16 bv[V];
        static_for<V>([&](auto v) BANTAM_LAMBDA { bv[v] = load_weights(b + v * 2 * kLanes); });
        static_for<R>([&](auto r) BANTAM_LAMBDA {
          int32_t pair;
          memcpy(&pair, a[r] + 2 * i, 4);
          const V16 av = hn::BitCast(d16, hn::Set(d, pair));
          static_for<V>([&](auto v) BANTAM_LAMBDA {
            even[r * V + v] = hn::ReorderWidenMulAccumulate(d, av, bv[v], even[r * V + v], odd[r * V + v]);
          });
        });
      }
    }
  if (t.cols >= V * kLanes) {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA {
        hn::StoreU(hn::RearrangeToOddPlusEven(even[r * V + v], odd[r * V + v]), d,
                   t.out + r * t.pixel_step + v * kLanes);
      });
    });
    return;
  }
  HWY_ALIGN int32_t row[V * kLanes];  // nothing outside of out is touched
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    static_for<V>([&](auto v) BANTAM_LAMBDA {
      hn::Store(hn::RearrangeToOddPlusEven(even[r * V + v], odd[r * V + v]), d, row + v * kLanes);
    });
    memcpy(t.out + r * t.pixel_step, row, size_t(t.cols) * 4);
  });
#endif
}

// The same on bytes, with weights of 8 bits.
template <class W, int R, int V>
HWY_NOINLINE HWY_ATTR void tile(const TileArgs<uint8_t>& t) {
#if HWY_TARGET == HWY_AVX3_DL || (HWY_TARGET == HWY_NEON && HWY_ARCH_ARM_A64 && defined(__ARM_FEATURE_DOTPROD))
  const DI d;
  const hn::Repartition<uint16_t, DI> d16;
  const hn::Rebind<uint16_t, DI> half;
  const hn::RebindToUnsigned<DI> du;
  const int8_t* b = static_cast<const int8_t*>(t.b);
  const int64_t pairs = t.z->pairs, step = 2 * t.width;
  // Of V = 2 the lanes are in the order that interleaving leaves: of each eight columns the first four, and the others.
  VI acc[R * V], of_w[V];
  static_for<R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  static_for<V>([&](auto v) BANTAM_LAMBDA { of_w[v] = hn::Zero(d); });
  const VI ones = hn::Set(d, 0x01010101);
  const auto pair_of = [&](const int8_t* p) BANTAM_LAMBDA { return reinterpret_cast<const uint16_t*>(p); };
  const auto quad = [&](const uint8_t* const* a, int64_t i, const VI* w) BANTAM_LAMBDA {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      int32_t codes;
      memcpy(&codes, a[r] + 2 * i, 4);
      const VI av = hn::Set(d, codes);
      static_for<V>([&](auto v) BANTAM_LAMBDA { acc[r * V + v] = dot(av, w[v], acc[r * V + v]); });
    });
    static_for<V>([&](auto v) BANTAM_LAMBDA { of_w[v] = dot(ones, w[v], of_w[v]); });
  };
  for (int64_t ky = 0; ky < t.kh; ++ky)
    for (int64_t run = 0; run < t.z->runs_w; ++run) {
      const int64_t at = ky * t.row_step + run * t.run_step;
      const uint8_t* a[R];
      static_for<R>([&](auto r) BANTAM_LAMBDA { a[r] = t.a[r] + at; });
      for (int64_t i = 0; i < pairs; i += 2) {
        const bool whole = i + 1 < pairs;  // else there is one pair more, which the next run's weights follow
        VI w[V];
        if constexpr (V == 2) {
          const auto first = hn::LoadU(d16, pair_of(b));
          const auto second = whole ? hn::LoadU(d16, pair_of(b + step)) : hn::Zero(d16);
          w[0] = hn::BitCast(d, hn::InterleaveLower(d16, first, second));
          w[1] = hn::BitCast(d, hn::InterleaveUpper(d16, first, second));
        } else {
          const auto first = hn::PromoteTo(du, hn::LoadU(half, pair_of(b)));
          const auto second = whole ? hn::PromoteTo(du, hn::LoadU(half, pair_of(b + step))) : hn::Zero(du);
          w[0] = hn::BitCast(d, hn::Or(first, hn::ShiftLeft<16>(second)));
        }
        quad(a, i, w);
        b += whole ? 2 * step : step;
      }
    }
  const VI mul = hn::Set(d, t.mul), add = hn::Set(d, t.add);
  static_for<V>([&](auto v) BANTAM_LAMBDA { of_w[v] = hn::Mul(of_w[v], add); });
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    VI sum[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { sum[v] = hn::Add(hn::Mul(acc[r * V + v], mul), of_w[v]); });
    if constexpr (V == 2) in_order(sum[0], sum[1]);
    if (t.cols >= V * kLanes) {
      static_for<V>([&](auto v) BANTAM_LAMBDA { hn::StoreU(sum[v], d, t.out + r * t.pixel_step + v * kLanes); });
    } else {
      HWY_ALIGN int32_t row[V * kLanes];  // nothing outside of out is touched
      static_for<V>([&](auto v) BANTAM_LAMBDA { hn::Store(sum[v], d, row + v * kLanes); });
      memcpy(t.out + r * t.pixel_step, row, size_t(t.cols) * 4);
    }
  });
#else
  (void)t;  // not called
#endif
}

template <class W, int V, class A>
void tile_rows(int rows, TileArgs<A> t) {
  if (kMostRows<A> > kRows && rows == kMostRows<A>) return tile<W, kMostRows<A>, V>(t);
  if (rows >= kRows) {
    tile<W, kRows, V>(t);
    rows -= kRows, t.a += kRows, t.out += kRows * t.pixel_step;
  }
  if constexpr (kRows == 6 && !kFewTiles) {
    switch (rows) {
      case 5: return tile<W, 5, V>(t);
      case 4: return tile<W, 4, V>(t);
      case 3: return tile<W, 3, V>(t);
      case 2: return tile<W, 2, V>(t);
    }
  }
  for (; rows > 0; --rows, ++t.a, t.out += t.pixel_step) tile<W, 1, V>(t);
}

// The columns of one panel for a tile's pixels.
template <class W, class A>
void panel(int rows, TileArgs<A> t) {
  const W* const b = static_cast<const W*>(t.b);
  int32_t* const out = t.out;
  const int64_t cols = t.cols;
  for (int64_t n = 0; n < t.width && n < cols;) {
    t.b = b + 2 * n, t.out = out + n, t.cols = cols - n;
    if (t.width - n >= 2 * kLanes) {
      tile_rows<W, 2>(rows, t);
      n += 2 * kLanes;
    } else {
      tile_rows<W, 1>(rows, t);
      n += kLanes;
    }
  }
}

// acc[c] += a[c] * w[c] down the taps: channels in the lanes.
template <class W>
void depthwise(const ConvShape& s, const Sizes& z, const int16_t* a, const W* w, int32_t* out) {
  const DI d;
  const hn::Rebind<int16_t, DI> half;
  const hn::Rebind<W, DI> of_w;
  for (int64_t c = 0; c < s.c; c += kLanes) {
    VI acc = hn::Zero(d);
    const W* wt = w + c;
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx, wt += z.padded_k) {
        const int16_t* at = a + (ky * s.dilation_h * z.padded_w + kx * s.dilation_w) * s.c + c;
        acc = hn::Add(acc, hn::Mul(hn::PromoteTo(d, hn::LoadU(half, at)), hn::PromoteTo(d, hn::LoadU(of_w, wt))));
      }
    if (s.c - c >= kLanes) {
      hn::StoreU(acc, d, out + c);
    } else {
      HWY_ALIGN int32_t row[kLanes];
      hn::Store(acc, d, row);
      memcpy(out + c, row, size_t(s.c - c) * 4);
    }
  }
}

template <class A>
void fill(A* to, int64_t n, A code) {
  for (int64_t i = 0; i < n; ++i) to[i] = code;
}

void decode_bytes(const uint8_t* bytes, int64_t n, int16_t mul, int16_t add, int16_t* to) {
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<int16_t> d;
  const hn::Rebind<uint8_t, decltype(d)> half;
  const auto m = hn::Set(d, mul), a = hn::Set(d, add);
  constexpr int64_t kStep = 2 * kLanes;
  for (; i + kStep <= n; i += kStep)
    hn::StoreU(hn::Add(hn::Mul(hn::PromoteTo(d, hn::LoadU(half, bytes + i)), m), a), d, to + i);
#endif
  for (; i < n; ++i) to[i] = int16_t(mul * bytes[i] + add);
}

void decode_bits(const uint64_t* words, int64_t pixels, int64_t c, int16_t* to) {
  const int64_t n = int64_t(words_for(size_t(c)));
  for (int64_t p = 0; p < pixels; ++p, words += n)
    for (int64_t w = 0; w < n; ++w) {
      const int64_t count = c - w * kWordBits < kWordBits ? c - w * kWordBits : kWordBits;
      for (int64_t i = 0; i < count; ++i) *to++ = int16_t(int(words[w] >> i & 1) * 2 - 1);
    }
}

void decode(const ConvShape& s, const CodeInput& x, int64_t pixel, int16_t* to) {
  if (x.bytes)
    decode_bytes(x.bytes + pixel * s.c, s.w * s.c, int16_t(x.mul), int16_t(x.add), to);
  else
    decode_bits(x.bits + pixel * int64_t(words_for(size_t(s.c))), s.w, s.c, to);
}
[[maybe_unused]] void decode(const ConvShape& s, const CodeInput& x, int64_t pixel, uint8_t* to) {
  const uint8_t* from = x.bytes + pixel * s.c;
  const int64_t n = s.w * s.c;
  if (kBytesFrom == 0) {
    memcpy(to, from, size_t(n));
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = uint8_t(from[i] - kBytesFrom);
  }
}

// The padding among the copied rows. As a byte, it is one that stands for that code, or there is none.
int16_t padding(const CodeInput& x, int16_t*) { return int16_t(x.pad); }
[[maybe_unused]] uint8_t padding(const CodeInput& x, uint8_t*) { return uint8_t((x.pad - x.add) / x.mul - kBytesFrom); }
[[maybe_unused]] bool takes_bytes(const ConvShape& s, const CodeInput& x) {
  if (!kHasDot || !x.bytes || is_depthwise(s)) return false;
  if (s.pad_h == 0 && s.pad_w == 0) return true;
  const int32_t above = x.pad - x.add;
  return above >= 0 && above % x.mul == 0 && above / x.mul <= 255;
}

// Input rows [first, first + rows) of image n with their padding, as codes or bytes.
template <class A>
void copy_rows(const ConvShape& s, const Sizes& z, const CodeInput& x, int64_t n, int64_t first, int64_t rows, A* to) {
  const A pad = padding(x, to);
  for (int64_t r = 0; r < rows; ++r, to += z.row_codes) {
    const int64_t y = first + r;
    if (y < 0 || y >= s.h) {
      fill(to, z.row_codes, pad);
      continue;
    }
    const int64_t pixel = (n * s.h + y) * s.w;
    fill(to, s.pad_w * s.c, pad);
    decode(s, x, pixel, to + s.pad_w * s.c);
    fill(to + (s.pad_w + s.w) * s.c, s.pad_w * s.c, pad);
  }
}

template <class A, class W>
void convolve(const ConvShape& s, const CodeInput& x, const W* weights, int64_t row_begin, int64_t row_end,
              void* scratch, int32_t* out, ChannelRange part) {
  const Sizes z = sizes_of(s);
  const int64_t out_k = part.size(s.k), group_end = s.groups == 1 ? part.last(s.k) : s.group_k();
  const int64_t out_h = s.out_h(), out_w = s.out_w();
  A* const copied = static_cast<A*>(scratch);
  const bool is_deep = is_depthwise(s);
  memset(copied + z.block_in_rows * z.row_codes, 0, size_t(kSlack));
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t image = row / out_h, oy = row % out_h;
    int64_t rows = z.block_rows < out_h - oy ? z.block_rows : out_h - oy;
    if (rows > row_end - row) rows = row_end - row;
    copy_rows(s, z, x, image, oy * s.stride_h - s.pad_h, (rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1,
              copied);
    int32_t* const to = out + (row - row_begin) * out_w * out_k;
    const int64_t pixels = rows * out_w;
    const A *line = copied, *first = copied;  // the next pixel's first code, and that of its row
    int64_t column = 0;
    const int64_t together = is_deep ? 1 : kMostRows<A>;
    for (int64_t p = 0; p < pixels; p += together) {
      const A* a[kMostRows<A>];
      const int count = int(pixels - p < together ? pixels - p : together);
      for (int r = 0; r < count; ++r) {
        a[r] = first;
        first += s.stride_w * s.c;
        if (++column == out_w) column = 0, first = line += s.stride_h * z.row_codes;
      }
      if constexpr (sizeof(A) == 2)
        if (is_deep) {
          depthwise(s, z, a[0], weights, to + p * out_k);
          continue;
        }
      const W* b = weights + 2 * z.steps * part.begin;
      TileArgs<A> t{a, &z, s.kh, s.dilation_h * z.row_codes, s.dilation_w * s.c, b, 0, to + p * out_k, out_k, 0};
      if (sizeof(A) == 1) t.mul = x.mul, t.add = x.add + kBytesFrom * x.mul;
      for (int64_t g = 0; g < s.groups; ++g) {
        for (int64_t k = part.begin; k < group_end; k += kPanel) {
          t.width = z.padded_k - k < kPanel ? z.padded_k - k : kPanel;
          t.cols = group_end - k;
          t.out = to + p * out_k + g * s.group_k() + (k - part.begin);
          t.b = b;
          panel<W>(count, t);
          b += 2 * z.steps * t.width;
        }
        for (int r = 0; r < count; ++r) a[r] += s.group_c();
      }
    }
    row += rows;
  }
}

void CodesConv(const ConvShape& s, const CodeInput& x, const void* packed, int32_t reach, int64_t row_begin,
               int64_t row_end, void* scratch, int32_t* out, ChannelRange part) {
  if (!is_narrow(reach))
    return convolve<int16_t>(s, x, static_cast<const int16_t*>(packed), row_begin, row_end, scratch, out, part);
  const int8_t* const narrow = static_cast<const int8_t*>(packed);
  if constexpr (kHasDot)
    if (takes_bytes(s, x)) return convolve<uint8_t>(s, x, narrow, row_begin, row_end, scratch, out, part);
  convolve<int16_t>(s, x, narrow, row_begin, row_end, scratch, out, part);
}

void SumsToF32(const int32_t* sums, float* y, int64_t n) {
  int64_t i = 0;
  const DI d;
  const hn::ScalableTag<float> df;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::ConvertTo(df, hn::LoadU(d, sums + i)), df, y + i);
  for (; i < n; ++i) y[i] = float(sums[i]);
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(CodesConv);
HWY_EXPORT(SumsToF32);

size_t codes_packed_bytes(const ConvShape& s, int32_t reach) noexcept {
  const Sizes z = sizes_of(s);
  const int64_t codes = is_depthwise(s) ? s.taps() * z.padded_k : s.groups * z.padded_k * z.steps * 2;
  return round_up(size_t(codes) * (is_narrow(reach) ? 1 : 2), 64);
}

size_t codes_scratch_bytes(const ConvShape& s) noexcept {
  const Sizes z = sizes_of(s);
  return round_up(size_t(z.block_in_rows * z.row_codes) * sizeof(int16_t) + size_t(kSlack), 64);
}

int64_t codes_block_rows(const ConvShape& s) noexcept { return sizes_of(s).block_rows; }

namespace {

// Visits each code's place in the panels: visit(place, k, i), of output channel k, i counting (ky, kx, c).
template <class W, class Visit>
void each_place(const ConvShape& s, W* to, const Visit& visit) {
  const Sizes z = sizes_of(s);
  if (is_depthwise(s)) {
    for (int64_t k = 0; k < s.k; ++k)
      for (int64_t t = 0; t < s.taps(); ++t) visit(to[t * z.padded_k + k], k, t);
    return;
  }
  const int64_t runs = s.kh * z.runs_w;
  for (int64_t g = 0; g < s.groups; ++g)
    for (int64_t first = 0; first < s.group_k(); first += kPanel) {
      const int64_t width = z.padded_k - first < kPanel ? z.padded_k - first : kPanel;
      for (int64_t n = 0; n < width && first + n < s.group_k(); ++n)
        for (int64_t r = 0; r < runs; ++r)
          for (int64_t i = 0; i < z.run; ++i)
            visit(to[((r * z.pairs + i / 2) * width + n) * 2 + i % 2], g * s.group_k() + first + n, r * z.run + i);
      to += 2 * z.steps * width;
    }
}

template <class W, class Code>
void pack_as(const ConvShape& s, W* to, const Code& code) {
  each_place(s, to, [&](W& place, int64_t k, int64_t i) { place = W(code(k, i)); });
}

template <class W>
bool are_sound(const ConvShape& s, int32_t reach, const W* panels) {
  // What lies outside of the codes' places is 0 if it adds nothing to the sum of all magnitudes.
  uint64_t all = 0, codes = 0;
  bool within = true;
  const int64_t n = int64_t(codes_packed_bytes(s, reach) / sizeof(W));
  for (int64_t i = 0; i < n; ++i) all += uint64_t(panels[i] < 0 ? -int32_t(panels[i]) : int32_t(panels[i]));
  each_place(s, panels, [&](const W& place, int64_t, int64_t) {
    const int32_t magnitude = place < 0 ? -int32_t(place) : int32_t(place);
    codes += uint64_t(magnitude);
    within = within && magnitude <= reach;
  });
  return within && all == codes;
}

template <class Code>
void pack_weights(const ConvShape& s, int32_t reach, void* packed, const Code& code) {
  memset(packed, 0, codes_packed_bytes(s, reach));
  if (is_narrow(reach)) return pack_as(s, static_cast<int8_t*>(packed), code);
  pack_as(s, static_cast<int16_t*>(packed), code);
}

}  // namespace

void codes_pack_weights(const ConvShape& s, const int16_t* w, int32_t reach, void* packed) noexcept {
  const int64_t depth = s.taps() * s.group_c();
  pack_weights(s, reach, packed, [&](int64_t k, int64_t i) { return w[k * depth + i]; });
}

void codes_pack_numbers(const ConvShape& s, const PackedNumbers& w, void* packed) noexcept {
  const int64_t row = ceil_div(s.taps() * s.group_c() * w.bits, 8);
  pack_weights(s, w.reach, packed, [&](int64_t k, int64_t i) {
    return int16_t(w.mul * packed_number(w.rows + k * row, i, w.bits) + w.add);
  });
}

bool codes_panels_are_sound(const ConvShape& s, int32_t reach, const void* packed) noexcept {
  return is_narrow(reach) ? are_sound(s, reach, static_cast<const int8_t*>(packed))
                          : are_sound(s, reach, static_cast<const int16_t*>(packed));
}

void codes_conv_i32(const ConvShape& s, const CodeInput& x, const void* packed, int32_t reach, int64_t row_begin,
                    int64_t row_end, void* scratch, int32_t* out, ChannelRange part) noexcept {
  HWY_DYNAMIC_DISPATCH(CodesConv)(s, x, packed, reach, row_begin, row_end, scratch, out, part);
}

void sums_to_f32(const int32_t* sums, float* y, int64_t n) noexcept { HWY_DYNAMIC_DISPATCH(SumsToF32)(sums, y, n); }

}  // namespace bantam
#endif
