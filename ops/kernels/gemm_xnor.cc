// One tile is up to 7 output pixels by a panel of output channels that lie in the 64-bit lanes of 1 or 2 vectors: for
// each step, a word of (ky, kx, c / 64), the pixel's word is broadcast against the panel's words. No horizontal sums
// are needed, and a step costs one load of weights for 7 pixels. The rows of input that a block of output rows looks at
// are copied with their padding into scratch first (a hundredth of the work), so that every pixel finds its words at
// the same offsets from its first.
#include "ops/kernels/gemm_xnor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/gemm_xnor.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <string.h>

#include "core/base/fixed_point.h"
#include "ops/kernels/border_classes.h"
#include "ops/kernels/xnor_count-inl.h"

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

// Offsets and places, then base values.
struct Tables {
  uint32_t* offsets;      // [steps]: from a pixel's first word to the step's
  uint32_t* row_base;     // [out_h] and
  uint32_t* column_base;  // [out_w]: added up, where the base values of a pixel start
  int32_t* bases;         // [row classes][column classes][padded_k]
};

inline Tables tables_of(const ConvShape& s, const Sizes& z, void* memory) {
  Tables p;
  p.offsets = static_cast<uint32_t*>(memory);
  p.row_base = p.offsets + z.steps;
  p.column_base = p.row_base + s.out_h();
  p.bases = reinterpret_cast<int32_t*>(p.column_base + s.out_w());
  return p;
}

inline int64_t classes_of(const Axis& axis, int pad_value) { return pad_value == 0 ? axis.classes() : 1; }

}  // namespace
}  // namespace bantam
#endif

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

static_assert(kPanelAlign % kPanel == 0, "packed sizes are multiples of every target's panel");

struct TileArgs {
  const uint64_t* rows;  // copied input
  const Pixel* pixels;   // of the block
  const uint32_t* offsets;
  int64_t steps;
  const int32_t* bases;  // of the panel's first channel
  const uint64_t* panel;
  const Output* out;
  int64_t k_total, words_out;
  int64_t k, valid;      // the panel's channels among those of the output: [k, k + valid)
};

// Puts the bits of a panel's first `valid` channels into their word, which was cleared before; no panel straddles two
// words.
HWY_INLINE void put_bits(uint64_t* word, uint64_t bits, int64_t shift, int64_t valid) {
  *word |= (bits & ((uint64_t(1) << valid) - 1)) << shift;
}

// Writes the sums [pixels][kPanel] of a panel that has fewer channels, one by one.
HWY_NOINLINE void store_part(const TileArgs& t, const int32_t* sums, int64_t pixels, int64_t q) {
  for (int64_t p = q; p < q + pixels; ++p, sums += kPanel) {
    const int64_t at = p * t.k_total + t.k;
    if (t.out->kind == Store::kI32) {
      memcpy(static_cast<int32_t*>(t.out->data) + at, sums, size_t(t.valid) * sizeof(int32_t));
    } else if (t.out->kind == Store::kF32) {
      float* to = static_cast<float*>(t.out->data) + at;
      for (int64_t i = 0; i < t.valid; ++i)
        to[i] = t.out->bias ? float(sums[i]) + t.out->bias[t.k + i] : float(sums[i]);
    } else {
      const int32_t *lo = t.out->thresholds->lo + t.k, *hi = t.out->thresholds->hi + t.k;
      uint64_t outside = 0;
      for (int64_t i = 0; i < t.valid; ++i) outside |= uint64_t(sums[i] < lo[i] || sums[i] > hi[i]) << i;
      const int64_t word = t.k / kWordBits, shift = t.k % kWordBits;
      const uint64_t flip = t.out->thresholds->flip[word] >> shift;
      put_bits(static_cast<uint64_t*>(t.out->data) + p * t.words_out + word, ~(outside ^ flip), shift, t.valid);
    }
  }
}

// Pixels first_pixel + [0, kPixels) of the block; q is the first's place in the output.
template <int kPixels> HWY_NOINLINE HWY_ATTR void tile(const TileArgs& t, int64_t first_pixel, int64_t q) {
  const DI di;
  const DF df;
  const Pixel* pixels = t.pixels + first_pixel;
  const uint64_t* x[kPixels];
  static_for<kPixels>([&](auto p) BANTAM_LAMBDA { x[p] = t.rows + pixels[p].word; });
  V acc[kPixels * kVectors];
  static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(D()); });
  count<kPixels>(x, t.offsets, t.steps, t.panel, acc);

  const int32_t* bases = t.bases;
  auto sums = [&](auto p) BANTAM_LAMBDA {
    const VI mismatches = as_i32(acc + p * kVectors);
    return hn::Sub(hn::LoadU(di, bases + pixels[p].base), hn::Add(mismatches, mismatches));
  };
  const Output& out = *t.out;
  if (t.valid < kPanel) {
    HWY_ALIGN int32_t part[kPixels * kPanel];
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA { hn::StoreU(sums(p), di, part + p * kPanel); });
    store_part(t, part, kPixels, q);
  } else if (out.kind == Store::kI32) {
    int32_t* to = static_cast<int32_t*>(out.data) + q * t.k_total + t.k;
    const int64_t k_total = t.k_total;
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA { hn::StoreU(sums(p), di, to + p * k_total); });
  } else if (out.kind == Store::kF32) {
    float* to = static_cast<float*>(out.data) + q * t.k_total + t.k;
    const int64_t k_total = t.k_total;
    if (out.bias) {
      const auto bias = hn::LoadU(df, out.bias + t.k);
      static_for<kPixels>(
          [&](auto p) BANTAM_LAMBDA { hn::StoreU(hn::Add(hn::ConvertTo(df, sums(p)), bias), df, to + p * k_total); });
    } else {
      static_for<kPixels>([&](auto p) BANTAM_LAMBDA { hn::StoreU(hn::ConvertTo(df, sums(p)), df, to + p * k_total); });
    }
  } else {
    const VI lo = hn::LoadU(di, out.thresholds->lo + t.k), hi = hn::LoadU(di, out.thresholds->hi + t.k);
    const int64_t words_out = t.words_out, shift = t.k % kWordBits;
    uint64_t* to = static_cast<uint64_t*>(out.data) + q * words_out + t.k / kWordBits;
    const uint64_t not_flip = ~(out.thresholds->flip[t.k / kWordBits] >> shift);
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
      const VI v = sums(p);
      uint64_t outside = 0;
      hn::StoreMaskBits(di, hn::Or(hn::Gt(lo, v), hn::Gt(v, hi)), reinterpret_cast<uint8_t*>(&outside));
      if constexpr (kPanel == 16) {
        const uint16_t bits = uint16_t(outside ^ not_flip);
        memcpy(reinterpret_cast<uint8_t*>(to + p * words_out) + shift / 8, &bits, sizeof bits);
      } else {
        put_bits(to + p * words_out, outside ^ not_flip, shift, kPanel);
      }
    });
  }
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

void XnorConv(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, int64_t row_begin,
              int64_t row_end, void* scratch, const Output& out, ChannelRange part) {
  const Sizes z = sizes_of(s);
  const Tables packed = tables_of(s, z, const_cast<void*>(w.tables));  // read only
  const uint64_t* const panels = static_cast<const uint64_t*>(w.panels);
  uint64_t* copied = static_cast<uint64_t*>(scratch);
  Pixel* pixels = reinterpret_cast<Pixel*>(copied + z.block_rows * z.row_words);
  const uint64_t ones = pad_value > 0 ? ~uint64_t(0) : 0;
  const uint64_t last = s.c % kWordBits == 0 ? ones : ones & ((uint64_t(1) << (s.c % kWordBits)) - 1);
  const int64_t k_end = part.last(s.k), k_total = k_end - part.begin;
  const int64_t out_w = s.out_w(), out_h = s.out_h(), words_out = int64_t(words_for(size_t(k_total)));
  if (out.kind == Store::kBits)
    memset(out.data, 0, size_t((row_end - row_begin) * out_w * words_out) * sizeof(uint64_t));

  for (int64_t row = row_begin; row < row_end; row += z.block_rows) {
    const int64_t rows = row_end - row < z.block_rows ? row_end - row : z.block_rows;
    for (int64_t r = 0; r < rows; ++r) {
      gather(s, z, ones, last, x, row + r, copied + r * z.row_words);
      const uint32_t word = uint32_t(r * z.row_words), step = uint32_t(s.stride_w * z.words);
      const uint32_t base = packed.row_base[(row + r) % out_h];
      for (int64_t ox = 0; ox < out_w; ++ox)
        pixels[r * out_w + ox] = {word + uint32_t(ox) * step, base + packed.column_base[ox]};
    }
    const int64_t count = rows * out_w, q0 = (row - row_begin) * out_w;
    for (int64_t k = part.begin; k < k_end; k += kPanel) {
      const TileArgs t{copied,
                       pixels,
                       packed.offsets,
                       z.steps,
                       packed.bases + k,
                       panels + k * z.steps,
                       &out,
                       k_total,
                       words_out,
                       k - part.begin,
                       k_end - k < kPanel ? k_end - k : kPanel};
      int64_t p = 0;
      for (; p + 7 <= count; p += 7) tile<7>(t, p, q0 + p);
      if constexpr (!kFewTiles) {
        if (p + 4 <= count) tile<4>(t, p, q0 + p), p += 4;
        if (p + 2 <= count) tile<2>(t, p, q0 + p), p += 2;
      }
      for (; p < count; ++p) tile<1>(t, p, q0 + p);
    }
  }
}

// Base values of the pixels whose taps (y, x) lie inside the image: the number of compared bits. The taps outside
// compared with zero bits, and each one's ones were counted as mismatches: twice that is given back.
void pack_base(const ConvShape& s, const Sizes& z, Taps y, Taps x, const uint64_t* panels, int32_t* base) {
  const D d;
  const DI di;
  const VI compared = hn::Set(di, int32_t((y.end - y.begin) * (x.end - x.begin) * s.c));
  for (int64_t k = 0; k < z.padded_k; k += kPanel) {
    V ones[kVectors];
    for (V& v : ones) v = hn::Zero(d);
    const uint64_t* w = panels + k * z.steps;
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        const bool inside = ky >= y.begin && ky < y.end && kx >= x.begin && kx < x.end;
        for (int64_t i = 0; i < z.words; ++i, w += kPanel)
          for (int v = 0; v < kVectors && !inside; ++v)
            ones[v] = hn::Add(ones[v], hn::PopulationCount(hn::LoadU(d, w + v * kLanes)));
      }
    const VI outside = as_i32(ones);
    hn::StoreU(hn::Add(compared, hn::Add(outside, outside)), di, base + k);
  }
}

int Panel() { return kPanel; }

void PackTables(const ConvShape& s, int pad_value, const void* panels_memory, void* memory) {
  const Sizes z = sizes_of(s);
  const Tables packed = tables_of(s, z, memory);
  const uint64_t* const panels = static_cast<const uint64_t*>(panels_memory);
  uint32_t* offset = packed.offsets;
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx)
      for (int64_t i = 0; i < z.words; ++i) *offset++ = uint32_t((ky * z.padded_w + kx * s.dilation_w) * z.words + i);

  // Where the padding has values of its own all pixels are of one class.
  const Axis rows = rows_of(s), columns = columns_of(s);
  const bool zero = pad_value == 0;
  const int64_t column_classes = classes_of(columns, pad_value);
  uint32_t row_base = 0, column_base = 0;
  for (int64_t ox = 0; ox < columns.out; ++ox) {
    if (zero && ox > 0 && !(columns.taps(ox) == columns.taps(ox - 1))) column_base += uint32_t(z.padded_k);
    packed.column_base[ox] = column_base;
  }
  for (int64_t oy = 0; oy < rows.out; ++oy) {
    const bool first = oy == 0, change = zero && !first && !(rows.taps(oy) == rows.taps(oy - 1));
    if (change) row_base += uint32_t(column_classes * z.padded_k);
    packed.row_base[oy] = row_base;
    if (!first && !change) continue;
    if (!zero) {
      pack_base(s, z, {0, s.kh}, {0, s.kw}, panels, packed.bases);
      continue;
    }
    for (int64_t ox = 0; ox < columns.out; ++ox)
      if (ox == 0 || packed.column_base[ox] != packed.column_base[ox - 1])
        pack_base(s, z, rows.taps(oy), columns.taps(ox), panels,
                  packed.bases + row_base + packed.column_base[ox]);
  }
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(XnorConv);
HWY_EXPORT(PackTables);
HWY_EXPORT(Panel);

size_t xnor_panel_bytes(const ConvShape& s) noexcept {
  return round_up(size_t(sizes_of(s).panel_words) * sizeof(uint64_t), 64);
}

size_t xnor_table_bytes(const ConvShape& s, int pad_value) noexcept {
  const Sizes z = sizes_of(s);
  const int64_t classes = classes_of(rows_of(s), pad_value) * classes_of(columns_of(s), pad_value);
  return round_up(size_t(z.steps + s.out_h() + s.out_w() + classes * z.padded_k) * sizeof(uint32_t), 64);
}

size_t xnor_scratch_bytes(const ConvShape& s) noexcept {
  const Sizes z = sizes_of(s);
  return round_up(size_t(z.block_rows * (z.row_words + s.out_w())) * sizeof(uint64_t), 64);
}

int64_t xnor_block_rows(const ConvShape& s) noexcept { return sizes_of(s).block_rows; }

int xnor_panel() noexcept { return HWY_DYNAMIC_DISPATCH(Panel)(); }

namespace {

// word(k, i): of channel k.
template <class Word> void put_panels(const ConvShape& s, int64_t panel, uint64_t* panels, const Word& word) {
  const Sizes z = sizes_of(s);
  for (int64_t k = 0; k < z.padded_k; ++k) {
    uint64_t* lane = panels + k / panel * panel * z.steps + k % panel;
    for (int64_t i = 0; i < z.steps; ++i) lane[i * panel] = k < s.k ? word(k, i) : 0;
  }
}

}  // namespace

void xnor_pack_panels(const ConvShape& s, const uint64_t* w, int panel, void* panels) noexcept {
  const int64_t steps = sizes_of(s).steps;
  put_panels(s, panel, static_cast<uint64_t*>(panels), [&](int64_t k, int64_t i) { return w[k * steps + i]; });
}

void xnor_repack_panels(const ConvShape& s, const void* from, int from_panel, void* panels) noexcept {
  const int64_t steps = sizes_of(s).steps, width = from_panel;
  const uint64_t* const w = static_cast<const uint64_t*>(from);
  put_panels(s, xnor_panel(), static_cast<uint64_t*>(panels),
             [&](int64_t k, int64_t i) { return w[k / width * width * steps + i * width + k % width]; });
}

void xnor_pack_tables(const ConvShape& s, int pad_value, const void* panels, void* tables) noexcept {
  HWY_DYNAMIC_DISPATCH(PackTables)(s, pad_value, panels, tables);
}

void xnor_conv_i32(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, int64_t row_begin,
                   int64_t row_end, void* scratch, int32_t* out, ChannelRange part) noexcept {
  const Output o{Store::kI32, out, nullptr, nullptr};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, w, row_begin, row_end, scratch, o, part);
}
void xnor_conv_f32(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, const float* bias,
                   int64_t row_begin, int64_t row_end, void* scratch, float* out, ChannelRange part) noexcept {
  const Output o{Store::kF32, out, bias, nullptr};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, w, row_begin, row_end, scratch, o, part);
}
void xnor_conv_bits(const ConvShape& s, int pad_value, const uint64_t* x, const XnorWeights& w, const Thresholds& t,
                    int64_t row_begin, int64_t row_end, void* scratch, uint64_t* out, ChannelRange part) noexcept {
  const Output o{Store::kBits, out, nullptr, &t};
  HWY_DYNAMIC_DISPATCH(XnorConv)(s, pad_value, x, w, row_begin, row_end, scratch, o, part);
}

}  // namespace bantam
#endif
