#include "ops/quant/input_scale.h"

#include <algorithm>
#include <cmath>

#include "core/autograd.h"
#include "core/parallel.h"
#include "ops/dispatch.h"

namespace bantam {
namespace {

struct Window {
  int64_t n, h, w, c, oh, ow, k;  // images; what the window slides over; outputs
  int64_t kh, kw, sh, sw, ph, pw, dh, dw;

  double share() const { return 1 / double(c * kh * kw); }
  // f(pixel of x) for each pixel in the window of output pixel p.
  template <class F>
  void inputs_of(int64_t p, F f) const {
    const int64_t image = p / (oh * ow), y0 = p / ow % oh * sh - ph, x0 = p % ow * sw - pw;
    for (int64_t ky = 0; ky < kh; ++ky)
      for (int64_t kx = 0; kx < kw; ++kx) {
        const int64_t y = y0 + ky * dh, x = x0 + kx * dw;
        if (y >= 0 && y < h && x >= 0 && x < w) f((image * h + y) * w + x);
      }
  }
  // f(output pixel) for each window with pixel p of x.
  template <class F>
  void outputs_of(int64_t p, F f) const {
    const int64_t image = p / (h * w), y = p / w % h + ph, x = p % w + pw;
    for (int64_t ky = 0; ky < kh; ++ky)
      for (int64_t kx = 0; kx < kw; ++kx) {
        const int64_t oy = y - ky * dh, ox = x - kx * dw;
        if (oy < 0 || ox < 0 || oy % sh || ox % sw || oy / sh >= oh || ox / sw >= ow) continue;
        f((image * oh + oy / sh) * ow + ox / sw);
      }
  }
};

int64_t grain(int64_t values) { return std::max<int64_t>(1, kElementGrain / values); }

// K, for each output pixel.
Tensor scales_of(const Window& s, const Tensor& x) {
  Tensor sums = Tensor::empty({s.n * s.h * s.w}, DType::kF64), scales = Tensor::empty({s.n * s.oh * s.ow}, x.dtype());
  by_float_type("input_scale", x, [&]<class T>(T) {
    const T* in = x.data<T>();
    double* a = sums.mutable_data<double>();
    T* out = scales.mutable_data<T>();
    parallel_for(sums.size(), grain(s.c), [&](int64_t b, int64_t e, int) {
      for (; b < e; ++b) {
        a[b] = 0;
        for (int64_t c = 0; c < s.c; ++c) a[b] += std::abs(double(in[b * s.c + c]));
      }
    });
    parallel_for(scales.size(), grain(s.kh * s.kw), [&](int64_t b, int64_t e, int) {
      for (; b < e; ++b) {
        double sum = 0;
        s.inputs_of(b, [&](int64_t pixel) { sum += a[pixel]; });
        out[b] = T(sum * s.share());
      }
    });
  });
  return scales;
}

Tensors gradients(const Window& s, const BackwardArgs& b) {
  const DType dtype = b.grad.dtype();
  Tensors grads(2);
  grads[0] = Tensor::empty(b.grad.shape(), dtype);
  grads[1] = Tensor::empty(b[1].shape(), dtype);
  Tensor of_scales = Tensor::empty({s.n * s.oh * s.ow}, DType::kF64);
  by_float_type("input_scale", b.grad, [&]<class T>(T) {
    const T *g = b.grad.data<T>(), *y = b[0].data<T>(), *x = b[1].data<T>(), *scales = b[2].data<T>();
    T *dy = grads[0].mutable_data<T>(), *dx = grads[1].mutable_data<T>();
    double* ds = of_scales.mutable_data<double>();
    parallel_for(of_scales.size(), grain(s.k), [&](int64_t p, int64_t end, int) {
      for (; p < end; ++p) {
        ds[p] = 0;
        for (int64_t i = p * s.k; i < (p + 1) * s.k; ++i) {
          ds[p] += double(g[i]) * double(y[i]);
          dy[i] = g[i] * scales[p];
        }
      }
    });
    parallel_for(s.n * s.h * s.w, grain(s.c), [&](int64_t p, int64_t end, int) {
      for (; p < end; ++p) {
        double sum = 0;
        s.outputs_of(p, [&](int64_t pixel) { sum += ds[pixel]; });
        const T up = T(sum * s.share());
        for (int64_t i = p * s.c; i < (p + 1) * s.c; ++i) dx[i] = x[i] > 0 ? up : x[i] < 0 ? -up : T(0);
      }
    });
  });
  return grads;
}

}  // namespace

Tensor input_scale(const Tensor& y, const Tensor& x, int64_t kernel_h, int64_t kernel_w, const Conv2dParams& p) {
  const auto fail = [&](const std::string& what) {
    throw Error("input_scale: " + what + ", output " + to_string(y.shape()) + ", input " + to_string(x.shape()));
  };
  check_same_type("input_scale", y, x);
  const bool image = y.rank() == 4;
  if (y.rank() != x.rank() || (!image && y.rank() != 2)) fail("both are images or features");
  if (y.size() == 0 || x.size() == 0 || y.dim(0) != x.dim(0)) fail("sizes do not fit");
  if (kernel_h < 1 || kernel_w < 1 || p.stride_h < 1 || p.stride_w < 1 || p.dilation_h < 1 || p.dilation_w < 1 ||
      p.pad_h < 0 || p.pad_w < 0)
    fail("the window has no size");
  Window s{x.dim(0),   1,       1,       x.dim(-1),    1,           1, y.dim(-1), kernel_h, kernel_w, p.stride_h,
           p.stride_w, p.pad_h, p.pad_w, p.dilation_h, p.dilation_w};
  if (image) s.h = x.dim(1), s.w = x.dim(2), s.oh = y.dim(1), s.ow = y.dim(2);
  const auto slides = [](int64_t in, int64_t pad, int64_t dilation, int64_t kernel, int64_t stride, int64_t out) {
    const int64_t span = in + 2 * pad - dilation * (kernel - 1) - 1;
    return span >= 0 && span / stride + 1 == out;
  };
  if (!slides(s.h, s.ph, s.dh, s.kh, s.sh, s.oh) || !slides(s.w, s.pw, s.dw, s.kw, s.sw, s.ow))
    fail("the window does not make that output");
  const Tensor scales = scales_of(s, x);
  Tensor out = Tensor::empty(y.shape(), y.dtype());
  by_float_type("input_scale", y, [&]<class T>(T) {
    const T *in = y.data<T>(), *k = scales.data<T>();
    T* to = out.mutable_data<T>();
    parallel_for(scales.size(), grain(s.k), [&](int64_t b, int64_t e, int) {
      for (int64_t i = b * s.k; i < e * s.k; ++i) to[i] = in[i] * k[i / s.k];
    });
  });
  return record("input_scale", out, {y, x}, {{"input", y}, {"input", x}, {"scale", scales}},
                [s](const BackwardArgs& b) { return gradients(s, b); });
}

}  // namespace bantam
