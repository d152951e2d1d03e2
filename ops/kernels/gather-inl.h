// Gathers window elements of output pixels (GemmRows) while packing them; included once a target.
#if defined(BANTAM_GATHER_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_GATHER_INL_H_
#undef BANTAM_GATHER_INL_H_
#else
#define BANTAM_GATHER_INL_H_
#endif

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels/gemm_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// Where an output pixel's window lies: its tap (0, 0), which may be outside the image.
struct Window {
  int64_t origin;  // in pixels of src
  int64_t y, x;
};

// Walks output pixels in the order of rows.
struct Pixel {
  int64_t image, oy, ox;
  Pixel(const GemmRows& g, int64_t row) {
    const int64_t area = g.out_w * g.out_h, pixel = g.images_inner ? row / g.images : row % area;
    image = g.images_inner ? row % g.images : row / area;
    oy = pixel / g.out_w;
    ox = pixel % g.out_w;
  }
  void next(const GemmRows& g) {
    if (g.images_inner) {
      if (++image < g.images) return;
      image = 0;
    }
    if (++ox < g.out_w) return;
    ox = 0;
    if (++oy < g.out_h) return;
    oy = 0;
    ++image;
  }
  Window window(const GemmRows& g) const {
    const int64_t y = oy * g.stride_h + g.first_h, x = ox * g.stride_w + g.first_w;
    return {(image * g.h + y) * g.w + x, y, x};
  }
};

HWY_INLINE HWY_ATTR void copy_line(const float* HWY_RESTRICT src, float* HWY_RESTRICT dst) {
  const DF d;
  static_for<(kN < 16 ? 16 / kN : 1)>(
      [&](auto i) BANTAM_LAMBDA { hn::StoreU(hn::LoadU(d, src + i * kN), d, dst + i * kN); });
}
HWY_INLINE HWY_ATTR void zero_line(float* dst) {
  const DF d;
  static_for<(kN < 16 ? 16 / kN : 1)>([&](auto i) BANTAM_LAMBDA { hn::StoreU(hn::Zero(d), d, dst + i * kN); });
}

// Copies n <= 16 floats and touches no others.
HWY_INLINE HWY_ATTR void copy_part(const float* HWY_RESTRICT src, float* HWY_RESTRICT dst, int64_t n) {
#if HWY_TARGET == HWY_AVX2 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
  const DF d;
  if (kN < 16 && n > kN) {
    hn::StoreU(hn::LoadU(d, src), d, dst);
    src += kN;
    dst += kN;
    n -= kN;
  }
  const auto mask = hn::FirstN(d, size_t(n));
  hn::BlendedStore(hn::MaskedLoad(mask, d, src), mask, d, dst);
#else
  for (int64_t i = 0; i < n; ++i) dst[i] = src[i];
#endif
}

// Elements [k0, k1) of each window, k0 a multiple of 16: element k of row r goes to
// dst[r * row_step + (k - k0) / 16 * line_step + (k - k0) % 16]. Where channels are a multiple of 16 whole lines move;
// else pieces that end at a line's or a run's end, a run being the floats that lie side by side in the image.
HWY_MAYBE_UNUSED HWY_NOINLINE HWY_ATTR void gather(const GemmRows& g, const Window* win, int64_t rows, int64_t k0,
                                                   int64_t k1, float* dst, int64_t row_step, int64_t line_step) {
  if (k0 >= k1) return;  // no taps at all: a phase of an input gradient that no output reads
  const bool lines = g.channels % kLine == 0;
  const int64_t run_taps = !lines && g.step_w == 1 && g.pixel == g.channels ? g.taps_w : 1;
  const int64_t run = run_taps * g.channels, runs_w = g.taps_w / run_taps;
  for (int64_t k = k0, q = k0 / run, j = k0 % run; k < k1; ++q, j = 0) {
    const int64_t dy = q / runs_w * g.step_h, dx = q % runs_w * g.step_w, shift = (dy * g.w + dx) * g.pixel;
    const int64_t run_end = run - j < k1 - k ? k + run - j : k1;
    if (lines) {
      float* out = dst + (k - k0) / kLine * line_step;
      for (int64_t r = 0; r < rows; ++r, out += row_step) {
        if (uint64_t(win[r].y + dy) < uint64_t(g.h) && uint64_t(win[r].x + dx) < uint64_t(g.w)) {
          const float* in = g.src + win[r].origin * g.pixel + shift + j;
          for (int64_t i = 0; i < run_end - k; i += kLine) copy_line(in + i, out + i / kLine * line_step);
        } else {
          for (int64_t i = 0; i < run_end - k; i += kLine) zero_line(out + i / kLine * line_step);
        }
      }
      k = run_end;
      continue;
    }
    while (k < run_end) {
      const int64_t at = (k - k0) % kLine;
      const int64_t n = kLine - at < run_end - k ? kLine - at : run_end - k;
      float* out = dst + (k - k0) / kLine * line_step + at;
      for (int64_t r = 0; r < rows; ++r, out += row_step) {
        // The part [lo, hi) of the run that lies inside the image.
        const int64_t x = win[r].x + dx;
        const int64_t lo = x < 0 ? -x * g.channels : 0;
        int64_t hi = g.w - x < run_taps ? (g.w - x) * g.channels : run;
        if (uint64_t(win[r].y + dy) >= uint64_t(g.h)) hi = 0;
        const int64_t from = win[r].origin * g.pixel + shift;
        if (j >= lo && j + n <= hi) {
          copy_part(g.src + from + j, out, n);
        } else {
          for (int64_t i = 0; i < n; ++i) out[i] = j + i >= lo && j + i < hi ? g.src[from + j + i] : 0.0f;
        }
      }
      k += n;
      j += n;
    }
  }
}

// Asks for what the windows of rows to come will be the first to read, a share at each step, while the rows before are
// still being multiplied: a gather by itself waits for memory at each jump.
class FetchAhead {
 public:
  FetchAhead(const GemmRows& g, int64_t row_begin, int64_t row_end, int64_t steps)
      : g_(g),
        pixel_(g, row_begin),
        rows_(row_end - row_begin),
        steps_(steps),
        // Taps that no window before has met: those furthest down and to the right.
        fresh_h_(g.step_h != 1 ? 1 : g.stride_h < g.taps_h ? g.stride_h : g.taps_h),
        fresh_w_(g.step_w != 1 ? 1 : g.stride_w < g.taps_w ? g.stride_w : g.taps_w) {}
  HWY_INLINE void step() {
    ++step_;
    for (; done_ < rows_ && done_ * steps_ < rows_ * step_; ++done_, pixel_.next(g_)) fetch(pixel_.window(g_));
  }

 private:
  HWY_INLINE void fetch(const Window& win) const {
    const int64_t first_h = g_.step_h > 0 ? g_.taps_h - fresh_h_ : 0,
                  first_w = g_.step_w > 0 ? g_.taps_w - fresh_w_ : 0;
    for (int64_t i = first_h; i < first_h + fresh_h_; ++i)
      for (int64_t j = first_w; j < first_w + fresh_w_; ++j) {
        const int64_t dy = i * g_.step_h, dx = j * g_.step_w;
        if (uint64_t(win.y + dy) >= uint64_t(g_.h) || uint64_t(win.x + dx) >= uint64_t(g_.w)) continue;
        const float* p = g_.src + (win.origin + dy * g_.w + dx) * g_.pixel;
        for (int64_t c = 0; c < g_.channels; c += kLine) __builtin_prefetch(p + c, 0, 2);  // to L2
      }
  }

  const GemmRows& g_;
  Pixel pixel_;
  int64_t rows_, steps_, fresh_h_, fresh_w_, step_ = 0, done_ = 0;
};

// The same for floats that lie side by side.
class FetchLines {
 public:
  FetchLines(const float* begin, int64_t floats, int64_t steps)
      : at_(begin), lines_((floats + kLine - 1) / kLine), steps_(steps) {}
  HWY_INLINE void step() {
    for (++step_; done_ < lines_ && done_ * steps_ < lines_ * step_; ++done_)
      __builtin_prefetch(at_ + done_ * kLine, 0, 2);
  }

 private:
  const float* at_;
  int64_t lines_, steps_, step_ = 0, done_ = 0;
};

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
