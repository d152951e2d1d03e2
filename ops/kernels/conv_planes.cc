// As gemm_xnor.cc, with planes in place of one word a channel: a tile's counts are doubled from one weight of planes to
// the next smaller one, so that each pair of planes costs its popcounts and nothing else.
#include "ops/kernels/conv_planes.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels/conv_planes.cc"
#include <hwy/foreach_target.h>
//
#include <hwy/highway.h>

#include <string.h>

#include "core/base/fixed_point.h"
#include "ops/kernels/border_classes.h"
#include "ops/kernels/xnor_count-inl.h"

#ifndef BANTAM_OPS_KERNELS_CONV_PLANES_SHARED_  // what all targets share
#define BANTAM_OPS_KERNELS_CONV_PLANES_SHARED_
namespace bantam {
namespace {

constexpr int64_t kPanelAlign = 16;    // the widest panel of any target: packed sizes are multiples of it
constexpr int64_t kBlockPixels = 28;   // that share a panel while it is in the first-level cache

struct Sizes {
  int64_t words, steps, padded_k, panel_words;  // of a plane of weights
  int64_t padded_w, plane_words;                // of a copied input row's pixels; of a plane of the copied rows
  int64_t block_rows, block_in_rows;
};

inline Sizes sizes_of(const ConvShape& s) {
  Sizes z;
  z.words = int64_t(words_for(size_t(s.c)));
  z.steps = s.taps() * z.words;
  z.padded_k = int64_t(round_up(size_t(s.k), size_t(kPanelAlign)));
  z.panel_words = z.padded_k * z.steps;
  z.padded_w = s.w + 2 * s.pad_w;
  z.block_rows = ceil_div(kBlockPixels, s.out_w());
  if (z.block_rows > s.out_h()) z.block_rows = s.out_h();
  z.block_in_rows = (z.block_rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  z.plane_words = z.block_in_rows * z.padded_w * z.words;
  return z;
}

struct Pixel {
  uint32_t word;  // of its first tap, from the start of a plane
  uint32_t base;  // of its row of base values
};

// Packed weights: panels plane by plane, then tables, then base values.
struct Packed {
  uint64_t* panels;       // [planes][padded_k / panel][steps][panel]
  uint32_t* offsets;      // [steps]: from a pixel's first word to the step's
  uint32_t* row_base;     // [out_h] and
  uint32_t* column_base;  // [out_w]: added up, where the base values of a pixel start
  int32_t* bases;         // [row classes][column classes][padded_k]
};

inline Packed packed_of(const ConvShape& s, const Sizes& z, const Planes& p, void* memory) {
  Packed at;
  at.panels = static_cast<uint64_t*>(memory);
  at.offsets = reinterpret_cast<uint32_t*>(at.panels + p.w * z.panel_words);
  at.row_base = at.offsets + z.steps;
  at.column_base = at.row_base + s.out_h();
  at.bases = reinterpret_cast<int32_t*>(at.column_base + s.out_w());
  return at;
}

// Padding that is the code of zero bits needs no classes: what it adds is the same everywhere.
inline bool has_classes(const Planes& p) { return p.pad != p.add; }
inline int64_t classes_of(const Axis& axis, const Planes& p) { return has_classes(p) ? axis.classes() : 1; }

// Bit `plane` of 64 bytes, or of the first n.
inline uint64_t bits_of(const uint8_t* bytes, int64_t n, int plane) {
  uint64_t bits = 0;
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t eight = 0;
    memcpy(&eight, bytes + i, size_t(n - i < 8 ? n - i : 8));
    // Each byte's bit goes to the bottom of the byte, and the product lines the eight up in the top byte.
    bits |= ((eight >> plane & 0x0101010101010101u) * 0x0102040810204080u) >> 56 << i;
  }
  return bits;
}

}  // namespace
}  // namespace bantam
#endif

HWY_BEFORE_NAMESPACE();
namespace bantam::HWY_NAMESPACE {
namespace {

static_assert(kPanelAlign % kPanel == 0, "packed sizes are multiples of every target's panel");

struct TileArgs {
  const uint64_t* rows;  // copied input, plane 0
  int64_t plane_words;
  const Pixel* pixels;   // of the block
  const uint32_t* offsets;
  int64_t steps;
  const int32_t* bases;  // of the panel's first channel
  const uint64_t* panel;
  int64_t panel_words;   // from a plane of weights to the next
  Planes planes;
  int32_t* out;          // of the block's first pixel and the panel's first channel
  int64_t pixel_step;
  int64_t valid;         // channels that exist
};

// Pixels first + [0, kPixels) of the block.
template <int kPixels> HWY_NOINLINE HWY_ATTR void tile(const TileArgs& t, int64_t first) {
  const DI di;
  const Pixel* pixels = t.pixels + first;
  V acc[kPixels * kVectors];
  static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(D()); });
  for (int weight = t.planes.x + t.planes.w - 2; weight >= 0; --weight) {
    static_for<kPixels * kVectors>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Add(acc[i], acc[i]); });
    for (int b = 0; b < t.planes.x; ++b) {
      const int c = weight - b;
      if (c < 0 || c >= t.planes.w) continue;
      const uint64_t* x[kPixels];
      static_for<kPixels>([&](auto p) BANTAM_LAMBDA { x[p] = t.rows + b * t.plane_words + pixels[p].word; });
      count<kPixels>(x, t.offsets, t.steps, t.panel + c * t.panel_words, acc);
    }
  }
  int32_t* out = t.out + first * t.pixel_step;
  const int64_t pixel_step = t.pixel_step;
  const bool twice = t.planes.mul == 2;
  auto sums = [&](auto p) BANTAM_LAMBDA {
    const VI m = as_i32(acc + p * kVectors);
    return hn::Sub(hn::LoadU(di, t.bases + pixels[p].base), twice ? hn::Add(m, m) : m);
  };
  if (t.valid >= kPanel) {
    static_for<kPixels>([&](auto p) BANTAM_LAMBDA { hn::StoreU(sums(p), di, out + p * pixel_step); });
    return;
  }
  HWY_ALIGN int32_t part[kPanel];  // nothing outside of out is touched
  static_for<kPixels>([&](auto p) BANTAM_LAMBDA {
    hn::Store(sums(p), di, part);
    memcpy(out + p * pixel_step, part, size_t(t.valid) * 4);
  });
}

// Input rows [first, first + rows) of image n with their padding of zero bits, as planes.
void copy_rows(const ConvShape& s, const Sizes& z, const Planes& planes, const CodeInput& x, int64_t n, int64_t first,
               int64_t rows, uint64_t* to) {
  const int64_t row_words = z.padded_w * z.words;
  for (int b = 0; b < planes.x; ++b) memset(to + b * z.plane_words, 0, size_t(rows * row_words) * 8);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t y = first + r;
    if (y < 0 || y >= s.h) continue;
    const int64_t pixel = (n * s.h + y) * s.w;
    uint64_t* row = to + r * row_words + s.pad_w * z.words;
    if (x.bits) {
      memcpy(row, x.bits + pixel * z.words, size_t(s.w * z.words) * 8);
      continue;
    }
    const uint8_t* bytes = x.bytes + pixel * s.c;
    for (int64_t p = 0; p < s.w; ++p, bytes += s.c, row += z.words)
      for (int64_t i = 0; i < z.words; ++i) {
        const int64_t channels = s.c - i * kWordBits < kWordBits ? s.c - i * kWordBits : kWordBits;
        for (int b = 0; b < planes.x; ++b)
          row[b * z.plane_words + i] = bits_of(bytes + i * kWordBits, channels, b);
      }
  }
}

void PlanesConv(const ConvShape& s, const Planes& planes, const CodeInput& x, const void* packed_memory,
                int64_t row_begin, int64_t row_end, void* scratch, int32_t* out, ChannelRange part) {
  const Sizes z = sizes_of(s);
  const Packed packed = packed_of(s, z, planes, const_cast<void*>(packed_memory));  // read only
  uint64_t* copied = static_cast<uint64_t*>(scratch);
  Pixel* pixels = reinterpret_cast<Pixel*>(copied + planes.x * z.plane_words);
  const int64_t out_w = s.out_w(), out_h = s.out_h(), k_end = part.last(s.k), out_k = part.size(s.k);
  for (int64_t row = row_begin; row < row_end;) {
    const int64_t image = row / out_h, oy = row % out_h;
    int64_t rows = z.block_rows < out_h - oy ? z.block_rows : out_h - oy;
    if (rows > row_end - row) rows = row_end - row;
    const int64_t in_rows = (rows - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
    copy_rows(s, z, planes, x, image, oy * s.stride_h - s.pad_h, in_rows, copied);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t ox = 0; ox < out_w; ++ox)
        pixels[r * out_w + ox] = {uint32_t((r * s.stride_h * z.padded_w + ox * s.stride_w) * z.words),
                                  packed.row_base[oy + r] + packed.column_base[ox]};
    const int64_t count = rows * out_w;
    int32_t* const to = out + (row - row_begin) * out_w * out_k;
    for (int64_t k = part.begin; k < k_end; k += kPanel) {
      const TileArgs t{copied,
                       z.plane_words,
                       pixels,
                       packed.offsets,
                       z.steps,
                       packed.bases + k,
                       packed.panels + k * z.steps,
                       z.panel_words,
                       planes,
                       to + (k - part.begin),
                       out_k,
                       k_end - k < kPanel ? k_end - k : kPanel};
      int64_t p = 0;
      for (; p + 7 <= count; p += 7) tile<7>(t, p);
      if constexpr (!kFewTiles) {
        if (p + 4 <= count) tile<4>(t, p), p += 4;
        if (p + 2 <= count) tile<2>(t, p), p += 2;
      }
      for (; p < count; ++p) tile<1>(t, p);
    }
    row += rows;
  }
}

// Plane c of the weights, a word of channels a step.
void pack_plane(const ConvShape& s, const Sizes& z, const PackedNumbers& w, int c, uint64_t* panels) {
  const int64_t row = ceil_div(s.taps() * s.c * w.bits, 8);
  for (int64_t k = 0; k < z.padded_k; ++k) {
    uint64_t* lane = panels + k / kPanel * kPanel * z.steps + k % kPanel;
    for (int64_t tap = 0; tap < s.taps(); ++tap)
      for (int64_t i = 0; i < z.words; ++i, lane += kPanel) {
        uint64_t word = 0;
        const int64_t first = i * kWordBits, end = s.c - first < kWordBits ? s.c - first : kWordBits;
        for (int64_t bit = 0; bit < end && k < s.k; ++bit)
          word |= uint64_t(packed_number(w.rows + k * row, tap * s.c + first + bit, w.bits) >> c & 1) << bit;
        *lane = word;
      }
  }
}

// Base values of the pixels whose taps (y, x) lie inside the image. What does not fit on the way wraps around; the
// sums, which do, are right all the same.
void pack_base(const ConvShape& s, const Sizes& z, const Planes& planes, Taps y, Taps x, const uint64_t* panels,
               int32_t* base) {
  const uint32_t all = uint32_t(planes.mul) * ((1u << planes.x) - 1), top = (1u << planes.w) - 1;
  for (int64_t k = 0; k < z.padded_k; ++k) {
    const uint64_t* lane = panels + k / kPanel * kPanel * z.steps + k % kPanel;
    uint32_t sum = 0;
    for (int64_t ky = 0; ky < s.kh; ++ky)
      for (int64_t kx = 0; kx < s.kw; ++kx) {
        uint32_t numbers = 0;
        for (int64_t i = 0; i < z.words; ++i, lane += kPanel)
          for (int c = 0; c < planes.w; ++c)
            numbers += uint32_t(__builtin_popcountll(lane[c * z.panel_words])) << c;
        const bool inside = ky >= y.begin && ky < y.end && kx >= x.begin && kx < x.end;
        sum += all * numbers + uint32_t(inside ? planes.add : planes.pad) * (2 * numbers - top * uint32_t(s.c));
      }
    base[k] = int32_t(sum);
  }
}

void PackNumbers(const ConvShape& s, const Planes& planes, const PackedNumbers& w, void* memory) {
  const Sizes z = sizes_of(s);
  memset(memory, 0, planes_packed_bytes(s, planes));
  const Packed packed = packed_of(s, z, planes, memory);
  for (int c = 0; c < planes.w; ++c) pack_plane(s, z, w, c, packed.panels + c * z.panel_words);
  uint32_t* offset = packed.offsets;
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t kx = 0; kx < s.kw; ++kx)
      for (int64_t i = 0; i < z.words; ++i)
        *offset++ = uint32_t((ky * s.dilation_h * z.padded_w + kx * s.dilation_w) * z.words + i);

  const Axis rows = rows_of(s), columns = columns_of(s);
  const bool classes = has_classes(planes);
  const int64_t column_classes = classes_of(columns, planes);
  uint32_t row_base = 0, column_base = 0;
  for (int64_t ox = 0; ox < columns.out; ++ox) {
    if (classes && ox > 0 && !(columns.taps(ox) == columns.taps(ox - 1))) column_base += uint32_t(z.padded_k);
    packed.column_base[ox] = column_base;
  }
  for (int64_t oy = 0; oy < rows.out; ++oy) {
    if (classes && oy > 0 && !(rows.taps(oy) == rows.taps(oy - 1))) row_base += uint32_t(column_classes * z.padded_k);
    packed.row_base[oy] = row_base;
  }
  for (int64_t oy = 0; oy < rows.out; ++oy) {
    if (oy > 0 && packed.row_base[oy] == packed.row_base[oy - 1]) continue;
    for (int64_t ox = 0; ox < columns.out; ++ox)
      if (ox == 0 || packed.column_base[ox] != packed.column_base[ox - 1])
        pack_base(s, z, planes, rows.taps(oy), columns.taps(ox), packed.panels,
                  packed.bases + packed.row_base[oy] + packed.column_base[ox]);
  }
}

// A tile costs a popcount for each pair of planes and step, and as much as `more` steps a pair; multiply-adds cost as
// much as tenths / 10 pairs of planes of full words. Measured on AVX2 and on AVX-512 with its dot product
// (bench/codes_bench), which codes whose mul is 1 take; elsewhere it follows from the rates of binary products and the
// instructions of both loops.
bool PlanesPay(const ConvShape& s, const Planes& p) {
  int64_t tenths = 38, more = 9;
#if HWY_TARGET == HWY_AVX3_DL
  tenths = kMostPlaneTenths;
  if (p.mul == 1) tenths = 60, more = 25;
#elif HWY_TARGET == HWY_SCALAR
  tenths = kMostPlaneTenths;
#elif HWY_ARCH_ARM && defined(__ARM_FEATURE_DOTPROD)
  tenths = p.mul == 1 ? 30 : 60;
#elif HWY_ARCH_ARM
  tenths = 60;
#elif HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSSE3
  tenths = 30;
#endif
  const int64_t words = int64_t(words_for(size_t(s.c))), steps = s.taps() * words;
  return 10 * p.x * p.w * (steps + more) * words * kWordBits <= tenths * steps * s.c;
}

}  // namespace
}  // namespace bantam::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(PlanesConv);
HWY_EXPORT(PackNumbers);
HWY_EXPORT(PlanesPay);

bool planes_pay(const ConvShape& s, const Planes& p) noexcept { return HWY_DYNAMIC_DISPATCH(PlanesPay)(s, p); }

size_t planes_packed_bytes(const ConvShape& s, const Planes& p) noexcept {
  const Sizes z = sizes_of(s);
  const int64_t classes = classes_of(rows_of(s), p) * classes_of(columns_of(s), p);
  return round_up(size_t(p.w * z.panel_words) * sizeof(uint64_t) +
                      size_t(z.steps + s.out_h() + s.out_w() + classes * z.padded_k) * sizeof(uint32_t),
                  64);
}

size_t planes_scratch_bytes(const ConvShape& s, const Planes& p) noexcept {
  const Sizes z = sizes_of(s);
  return round_up(size_t(p.x * z.plane_words + z.block_rows * s.out_w()) * sizeof(uint64_t), 64);
}

void planes_pack_numbers(const ConvShape& s, const Planes& p, const PackedNumbers& w, void* packed) noexcept {
  HWY_DYNAMIC_DISPATCH(PackNumbers)(s, p, w, packed);
}

void planes_conv_i32(const ConvShape& s, const Planes& p, const CodeInput& x, const void* packed, int64_t row_begin,
                     int64_t row_end, void* scratch, int32_t* out, ChannelRange part) noexcept {
  HWY_DYNAMIC_DISPATCH(PlanesConv)(s, p, x, packed, row_begin, row_end, scratch, out, part);
}

}  // namespace bantam
#endif
