#include "ops/pool.h"

#include <algorithm>

#include "bantam_fault.h"
#include "core/base/fixed_point.h"
#include "core/parallel.h"
#include "ops/kernels/pool.h"
#include "ops/kernels/pool_ref.h"
#include "ops/kernels_train/max_pool_positions.h"
#include "ops/kernels_train/pool_grad.h"

namespace bantam {
namespace {

ConvShape pool_shape(const char* op, const Tensor& x, const PoolParams& p) {
  const auto fail = [&](const std::string& what) -> void { throw Error(std::string(op) + ": " + what); };
  if (x.rank() != 4 || x.size() == 0) fail("input must be [N,H,W,C], is " + to_string(x.shape()));
  if (x.dtype() != DType::kF32 && x.dtype() != DType::kF64) fail(std::string("input is ") + name_of(x.dtype()));
  const std::string window = std::to_string(p.kernel_h) + "x" + std::to_string(p.kernel_w);
  if (p.kernel_h < 1 || p.kernel_w < 1 || p.kernel_h * p.kernel_w > 256)
    fail("a window has 1 to 256 pixels, not " + window);
  if (p.stride_h < 1 || p.stride_w < 1) fail("stride must be at least 1");
  if (p.pad_h < 0 || p.pad_w < 0 || 2 * p.pad_h > p.kernel_h || 2 * p.pad_w > p.kernel_w)
    fail("padding must be at most half of the window " + window);
  const ConvShape s{x.dim(0), x.dim(1), x.dim(2), x.dim(3), x.dim(3), p.kernel_h, p.kernel_w, p.stride_h, p.stride_w,
                    p.pad_h, p.pad_w, 1, 1, 1};
  if (s.h + 2 * s.pad_h < s.kh || s.w + 2 * s.pad_w < s.kw)
    fail("the window " + window + " is larger than the padded input " + to_string(x.shape()));
  return s;
}

// Pixels of c channels, or lines of so many floats, that make a chunk of work.
int64_t grain(int64_t c) { return std::max<int64_t>(1, kElementGrain / c); }

#ifdef BANTAM_FAULT_WRONG_TIE
// The last of the largest values of a window, not the first.
template <class T>
void last_of_equals(const ConvShape& s, const T* x, const T* y, uint8_t* positions, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const ref::PoolWindow w(s, row);
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t ky = w.ky0; ky < w.ky1; ++ky)
        for (int64_t kx = w.kx0; kx < w.kx1; ++kx)
          if (x[((w.n * s.h + w.y0 + ky) * s.w + w.x0 + kx) * s.c + c] == y[row * s.c + c])
            ref::set_max_position(s, positions, row * s.c + c, ky * s.kw + kx);
  }
}
#endif

}  // namespace

Tensor max_pool(const Tensor& x, const PoolParams& params) {
  const ConvShape s = pool_shape("max_pool", x, params);
  const int64_t rows = s.n * s.out_h() * s.out_w();
  Tensor y = Tensor::empty({s.n, s.out_h(), s.out_w(), s.c}, x.dtype());
  Tensor argmax;
  if (recording({x})) argmax = Tensor::empty({max_pool_planes(s) * max_pool_plane_bytes(s)}, DType::kU8);
  uint8_t* at = argmax.defined() ? argmax.mutable_data<uint8_t>() : nullptr;
  parallel_for(rows, int64_t(round_up(size_t(grain(s.c)), 8)), [&](int64_t b, int64_t e, int) {
    if (x.dtype() == DType::kF64) {
      ref::max_pool(s, x.data<double>(), y.mutable_data<double>(), at, b, e);
    } else if (at) {
      max_pool_positions_f32(s, x.data<float>(), y.mutable_data<float>(), at, b, e);
    } else {
      max_pool_f32(s, x.data<float>(), y.mutable_data<float>(), b, e);
    }
#ifdef BANTAM_FAULT_WRONG_TIE
    if (at && x.dtype() == DType::kF64) last_of_equals(s, x.data<double>(), y.data<double>(), at, b, e);
    if (at && x.dtype() == DType::kF32) last_of_equals(s, x.data<float>(), y.data<float>(), at, b, e);
#endif
  });
  return record("max_pool", y, {x}, {{"argmax", argmax}}, [s](const BackwardArgs& b) {
    Tensor dx = Tensor::empty({s.n, s.h, s.w, s.c}, b.grad.dtype());
    const Tensor& saved = b[0];
    const int64_t lines = int64_t(round_up(size_t(grain(s.w * s.c)), size_t(s.stride_h)));
    parallel_for(s.n * s.h, lines, [&](int64_t begin, int64_t end, int) {
      if (dx.dtype() == DType::kF64) {
        ref::max_pool_grad(s, b.grad.data<double>(), saved.data<uint8_t>(), dx.mutable_data<double>(), begin * s.w,
                           end * s.w);
      } else {
        max_pool_grad_f32(s, b.grad.data<float>(), saved.data<uint8_t>(), dx.mutable_data<float>(), begin, end);
      }
    });
    return Tensors{dx};
  });
}

Tensor avg_pool(const Tensor& x, const PoolParams& params) {
  const ConvShape s = pool_shape("avg_pool", x, params);
  const int64_t rows = s.n * s.out_h() * s.out_w();
  Tensor y = Tensor::empty({s.n, s.out_h(), s.out_w(), s.c}, x.dtype());
  parallel_for(rows, grain(s.c), [&](int64_t b, int64_t e, int) {
    if (x.dtype() == DType::kF64) {
      ref::avg_pool(s, x.data<double>(), y.mutable_data<double>(), b, e);
    } else {
      avg_pool_f32(s, x.data<float>(), y.mutable_data<float>(), b, e);
    }
  });
  return record("avg_pool", y, {x}, {}, [s](const BackwardArgs& b) {
    Tensor dx = Tensor::empty({s.n, s.h, s.w, s.c}, b.grad.dtype());
    parallel_for(s.n * s.h * s.w, grain(s.c), [&](int64_t begin, int64_t end, int) {
      if (dx.dtype() == DType::kF64) {
        ref::avg_pool_grad(s, b.grad.data<double>(), dx.mutable_data<double>(), begin, end);
      } else {
        avg_pool_grad_f32(s, b.grad.data<float>(), dx.mutable_data<float>(), begin, end);
      }
    });
    return Tensors{dx};
  });
}

Tensor global_avg_pool(const Tensor& x) {
  if (x.rank() != 4 || x.size() == 0)
    throw Error("global_avg_pool: input must be [N,H,W,C], is " + to_string(x.shape()));
  const int64_t n = x.dim(0), pixels = x.dim(1) * x.dim(2), c = x.dim(3);
  const Shape in_shape = x.shape();
  Tensor y = Tensor::empty({n, c}, x.dtype());
  parallel_for(n, grain(pixels * c), [&](int64_t b, int64_t e, int) {
    if (x.dtype() == DType::kF64) {
      ref::global_avg_pool(x.data<double>(), pixels, c, y.mutable_data<double>(), b, e);
    } else {
      global_avg_pool_f32(x.data<float>(), pixels, c, y.mutable_data<float>(), b, e);
    }
  });
  return record("global_avg_pool", y, {x}, {}, [in_shape, pixels, c](const BackwardArgs& b) {
    Tensor dx = Tensor::empty(in_shape, b.grad.dtype());
    parallel_for(in_shape[0], grain(pixels * c), [&](int64_t begin, int64_t end, int) {
      if (dx.dtype() == DType::kF64) {
        ref::global_avg_pool_grad(b.grad.data<double>(), pixels, c, dx.mutable_data<double>(), begin, end);
      } else {
        global_avg_pool_grad_f32(b.grad.data<float>(), pixels, c, dx.mutable_data<float>(), begin, end);
      }
    });
    return Tensors{dx};
  });
}

Tensor adaptive_avg_pool(const Tensor& x, int64_t out_h, int64_t out_w) {
  if (x.rank() != 4 || x.size() == 0)
    throw Error("adaptive_avg_pool: input must be [N,H,W,C], is " + to_string(x.shape()));
  if (out_h < 1 || out_w < 1)
    throw Error("adaptive_avg_pool: the output must have at least one pixel, not " + std::to_string(out_h) + "x" +
                std::to_string(out_w));
  const AdaptivePool s{x.dim(0), x.dim(1), x.dim(2), x.dim(3), out_h, out_w};
  if (s.h == s.oh && s.w == s.ow) return x;
  Tensor y = Tensor::empty({s.n, s.oh, s.ow, s.c}, x.dtype());
  parallel_for(s.n * s.oh * s.ow, grain(s.c), [&](int64_t b, int64_t e, int) {
    if (x.dtype() == DType::kF64) {
      ref::adaptive_avg_pool(s, x.data<double>(), y.mutable_data<double>(), b, e);
    } else {
      adaptive_avg_pool_f32(s, x.data<float>(), y.mutable_data<float>(), b, e);
    }
  });
  return record("adaptive_avg_pool", y, {x}, {}, [s](const BackwardArgs& b) {
    Tensor dx = Tensor::empty({s.n, s.h, s.w, s.c}, b.grad.dtype());
    parallel_for(s.n * s.h * s.w, grain(s.c), [&](int64_t begin, int64_t end, int) {
      if (dx.dtype() == DType::kF64) {
        ref::adaptive_avg_pool_grad(s, b.grad.data<double>(), dx.mutable_data<double>(), begin, end);
      } else {
        adaptive_avg_pool_grad_f32(s, b.grad.data<float>(), dx.mutable_data<float>(), begin, end);
      }
    });
    return Tensors{dx};
  });
}

}  // namespace bantam
