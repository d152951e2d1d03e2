// One tile is up to 7 output pixels by a panel of output channels that lie in the 64-bit lanes of 1 or 2 vectors: for each
// step, a word of (ky, kx, c / 64), the pixel's word is broadcast against the panel's words. No horizontal sums are needed,
// and a step costs one load of weights for 7 pixels. The rows of input that a block of output rows looks at are copied
// with their padding into scratch first (a hundredth of the work), so that every pixel finds its words at the same
// offsets from its first.
#include "ops/kernels/gemm_xnor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/gemm_xnor.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <string.h>

#include <utility>

#include "core/base/fixed_point.h"

#ifndef BANTAM_OPS_KERNELS_GEMM_XNOR_SHARED_  // what all targets share
#define BANTAM_OPS_KERNELS_GEMM_XNOR_SHARED_
namespace bantam {
namespace {

constexpr int64_t kTilePixels = 7;
constexpr int64_t kPanelAlign = 16;  // the widest panel of any target: packed sizes are multiples of it

enum class Store { kI32, kF32, kBits };

struct Output {
  Store kind;
  void* data;
  const float* bias;         // of kF32, may be null
  const Thresholds* thresholds;  // of kBits
};

// Taps [begin, end) of one dimension that lie inside the image.
struct Taps {
  int64_t begin, end;
  bool operator==(const Taps& o) const { return begin == o.begin && end == o.end; }
};

struct Axis {
  int64_t in, out, kernel, stride, pad, dilation;

  Taps taps(int64_t o) const {
    const int64_t first = o * stride - pad;  // of tap 0
    const int64_t begin = first >= 0 ? 0 : ceil_div(-first, dilation);
    const int64_t end = first >= in ? 0 : ceil_div(in - first, dilation);
    const Taps t{begin, end < kernel ? end : kernel};
    return t.begin < t.end ? t : Taps{0, 0};
  }
  // Both ends of taps(o) fall as o grows, so that equal ones stand together: classes are counted as changes.
  int64_t classes() const {
    int64_t n = 1;
    for (int64_t o = 1; o < out; ++o) n += !(taps(o) == taps(o - 1));
    return n;
  }
};

inline Axis rows_of(const ConvShape& s) { return {s.h, s.out_h(), s.kh, s.stride_h, s.pad_h, s.dilation_h}; }
inline Axis columns_of(const ConvShape& s) { return {s.w, s.out_w(), s.kw, s.stride_w, s.pad_w, s.dilation_w}; }

struct Sizes {
  int64_t words, steps, padded_k, panel_words;
  int64_t padded_w, row_words;  // of a copied input row; of the kh rows that one output row takes
  int64_t block_rows;
};

inline Sizes sizes_of(const ConvShape& s) {
  Sizes z;
  z.words = int64_t(words_for(size_t(s.c)));
  z.steps = s.taps() * z.words;
  z.padded_k = int64_t(round_up(size_t(s.k), size_t(kPanelAlign)));
  z.panel_words = z.padded_k * z.steps;
  z.padded_w = s.w + 2 * s.pad_w;
  z.row_words = s.kh * z.padded_w * z.words;
  // At least 28 pixels share a panel while it is in the first-level cache; a multiple of 7 leaves no partial tile.
  const int64_t out_w = s.out_w();
  z.block_rows = out_w % kTilePixels == 0 ? ceil_div(4 * kTilePixels, out_w) : out_w < 56 ? kTilePixels : 1;
  if (out_w <= 2) z.block_rows *= 4;
  if (z.block_rows > s.n * s.out_h()) z.block_rows = s.n * s.out_h();
  return z;
}

struct Pixel {
  uint32_t word;   // of its first tap, from the start of the copied rows
  uint32_t base;   // of its row of base values
};

// Scratch: copied rows, then steps offsets, then a class for each output column and row, then the block's pixels.
struct Scratch {
  uint64_t* rows;
  uint32_t* offsets;
  uint32_t* column_class;
  uint32_t* row_class;
  Pixel* pixels;
};

}  // namespace
}  // namespace bantam
#endif

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
static_assert(kPanelAlign % kPanel == 0, "packed sizes are multiples of every target's panel");

// A loop over compile-time indices: g++ keeps an array of vectors in registers only so.
template <class F, size_t... I> HWY_INLINE HWY_ATTR void static_for_each(std::index_sequence<I...>, F&& f) {
  (f(std::integral_constant<int, int(I)>()), ...);
}
template <int n, class F> HWY_INLINE HWY_ATTR void static_for(F&& f) {
  static_for_each(std::make_index_sequence<size_t(n)>(), f);
}
#define BANTAM_LAMBDA HWY_ATTR __attribute__((always_inline))

// Adds the mismatches of `steps` steps to acc, a 64-bit count in each lane.
#if HWY_TARGET == HWY_AVX3_DL || HWY_TARGET == HWY_SCALAR
template <int kPixels>
HWY_INLINE HWY_ATTR void count(const uint64_t* const* x, const uint32_t* offsets, int64_t steps, const uint64_t* w, V* acc) {
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
HWY_INLINE HWY_ATTR void count(const uint64_t* const* x, const uint32_t* offsets, int64_t steps, const uint64_t* w, V* acc) {
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

// Writes the sums of output channels [k, k + valid) of pixel q.
HWY_INLINE HWY_ATTR void store(const Output& out, int64_t k_total, int64_t words, int64_t q, int64_t k, int64_t valid, VI sums) {
  const DI di;
  const DF df;
  if (out.kind == Store::kI32) {
    int32_t* to = static_cast<int32_t*>(out.data) + q * k_total + k;
    if (valid == kPanel) {
      hn::StoreU(sums, di, to);
    } else {
      HWY_ALIGN int32_t lanes[kPanel];
      hn::StoreU(sums, di, lanes);
      memcpy(to, lanes, size_t(valid) * sizeof(int32_t));
    }
  } else if (out.kind == Store::kF32) {
    float* to = static_cast<float*>(out.data) + q * k_total + k;
    auto y = hn::ConvertTo(df, sums);
    if (valid == kPanel) {
      if (out.bias) y = hn::Add(y, hn::LoadU(df, out.bias + k));
      hn::StoreU(y, df, to);
    } else {
      HWY_ALIGN float lanes[kPanel];
      hn::StoreU(y, df, lanes);
      for (int64_t i = 0; i < valid; ++i) to[i] = out.bias ? lanes[i] + out.bias[k + i] : lanes[i];
    }
  } else {
    const Thresholds& t = *out.thresholds;
    uint64_t outside = 0;
    if (valid == kPanel) {
      const auto mask = hn::Or(hn::Gt(hn::LoadU(di, t.lo + k), sums), hn::Gt(sums, hn::LoadU(di, t.hi + k)));
      hn::StoreMaskBits(di, mask, reinterpret_cast<uint8_t*>(&outside));
    } else {
      HWY_ALIGN int32_t lanes[kPanel];
      hn::StoreU(sums, di, lanes);
      for (int64_t i = 0; i < valid; ++i) outside |= uint64_t(lanes[i] < t.lo[k + i] || lanes[i] > t.hi[k + i]) << i;
    }
    // The row was cleared before; a panel's channels lie in one word.
    const uint64_t flip = t.flip[k / kWordBits] >> (k % kWordBits);
    const uint64_t bits = ~(outside ^ flip) & ((uint64_t(1) << valid) - 1);
    static_cast<uint64_t*>(out.data)[q * words + k / kWordBits] |= bits << (k % kWordBits);
  }
}

struct TileArgs {
  const Scratch* scratch;
  int64_t steps;
  const int32_t* bases;  // of the panel's first channel
  const uint64_t* panel;
  const Output* out;
  int64_t k_total, words_out, k, valid;
};

// Pixels first_pixel + [0, kPixels) of the block; q is the first's place in the output.
template <int kPixels> HWY_NOINLINE HWY_ATTR void tile(const TileArgs& t, int64_t first_pixel, int64_t q) {
  const Pixel* pixels = t.scratch->pixels + first_pixel;
  const uint64_t* x[kPixels];
  static_for<kPixels>([&](auto p) BANTAM_LAMBDA { x[p] = t.scratch->rows + pixels[p].word; });
  V acc[kPixels * kVectors];
  static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(D()); });
  count<kPixels>(x, t.scratch->offsets, t.steps, t.panel, acc);
  static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
    const VI mismatches = as_i32(acc + p * kVectors);
    const VI base = hn::LoadU(DI(), t.bases + pixels[p].base);
    store(*t.out, t.k_total, t.words_out, q + p, t.k, t.valid, hn::Sub(base, hn::Add(mismatches, mismatches)));
  });
}

// Copies the kh input rows that output row r looks at, with their padding.
void gather(const ConvShape& s, const Sizes& z, uint64_t pad_word, uint64_t last_pad_word, const uint64_t* x, int64_t r,
            uint64_t* rows) {
  const int64_t image = r / s.out_h(), first = r % s.out_h() * s.stride_h - s.pad_h;
  auto fill = [&](uint64_t* to, int64_t pixels) {
    for (int64_t p = 0; p < pixels; ++p)
      for (int64_t i = 0; i < z.words; ++i) *to++ = i + 1 < z.words ? pad_word : last_pad_word;
  };
  for (int64_t ky = 0; ky < s.kh; ++ky, rows += z.padded_w * z.words) {
    const int64_t iy = first + ky * s.dilation_h;
    if (iy < 0 || iy >= s.h) {
      fill(rows, z.padded_w);
      continue;
    }
    fill(rows, s.pad_w);
    memcpy(rows + s.pad_w * z.words, x + (image * s.h + iy) * s.w * z.words, size_t(s.w * z.words) * sizeof(uint64_t));
    fill(rows + (s.pad_w + s.w) * z.words, s.pad_w);
  }
}

Scratch scratch_of(const ConvShape& s, const Sizes& z, void* memory) {
  Scratch m;
  m.rows = static_cast<uint64_t*>(memory);
  m.pixels = reinterpret_cast<Pixel*>(m.rows + z.block_rows * z.row_words);
  m.offsets = reinterpret_cast<uint32_t*>(m.pixels + z.block_rows * s.out_w());
  m.column_class = m.offsets + z.steps;
  m.row_class = m.column_class + s.out_w();
  return m;
}

// Offsets of the steps, and the class of each output row and column (all 0 where padding has values of its own).
void fill_tables(const ConvShape& s, int pad_value, const Sizes& z, const Scratch& m) {
  uint32_t* o = m.offsets;
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx)
      for (int64_t i = 0; i < z.words; ++i) *o++ = uint32_t((ky * z.padded_w + kx * s.dilation_w) * z.words + i);
  auto classes = [&](const Axis& axis, int64_t step, uint32_t* table) {
    table[0] = 0;
    for (int64_t i = 1; i < axis.out; ++i)
      table[i] = table[i - 1] + (pad_value == 0 && !(axis.taps(i) == axis.taps(i - 1)) ? uint32_t(step) : 0);
  };
  const int64_t columns = pad_value == 0 ? columns_of(s).classes() : 1;
  classes(columns_of(s), z.padded_k, m.column_class);
  classes(rows_of(s), columns * z.padded_k, m.row_class);
}

void XnorConv(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, int64_t row_begin, int64_t row_end,
              void* memory, const Output& out) {
  const Sizes z = sizes_of(s);
  const Scratch m = scratch_of(s, z, memory);
  fill_tables(s, pad_value, z, m);
  const uint64_t ones = pad_value > 0 ? ~uint64_t(0) : 0;
  const uint64_t last = s.c % kWordBits == 0 ? ones : ones & ((uint64_t(1) << (s.c % kWordBits)) - 1);
  const uint64_t* panels = static_cast<const uint64_t*>(packed);
  const int32_t* bases = reinterpret_cast<const int32_t*>(panels + z.panel_words);
  const int64_t out_w = s.out_w(), words_out = int64_t(words_for(size_t(s.k)));
  if (out.kind == Store::kBits)
    memset(out.data, 0, size_t((row_end - row_begin) * out_w * words_out) * sizeof(uint64_t));

  for (int64_t row = row_begin; row < row_end; row += z.block_rows) {
    const int64_t rows = row_end - row < z.block_rows ? row_end - row : z.block_rows;
    for (int64_t r = 0; r < rows; ++r) {
      gather(s, z, ones, last, x, row + r, m.rows + r * z.row_words);
      Pixel* pixels = m.pixels + r * out_w;
      for (int64_t ox = 0; ox < out_w; ++ox)
        pixels[ox] = {uint32_t(r * z.row_words + ox * s.stride_w * z.words),
                      m.row_class[(row + r) % s.out_h()] + m.column_class[ox]};
    }
    const int64_t count = rows * out_w, q0 = (row - row_begin) * out_w;
    for (int64_t k = 0; k < s.k; k += kPanel) {
      const TileArgs t{&m, z.steps, bases + k, panels + k * z.steps, &out, s.k, words_out, k,
                       s.k - k < kPanel ? s.k - k : kPanel};
      int64_t p = 0;
      for (; p + 7 <= count; p += 7) tile<7>(t, p, q0 + p);
      if (p + 4 <= count) tile<4>(t, p, q0 + p), p += 4;
      if (p + 2 <= count) tile<2>(t, p, q0 + p), p += 2;
      if (p < count) tile<1>(t, p, q0 + p);
    }
  }
}

// Panels [K / kPanel][step][kPanel], then the bases [row class][column class][padded K].
void PackWeights(const ConvShape& s, int pad_value, const uint64_t* w, void* packed) {
  const Sizes z = sizes_of(s);
  uint64_t* panels = static_cast<uint64_t*>(packed);
  for (int64_t k = 0; k < z.padded_k; ++k) {
    uint64_t* lane = panels + k / kPanel * kPanel * z.steps + k % kPanel;
    for (int64_t i = 0; i < z.steps; ++i) lane[i * kPanel] = k < s.k ? w[k * z.steps + i] : 0;
  }
  int32_t* base = reinterpret_cast<int32_t*>(panels + z.panel_words);
  const Axis rows = rows_of(s), columns = columns_of(s);
  // Taps outside the image compared with zero bits: each one's count of ones was added to the mismatches, where the tap
  // should have added nothing. 2 * ones makes up for it, and the base counts inner taps only.
  auto write_row = [&](Taps y, Taps x) {
    for (int64_t k = 0; k < z.padded_k; ++k) base[k] = int32_t((y.end - y.begin) * (x.end - x.begin) * s.c);
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        if (ky >= y.begin && ky < y.end && kx >= x.begin && kx < x.end) continue;
        for (int64_t k = 0; k < s.k; ++k)
          for (int64_t i = 0; i < z.words; ++i)
            base[k] += 2 * __builtin_popcountll(w[((k * s.kh + ky) * s.kw + kx) * z.words + i]);
      }
    base += z.padded_k;
  };
  if (pad_value != 0) return write_row({0, s.kh}, {0, s.kw});
  for (int64_t oy = 0; oy < rows.out; ++oy) {
    if (oy > 0 && rows.taps(oy) == rows.taps(oy - 1)) continue;
    for (int64_t ox = 0; ox < columns.out; ++ox)
      if (ox == 0 || !(columns.taps(ox) == columns.taps(ox - 1))) write_row(rows.taps(oy), columns.taps(ox));
  }
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(XnorConv);
HWY_EXPORT(PackWeights);

size_t xnor_packed_bytes(const ConvShape& s, int pad_value) noexcept {
  const Sizes z = sizes_of(s);
  const int64_t classes = pad_value == 0 ? rows_of(s).classes() * columns_of(s).classes() : 1;
  return round_up(size_t(z.panel_words) * sizeof(uint64_t) + size_t(classes * z.padded_k) * sizeof(int32_t), 64);
}

size_t xnor_scratch_bytes(const ConvShape& s) noexcept {
  const Sizes z = sizes_of(s);
  const int64_t pixels = z.block_rows * s.out_w();
  return round_up(size_t(z.block_rows * z.row_words + pixels) * sizeof(uint64_t) +
                      size_t(z.steps + s.out_w() + s.out_h()) * sizeof(uint32_t),
                  64);
}

int64_t xnor_block_rows(const ConvShape& s) noexcept { return sizes_of(s).block_rows; }

void xnor_pack_weights(const ConvShape& s, int pad_value, const uint64_t* w, void* packed) noexcept {
  HWY_DYNAMIC_DISPATCH(PackWeights)(s, pad_value, w, packed);
}

void xnor_conv_i32(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, int64_t row_begin, int64_t row_end,
                   void* scratch, int32_t* out) noexcept {
  const Output o{Store::kI32, out, nullptr, nullptr};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, packed, row_begin, row_end, scratch, o);
}
void xnor_conv_f32(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, const float* bias,
                   int64_t row_begin, int64_t row_end, void* scratch, float* out) noexcept {
  const Output o{Store::kF32, out, bias, nullptr};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, packed, row_begin, row_end, scratch, o);
}
void xnor_conv_bits(const ConvShape& s, int pad_value, const uint64_t* x, const void* packed, const Thresholds& t,
                    int64_t row_begin, int64_t row_end, void* scratch, uint64_t* out) noexcept {
  const Output o{Store::kBits, out, nullptr, &t};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, packed, row_begin, row_end, scratch, o);
}

}  // namespace bantam
#endif
