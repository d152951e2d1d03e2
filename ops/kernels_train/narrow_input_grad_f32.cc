#include "ops/kernels_train/narrow_input_grad_f32.h"

#include <string.h>

#if !defined(HWY_COMPILE_ONLY_STATIC) && !defined(HWY_DISABLED_TARGETS)
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_AVX3_DL)  // as in ops/kernels/gemm_f32.cc
#endif
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/kernels_train/narrow_input_grad_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/phases.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// The lines of dy and of the window that meet a line of dx: `count` pairs, the next one `dy_jump` and `w_jump` floats
// away from the last channel of the one before.
struct Lines {
  int64_t count, k, dy_jump, w_jump;
};

// t[r][V vectors] = sum over lines and k of dy[r][k] w[k][..].
template <int R, int V>
HWY_NOINLINE HWY_ATTR void window_tile(const float* HWY_RESTRICT dy, const float* HWY_RESTRICT w, int64_t columns,
                                       const Lines& lines, float* HWY_RESTRICT t) {
  const DF d;
  VF acc[R * V];
  static_for<R * V>([&](auto i) BANTAM_LAMBDA { acc[i] = hn::Zero(d); });
  const int k = int(lines.k);
  const int64_t dy_jump = lines.dy_jump, w_jump = lines.w_jump;
  for (int64_t i = lines.count * k, left = k; i > 0; --i) {
    step<R, V>(dy, w, acc, k);
    ++dy;
    w += columns;
    if (--left == 0) {
      left = k;
      dy += dy_jump;
      w += w_jump;
    }
  }
  static_for<R>([&](auto r) BANTAM_LAMBDA {
    static_for<V>([&](auto v) BANTAM_LAMBDA { hn::StoreU(acc[r * V + v], d, t + r * columns + v * kN); });
  });
}
using WindowTile = void (*)(const float*, const float*, int64_t, const Lines&, float*);

template <int V, size_t... R>
HWY_INLINE WindowTile window_tile_of(int64_t rows, std::index_sequence<R...>) {
  static constexpr WindowTile kTiles[] = {window_tile<int(R) + 1, V>...};
  return kTiles[rows - 1];
}
template <int V>
HWY_INLINE WindowTile window_tile_for(int64_t rows) {
  return window_tile_of<V>(rows, std::make_index_sequence<size_t(kMR)>());
}

// dx[x][c] from T, whose row 0 is at t; a pixel in vectors of kWide lanes. kTaps: of a window's line at stride 1, or 0
// for any.
template <int kWide, int kTaps>
HWY_INLINE HWY_ATTR void fold(const ConvShape& s, const float* HWY_RESTRICT t, int64_t columns,
                              float* HWY_RESTRICT dx) {
  const hn::CappedTag<float, kWide> d;
  constexpr int64_t kStep = int64_t(hn::MaxLanes(d));
  const int64_t line = s.w * s.c, back = s.stride_w * s.c - columns;  // from a row's value to that of the row before
  int64_t first = s.pad_w % s.stride_w, ox = s.pad_w / s.stride_w;    // the first tap that meets x, and where
  for (int64_t x = 0; x < s.w; ++x) {
    // Beyond the last row and the zeros behind it: later taps, on that of the zeros.
    const int64_t beyond = ox > s.out_w() ? ox - s.out_w() : 0, kx = first + beyond * s.stride_w;
    for (int64_t c = 0; c < s.c; c += kStep) {
      auto sum = hn::Zero(d);
      const float* from = t + (ox - beyond) * columns + kx * s.c + c;
      if (kTaps > 0 && beyond == 0) {
        static_for<kTaps>([&](auto j) BANTAM_LAMBDA { sum = hn::Add(sum, hn::LoadU(d, from + j * back)); });
      } else {
        for (int64_t j = kx; j < s.kw; j += s.stride_w, from += back) sum = hn::Add(sum, hn::LoadU(d, from));
      }
      // What is too much, the next pixel overwrites; but not in the next line.
      const int64_t i = x * s.c + c, rest = line - i;
      if (rest >= kStep) {
        hn::StoreU(sum, d, dx + i);
      } else {
        HWY_ALIGN float last[kStep];
        hn::Store(sum, d, last);
        memcpy(dx + i, last, size_t(rest) * sizeof(float));
      }
    }
    if (++first == s.stride_w) {
      first = 0;
      ++ox;
    }
  }
}

HWY_ATTR void input_grad(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t line_begin,
                         int64_t line_end, float* scratch) {
  const int64_t columns = narrow_input_grad_columns(s), out_w = s.out_w();
  memset(scratch, 0, size_t(narrow_input_grad_scratch(s)) * sizeof(float));
  float* t = scratch + s.kw * columns;
  const int64_t tiles = (out_w + kMR - 1) / kMR;
  for (int64_t l = line_begin; l < line_end; ++l) {
    const int64_t n = l / s.h, y = l % s.h;
    // Taps of the line: the phase's (phases.h), of which those between the image's first and last line of dy.
    const PhaseAxis a = phase_axis(y % s.stride_h, s.h, s.stride_h, s.pad_h, s.dilation_h, s.kh);
    const int64_t at = y / s.stride_h + a.at;
    int64_t first = 0, count = a.count;
    while (count > 0 && at - first * a.back >= s.out_h()) ++first, --count;
    while (count > 0 && at - (first + count - 1) * a.back < 0) --count;
    float* out = dx + l * s.w * s.c;
    if (count <= 0) {
      memset(out, 0, size_t(s.w * s.c) * sizeof(float));
      continue;
    }
    const float* in = dy + (n * s.out_h() + at - first * a.back) * out_w * s.k;
    const float* w = packed + (a.first + first * a.step) * s.k * columns;
    const Lines lines{count, s.k, -a.back * out_w * s.k - s.k, (a.step - 1) * s.k * columns};
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t x0 = i * out_w / tiles, rows = (i + 1) * out_w / tiles - x0;
      for (int64_t j = 0; j < columns; j += kNR) {
        const WindowTile tile = columns - j >= kNR ? window_tile_for<2>(rows) : window_tile_for<1>(rows);
        tile(in + x0 * s.k, w + j, columns, lines, t + x0 * columns + j);
      }
    }
    const bool unit = s.stride_w == 1;
    if (s.c > 8) {
      fold<16, 0>(s, t, columns, out);
    } else if (unit && s.kw == 3) {  // shorter loads lie across two cache lines less often
      fold<8, 3>(s, t, columns, out);
    } else if (unit && s.kw == 5) {
      fold<8, 5>(s, t, columns, out);
    } else {
      fold<8, 0>(s, t, columns, out);
    }
  }
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bantam {

HWY_EXPORT(input_grad);

void narrow_input_grad_f32(const ConvShape& s, const float* dy, const float* packed, float* dx, int64_t line_begin,
                           int64_t line_end, float* scratch) noexcept {
  HWY_DYNAMIC_DISPATCH(input_grad)(s, dy, packed, dx, line_begin, line_end, scratch);
}

void narrow_input_grad_pack_weights(const ConvShape& s, const float* w, float* packed) noexcept {
  const int64_t run = s.kw * s.c, columns = narrow_input_grad_columns(s);
  for (int64_t ky = 0; ky < s.kh; ++ky)
    for (int64_t k = 0; k < s.k; ++k, packed += columns) {
      memcpy(packed, w + (k * s.kh + ky) * run, size_t(run) * sizeof(float));
      memset(packed + run, 0, size_t(columns - run) * sizeof(float));
    }
}

}  // namespace bantam
#endif
