// The phases of a strided convolution's input gradient. Input pixels with equal (y mod stride, x mod stride) meet the
// same taps, whatever the padding and dilation: in each phase the gradient is a dense convolution of dy at stride 1.
#pragma once

#include <cstdint>

#include "ops/kernels/conv_f32.h"

namespace bantam {

// One axis: positions phase + stride * q (q in [0, positions)) meet the taps first, first + step, ... (count of them),
// the t-th of which reads dy at q + at - t * back.
struct PhaseAxis {
  int64_t positions = 0, first = 0, step = 1, count = 0, at = 0, back = 1;
};

constexpr PhaseAxis phase_axis(int64_t phase, int64_t size, int64_t stride, int64_t pad, int64_t dilation,
                               int64_t taps) {
  PhaseAxis a;
  int64_t common = stride, rest = dilation;  // greatest common divisor
  while (rest) {
    const int64_t r = common % rest;
    common = rest;
    rest = r;
  }
  a.positions = phase < size ? (size - phase + stride - 1) / stride : 0;
  a.step = stride / common;
  a.back = dilation / common;
  while (a.first < taps && (phase + pad - a.first * dilation) % stride != 0) ++a.first;
  if (a.first >= taps) return a;  // no output reads these positions
  a.count = (taps - a.first + a.step - 1) / a.step;
  a.at = (phase + pad - a.first * dilation) / stride;
  return a;
}

struct Phase {
  PhaseAxis y, x;
  int64_t py = 0, px = 0;
  int64_t taps_before = 0;  // taps of the phases before: each tap belongs to exactly one phase

  constexpr int64_t taps() const { return y.count * x.count; }
  // The tap of the kernel that is this phase's t-th.
  constexpr int64_t tap(const ConvShape& s, int64_t t) const {
    return (y.first + t / x.count * y.step) * s.kw + x.first + t % x.count * x.step;
  }
  // dx's pixels of this phase as rows gathered from dy; channels are all of dy's.
  constexpr GemmRows rows(const ConvShape& s, const float* dy, float* dx) const {
    GemmRows g;
    g.src = dy;
    g.images = s.n;
    g.h = s.out_h();
    g.w = s.out_w();
    g.pixel = g.channels = s.k;
    g.taps_h = y.count;
    g.taps_w = x.count;
    g.step_h = -y.back;
    g.step_w = -x.back;
    g.out_h = y.positions;
    g.out_w = x.positions;
    g.first_h = y.at;
    g.first_w = x.at;
    g.dst = dx + (py * s.w + px) * s.c;
    g.dst_pixel = s.stride_w * s.c;
    g.dst_row = s.stride_h * s.w * s.c;
    g.dst_image = s.h * s.w * s.c;
    return g;
  }
};

// The same seen from all phases at once, one axis: a cell is `stride` neighboring input positions, one of each phase.
// Tap t belongs to phase(t) and reads dy at cell + offset(t); offsets fall from taps 0 to the last, and several taps
// share one.
struct CellAxis {
  int64_t stride, pad, dilation, taps;

  constexpr int64_t phase(int64_t t) const { return ((t * dilation - pad) % stride + stride) % stride; }
  constexpr int64_t offset(int64_t t) const { return (phase(t) + pad - t * dilation) / stride; }
  constexpr int64_t first() const { return offset(taps - 1); }
  constexpr int64_t offsets() const { return offset(0) - first() + 1; }
  constexpr bool meets(int64_t phase_at) const {
    for (int64_t t = 0; t < taps; ++t)
      if (phase(t) == phase_at) return true;
    return false;
  }
};

template <class F>
void for_each_phase(const ConvShape& s, F&& f) {
  Phase p;
  for (p.py = 0; p.py < s.stride_h; ++p.py)
    for (p.px = 0; p.px < s.stride_w; ++p.px) {
      p.y = phase_axis(p.py, s.h, s.stride_h, s.pad_h, s.dilation_h, s.kh);
      p.x = phase_axis(p.px, s.w, s.stride_w, s.pad_w, s.dilation_w, s.kw);
      f(p);
      p.taps_before += p.taps();
    }
}

}  // namespace bantam
