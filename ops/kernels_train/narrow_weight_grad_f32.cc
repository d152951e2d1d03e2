#include "ops/kernels_train/narrow_weight_grad_f32.h"

#include <stddef.h>

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/narrow_weight_grad_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels_train/narrow-inl.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

constexpr bool kPlanar = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;  // elsewhere few channels fill most of a vector

// Steps along a band: `count` of them, `per_line` to a line, after which the input goes `skip` floats further.
struct Walk {
  int64_t count, per_line, right, skip;
};

// Sums that a tile holds at most: what registers there are, but for those of b's vectors and a value of a.
constexpr int kMaxSums = kMR == 14 ? 28 : kMR == 6 ? 12 : 2;
constexpr int kMaxRun = kMR == 14 ? 15 : kMR;

// c[h * run + r][V vectors] (+)= sum over pixels of a[h * down + r] b[..], h < H, r < R: vectors along output channels,
// rows along H runs of a window's floats that lie side by side. Row h * R + r of the sums lies at c + (h * run + r) *
// ldc.
template <int R, int H, int V>
HWY_NOINLINE HWY_ATTR void channel_tile(const float* HWY_RESTRICT a, int64_t down, const float* HWY_RESTRICT b,
                                        int64_t ldb, const Walk& walk, float* c, int64_t run, int64_t ldc, bool first) {
  const DF d;
  VF acc[H * R * V];
  static_for<H * R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  const int64_t right = walk.right, skip = walk.skip, per_line = walk.per_line;
  for (int64_t i = walk.count, left = per_line; i > 0; --i, b += ldb) {
    VF bv[V];
    static_for<V>([&](auto v) BANTAM_LAMBDA { bv[v] = hn::LoadU(d, b + v * kN); });
    static_for<H>([&](auto h) BANTAM_LAMBDA {
      static_for<R>([&](auto r) BANTAM_LAMBDA {
        const VF av = hn::Set(d, a[h * down + r]);
        static_for<V>([&](auto v) BANTAM_LAMBDA {
          acc[(h * R + r) * V + v] = fused(av, bv[v], acc[(h * R + r) * V + v]);
        });
      });
    });
    a += right;
    if (--left == 0) {
      left = per_line;
      a += skip;
    }
  }
  static_for<H>([&](auto h) BANTAM_LAMBDA {
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      static_for<V>([&](auto v) BANTAM_LAMBDA {
        float* to = c + (h * run + r) * ldc + v * kN;
        const VF sum = acc[(h * R + r) * V + v];
        hn::StoreU(first ? sum : hn::Add(hn::LoadU(d, to), sum), d, to);
      });
    });
  });
}
using ChannelTile = void (*)(const float*, int64_t, const float*, int64_t, const Walk&, float*, int64_t, int64_t, bool);

template <int R, int H, int V>
constexpr ChannelTile channel_tile_or_none() {
  if constexpr (R <= kMaxRun && R * H * V <= kMaxSums && (H == 1 || R <= 8)) {
    return channel_tile<R, H, V>;
  } else {
    return nullptr;
  }
}
template <int H, int V, size_t... R>
HWY_INLINE ChannelTile channel_tile_of(int64_t run, std::index_sequence<R...>) {
  static constexpr ChannelTile kTiles[] = {channel_tile_or_none<int(R) + 1, H, V>()...};
  return run <= int64_t(sizeof...(R)) ? kTiles[run - 1] : nullptr;
}
// The tile for a piece of a run and V vectors, and the most runs up to `runs` that it can hold.
template <int V>
HWY_INLINE ChannelTile channel_tile_for(int64_t piece, int64_t runs, int64_t* height) {
  constexpr std::make_index_sequence<size_t(kMaxRun)> all;
  ChannelTile tile = nullptr;
  if (runs >= 3 && (tile = channel_tile_of<3, V>(piece, all))) return *height = 3, tile;
  if (runs >= 2 && (tile = channel_tile_of<2, V>(piece, all))) return *height = 2, tile;
  *height = 1;
  return channel_tile_of<1, V>(piece, all);
}

// A band of one image: its input lines, with their border, as an image of its own.
struct Band {
  int64_t image, line, lines;
};

// The work of one task. `g`: the forward pass's rows.
struct Task {
  const ConvShape& s;
  const NarrowWeightGradPlan& plan;
  const GemmRows& g;
  const float* dy;
  float *sums, *input, *gradients;  // the latter two of scratch
};

// The forward pass's rows with the band's lines as the output of an image.
GemmRows band_rows(const GemmRows& g, const Band& band) {
  GemmRows part = g;
  part.out_h = band.lines;
  part.first_h = g.first_h + band.line * g.stride_h;
  return part;
}

// The band's input: where it lies, or as a copy with its border; `pitch` floats from line to line.
HWY_ATTR const float* band_input(const Task& t, const Band& band, int64_t* pitch) {
  const GemmRows& g = t.g;
  const GemmRows part = band_rows(g, band);
  const NarrowImage extent(part);
  const bool inside =
      extent.top >= 0 && extent.left >= 0 && extent.top + extent.height <= g.h && extent.left + extent.width <= g.w;
  if (inside) {
    *pitch = g.w * g.channels;
    return g.src + ((band.image * g.h + extent.top) * g.w + extent.left) * g.channels;
  }
  *pitch = extent.width * g.channels;
  pad_image(part, extent, band.image, t.input);
  return t.input;
}

HWY_ATTR void band_by_channels(const Task& t, const Band& band, bool first) {
  const ConvShape& s = t.s;
  const int64_t k16 = (s.k + 15) / 16 * 16, out_w = s.out_w(), pixels = band.lines * out_w;
  int64_t pitch;
  const float* a = band_input(t, band, &pitch);

  const float* b = t.dy + (band.image * s.out_h() + band.line) * out_w * s.k;
  int64_t ldb = s.k;
  if (s.k % 16 != 0) {  // whole vectors, also of the last pixel
    const DF d;
    float* out = t.gradients;
    for (int64_t i = 0; i < pixels; ++i, b += s.k)
      for (int64_t k = 0; k < k16; k += kN, out += kN) hn::StoreU(load_first(b + k, s.k - k), d, out);
    b = t.gradients;
    ldb = k16;
  }
  const Walk walk{pixels, out_w, s.stride_w * s.c, s.stride_h * pitch - out_w * s.stride_w * s.c};
  // Runs in pieces of nearly equal length; short ones together with those of the next lines.
  const int64_t run = s.kw * s.c, down = t.g.step_h * pitch;
  const auto tiles = [&]<int V>(std::integral_constant<int, V>, int64_t k) HWY_ATTR {
    constexpr int64_t kMost = V * kMaxRun > kMaxSums ? kMaxSums / V : kMaxRun;
    const int64_t pieces = (run + kMost - 1) / kMost;
    for (int64_t i = 0; i < pieces; ++i) {
      const int64_t r0 = i * run / pieces, piece = (i + 1) * run / pieces - r0;
      for (int64_t ky = 0, height; ky < s.kh; ky += height) {
        const ChannelTile tile = channel_tile_for<V>(piece, s.kh - ky, &height);
        tile(a + ky * down + r0, down, b + k, ldb, walk, t.sums + (ky * run + r0) * k16 + k, run, k16, first);
      }
    }
  };
  for (int64_t k = 0; k < s.k; k += kNR) {
    if (k16 - k >= kNR) {
      tiles(std::integral_constant<int, 2>(), k);
    } else {
      tiles(std::integral_constant<int, 1>(), k);
    }
  }
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
// Says that v is changed here, so that g++ loads it once and not again as an operand of each of its uses: most of these
// loads lie across two cache lines, and cost twice.
HWY_INLINE HWY_ATTR void keep_in_register(VF& v) {
  asm("" : "+v"(v.raw));
}

// c[j * depth + r][16 lanes] (+)= sum over vectors of pixels of a[row[r]..] b[j * plane ..].
template <int J, int R>
HWY_NOINLINE HWY_ATTR void pixel_tile(const float* HWY_RESTRICT a, const ptrdiff_t* HWY_RESTRICT row,
                                      const float* HWY_RESTRICT b, int64_t plane, const Walk& walk, float* c,
                                      int64_t depth, bool first) {
  const DF d;
  VF acc[J * R];
  static_for<J * R>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  const int64_t right = walk.right, skip = walk.skip, per_line = walk.per_line;
  for (int64_t i = walk.count, left = per_line; i > 0; --i, b += kN) {
    VF g[J];
    static_for<J>([&](auto j) BANTAM_LAMBDA { g[j] = hn::LoadU(d, b + j * plane); });
    static_for<R>([&](auto r) BANTAM_LAMBDA {
      VF x = hn::LoadU(d, a + row[r]);
      keep_in_register(x);
      static_for<J>([&](auto j) BANTAM_LAMBDA { acc[r * J + j] = fused(x, g[j], acc[r * J + j]); });
    });
    a += right;
    if (--left == 0) {
      left = per_line;
      a += skip;
    }
  }
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    static_for<J>([&](auto j) BANTAM_LAMBDA {
      float* to = c + (j * depth + r) * kN;
      hn::StoreU(first ? acc[r * J + j] : hn::Add(hn::LoadU(d, to), acc[r * J + j]), d, to);
    });
  });
}
using PixelTile = void (*)(const float*, const ptrdiff_t*, const float*, int64_t, const Walk&, float*, int64_t, bool);

constexpr int kPixelRows = 8;
template <int J, size_t... R>
HWY_INLINE PixelTile pixel_tile_of(int64_t rows, std::index_sequence<R...>) {
  static constexpr PixelTile kTiles[] = {pixel_tile<J, int(R) + 1>...};
  return kTiles[rows - 1];
}
template <int J>
HWY_INLINE PixelTile pixel_tile_for(int64_t rows) {
  return pixel_tile_of<J>(rows, std::make_index_sequence<size_t(kPixelRows)>());
}

// dy's lines as planes [K][lines][per_line vectors], zeros behind a line's last pixel. K <= 8 vectors hold 16 pixels of
// K channels; a channel's are picked out of each. `end`: of dy, which may not be read beyond.
template <int K>
HWY_NOINLINE HWY_ATTR void split_channels(const float* dy, const float* end, int64_t out_w, int64_t lines,
                                          int64_t plane, float* planes) {
  const DF d;
  const hn::RebindToSigned<DF> di;
  for (int j = 0; j < K; ++j, planes += plane) {
    HWY_ALIGN int32_t from[kN], which[kN];
    for (int p = 0; p < kN; ++p) {
      from[p] = (p * K + j) % kN;
      which[p] = (p * K + j) / kN;
    }
    const auto index = hn::SetTableIndices(d, from);
    const auto source = hn::Load(di, which);
    hn::Mask<DF> mask[K];
    static_for<K>([&](auto o) BANTAM_LAMBDA { mask[o] = hn::RebindMask(d, hn::Eq(source, hn::Set(di, int32_t(o)))); });
    float* out = planes;
    for (int64_t y = 0; y < lines; ++y)
      for (int64_t p = 0; p < out_w; p += kN, out += kN) {
        const float* in = dy + (y * out_w + p) * K;
        HWY_ALIGN float copy[K * kN];
        if (end - in < K * kN) {
          for (int o = 0; o < K; ++o) hn::Store(load_first(in + o * kN, end - in - o * kN), d, copy + o * kN);
          in = copy;
        }
        VF v = hn::Zero(d);
        static_for<K>([&](auto o) BANTAM_LAMBDA {
          v = hn::IfThenElse(mask[o], hn::TableLookupLanes(hn::LoadU(d, in + o * kN), index), v);
        });
        if (out_w - p < kN) v = hn::IfThenElseZero(hn::FirstN(d, size_t(out_w - p)), v);
        hn::StoreU(v, d, out);
      }
  }
}
using SplitChannels = void (*)(const float*, const float*, int64_t, int64_t, int64_t, float*);
constexpr SplitChannels kSplitChannels[] = {split_channels<1>, split_channels<2>, split_channels<3>, split_channels<4>,
                                            split_channels<5>, split_channels<6>, split_channels<7>, split_channels<8>};

// Vectors along pixels; dy is 0 where a line's last vector reaches beyond it, so that what x holds there does not
// matter unless it is infinite.
HWY_ATTR void band_by_pixels(const Task& t, const Band& band, bool first) {
  const ConvShape& s = t.s;
  const GemmRows& g = t.g;
  const int64_t depth = g.depth(), out_w = s.out_w(), per_line = (out_w + kN - 1) / kN;
  const GemmRows part = band_rows(g, band);
  const NarrowImage extent(part);
  const int64_t pitch = extent.width + 16, plane = extent.height * pitch;
  pad_planes(part, extent, band.image, t.input);
  ptrdiff_t row[kNarrowDepth];
  for (int64_t tap = 0, r = 0; tap < s.taps(); ++tap)
    for (int64_t c = 0; c < s.c; ++c) row[r++] = c * plane + tap / s.kw * g.step_h * pitch + tap % s.kw * g.step_w;

  const int64_t vectors = band.lines * per_line, dy_plane = vectors * kN;
  kSplitChannels[s.k - 1](t.dy + (band.image * s.out_h() + band.line) * out_w * s.k,
                          t.dy + s.n * s.out_h() * out_w * s.k, out_w, band.lines, dy_plane, t.gradients);
  const Walk walk{vectors, per_line, kN, s.stride_h * pitch - per_line * kN};
  const int64_t groups = (depth + kPixelRows - 1) / kPixelRows, thirds = (s.k + 2) / 3;
  for (int64_t i = 0; i < thirds; ++i) {
    const int64_t k0 = i * s.k / thirds, ks = (i + 1) * s.k / thirds - k0;
    for (int64_t j = 0; j < groups; ++j) {
      const int64_t r0 = j * depth / groups, rows = (j + 1) * depth / groups - r0;
      const PixelTile tile = ks == 3   ? pixel_tile_for<3>(rows)
                             : ks == 2 ? pixel_tile_for<2>(rows)
                                       : pixel_tile_for<1>(rows);
      tile(t.input, row + r0, t.gradients + k0 * dy_plane, dy_plane, walk, t.sums + (k0 * depth + r0) * kN, depth,
           first);
    }
  }
}
#else
void band_by_pixels(const Task&, const Band&, bool) {}
#endif

HWY_ATTR void weight_grad(const ConvShape& s, const float* x, const float* dy, float* sums, int64_t task_begin,
                          int64_t task_end, float* scratch) {
  const NarrowWeightGradPlan plan = narrow_weight_grad_plan(s);
  const GemmRows g = conv_f32_gather(s, x, nullptr, 0);
  const int64_t per_image = plan.bands / s.n;
  for (int64_t i = task_begin; i < task_end; ++i) {
    const Task task{s, plan, g, dy, sums + i * plan.task_sums, scratch + plan.dy_floats, scratch};
    const int64_t begin = i * plan.bands / plan.tasks, end = (i + 1) * plan.bands / plan.tasks;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t line = b % per_image * plan.band_lines, rest = s.out_h() - line;
      const Band band{b / per_image, line, rest < plan.band_lines ? rest : plan.band_lines};
      if (kPlanar && plan.planar) {
        band_by_pixels(task, band, b == begin);
      } else {
        band_by_channels(task, band, b == begin);
      }
    }
  }
}

HWY_ATTR void finish(const ConvShape& s, float* sums, int64_t begin, int64_t end, float* dw) {
  const DF d;
  const NarrowWeightGradPlan plan = narrow_weight_grad_plan(s);
  const int64_t depth = s.taps() * s.c, k16 = (s.k + 15) / 16 * 16;
  const auto add_tasks = [&](int64_t from, int64_t to) HWY_ATTR {
    for (int64_t j = from; j < to; j += kN) {
      VF sum = hn::LoadU(d, sums + j);
      for (int64_t i = 1; i < plan.tasks; ++i) sum = hn::Add(sum, hn::LoadU(d, sums + i * plan.task_sums + j));
      hn::StoreU(sum, d, sums + j);
    }
  };
  if (kPlanar && plan.planar) {
    for (int64_t k = 0; k < s.k; ++k) {
      add_tasks((k * depth + begin) * kN, (k * depth + end) * kN);
      for (int64_t r = begin; r < end; ++r)
        dw[k * depth + r] = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, sums + (k * depth + r) * kN)));
    }
    return;
  }
  add_tasks(begin * k16, end * k16);
  for (int64_t r = begin; r < end; ++r)
    for (int64_t k = 0; k < s.k; ++k) dw[k * depth + r] = sums[r * k16 + k];
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(weight_grad);
HWY_EXPORT(finish);

void narrow_weight_grad_f32(const ConvShape& s, const float* x, const float* dy, float* sums, int64_t task_begin,
                            int64_t task_end, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(weight_grad)(s, x, dy, sums, task_begin, task_end, scratch);
}

void narrow_weight_grad_finish(const ConvShape& s, float* sums, int64_t begin, int64_t end, float* dw) noexcept {
  HWY_DYNAMIC_DISPATCH(finish)(s, sums, begin, end, dw);
}

}  // namespace bantam
#endif
