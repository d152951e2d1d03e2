// Tiles of Winograd's algorithm and the transform of their inputs: what the forward pass and the weight gradient share;
// included once a target.
#if defined(BANTAM_WINOGRAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef BANTAM_WINOGRAD_INL_H_
#undef BANTAM_WINOGRAD_INL_H_
#else
#define BANTAM_WINOGRAD_INL_H_
#endif

#include <string.h>

#include "ops/kernels/gemm_f32-inl.h"
#include "ops/kernels_train/winograd_f32.h"

HWY_BEFORE_NAMESPACE();
namespace bantam {
namespace HWY_NAMESPACE {
namespace {

// ---- Tiles of M x M outputs

// Tile t of the batch: its image and the first of its outputs.
template <int M> struct Tile {
  int64_t image, oy, ox;
  Tile(const ConvShape& s, int64_t t) {
    const int64_t wide = (s.out_w() + M - 1) / M, area = wide * ((s.out_h() + M - 1) / M);
    image = t / area;
    oy = t % area / wide * M;
    ox = t % wide * M;
  }
  void next(const ConvShape& s) {
    if ((ox += M) < s.out_w()) return;
    ox = 0;
    if ((oy += M) < s.out_h()) return;
    oy = 0;
    ++image;
  }
};

// Where the inputs of a tile lie, row by row; those outside the image point to zeros.
template <int M>
HWY_INLINE void input_pixels(const ConvShape& s, const Tile<M>& t, const float* x, const float* zeros,
                             const float** p) {
  const int64_t y0 = t.oy - s.pad_h, x0 = t.ox - s.pad_w;
  const float* first = x + ((t.image * s.h + y0) * s.w + x0) * s.c;
  for (int64_t i = 0; i < M + 2; ++i)
    for (int64_t j = 0; j < M + 2; ++j)
      *p++ = uint64_t(y0 + i) < uint64_t(s.h) && uint64_t(x0 + j) < uint64_t(s.w) ? first + (i * s.w + j) * s.c : zeros;
}
// Its outputs, likewise; T is float or const float.
template <int M, class T> HWY_INLINE void output_pixels(const ConvShape& s, const Tile<M>& t, T* y, T* outside, T** p) {
  const int64_t oh = s.out_h(), ow = s.out_w();
  T* first = y + ((t.image * oh + t.oy) * ow + t.ox) * s.k;
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < M; ++j) *p++ = t.oy + i < oh && t.ox + j < ow ? first + (i * ow + j) * s.k : outside;
}

// ---- One-dimensional transforms

HWY_INLINE HWY_ATTR VF times(float a, VF x) { return hn::Mul(hn::Set(DF(), a), x); }
HWY_INLINE HWY_ATTR VF times_plus(float a, VF x, VF y) { return fused(hn::Set(DF(), a), x, y); }

// t[M + 2] = B^T d
template <int M> HWY_INLINE HWY_ATTR void input_1d(const VF* d, VF* t) {
  if constexpr (M == 2) {
    t[0] = hn::Sub(d[0], d[2]);
    t[1] = hn::Add(d[1], d[2]);
    t[2] = hn::Sub(d[2], d[1]);
    t[3] = hn::Sub(d[1], d[3]);
  } else {
    const VF even = times_plus(-4, d[2], d[4]), odd = times_plus(-4, d[1], d[3]);
    const VF even2 = hn::Sub(d[4], d[2]), odd2 = hn::Sub(d[3], d[1]);
    t[0] = times_plus(4, d[0], times_plus(-5, d[2], d[4]));
    t[1] = hn::Add(even, odd);
    t[2] = hn::Sub(even, odd);
    t[3] = times_plus(2, odd2, even2);
    t[4] = times_plus(-2, odd2, even2);
    t[5] = times_plus(4, d[1], times_plus(-5, d[3], d[5]));
  }
}
// Rows [R0, R0 + ROWS) of B^T d B for one line of 16 channels: point (i, j) goes to out[((i - R0) * (M + 2) + j) *
// step]. What other rows would need the compiler drops.
template <int M, int R0, int ROWS>
HWY_INLINE HWY_ATTR void input_line(const float* const* p, int64_t at, float* HWY_RESTRICT out, int64_t step) {
  constexpr int T = M + 2;
  const DF d;
  for (int64_t v = 0; v < kLine; v += kN) {
    VF w[T * T];
    static_for<T>([&](auto j) BANTAM_LAMBDA {
      VF column[T], t[T];
      static_for<T>([&](auto i) BANTAM_LAMBDA { column[i] = hn::LoadU(d, p[i * T + j] + at + v); });
      input_1d<M>(column, t);
      static_for<T>([&](auto i) BANTAM_LAMBDA { w[i * T + j] = t[i]; });
    });
    static_for<ROWS>([&](auto r) BANTAM_LAMBDA {
      VF t[T];
      input_1d<M>(w + (R0 + r) * T, t);
      static_for<T>([&](auto j) BANTAM_LAMBDA { hn::StoreU(t[j], d, out + (int64_t(r) * T + j) * step + v); });
    });
  }
}
// The last line of a pixel, when channels are no multiple of 16, by a copy: nothing beyond the image is read.
template <int P>
HWY_INLINE HWY_ATTR void copy_last_line(const float* const* p, int64_t at, int64_t count, float (*copy)[16],
                                        const float** q) {
  for (int i = 0; i < P; ++i) {
    memset(copy[i], 0, sizeof copy[i]);
    memcpy(copy[i], p[i] + at, size_t(count) * sizeof(float));
    q[i] = copy[i];
  }
}

// All lines of a tile's channels: lines 2 i and 2 i + 1 go to out + i * pair_step, the second `odd` floats further.
template <int M, int R0, int ROWS>
HWY_NOINLINE HWY_ATTR void transform_inputs(const float* const* p, int64_t channels, float* out, int64_t pair_step,
                                            int64_t odd, int64_t step) {
  int64_t c = 0;
  const auto at = [&]() BANTAM_LAMBDA { return out + c / (2 * kLine) * pair_step + c / kLine % 2 * odd; };
  for (; c + kLine <= channels; c += kLine) input_line<M, R0, ROWS>(p, c, at(), step);
  if (c == channels) return;
  constexpr int P = (M + 2) * (M + 2);
  HWY_ALIGN float copy[P][16];
  const float* q[P];
  copy_last_line<P>(p, c, channels - c, copy, q);
  input_line<M, R0, ROWS>(q, 0, at(), step);
}
}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bantam
HWY_AFTER_NAMESPACE();

#endif  // include guard, flipped for each target
