#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/conv/tasks.h"
#include "ops/kernels_train/few_rows_f32.h"

namespace bantam::conv_few_rows {
namespace {

// Weights that are worth handing to another thread: read once, from some cache.
constexpr int64_t kTaskWeights = 1 << 18;

// Columns that make a task, whole lines of 16: by the bytes of weights, which are what takes the time.
int64_t grain(const ConvShape& s, int64_t columns) {
  return std::max<int64_t>(kTaskWeights / std::max<int64_t>(s.c * s.k / columns, 1) / 16 * 16, 16);
}

}  // namespace

bool possible(const ConvShape& s) {
  return s.n <= kFewRows && s.h == 1 && s.w == 1 && s.taps() == 1 && s.pad_h == 0 && s.pad_w == 0 && s.groups == 1;
}

void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y) {
  const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = data_or_null(bias);
  float* yp = y->mutable_data<float>();
  parallel_for(s.k, grain(s, s.k), [&](int64_t b, int64_t e, int) {
    few_rows_forward_f32(s.n, s.c, s.k, xp, wp, bp, yp, b, e);
  });
}

void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx) {
  const float *gp = dy.data<float>(), *wp = w.data<float>();
  float* xp = dx->mutable_data<float>();
  parallel_for(s.c, grain(s, s.c), [&](int64_t b, int64_t e, int) {
    few_rows_input_grad_f32(s.n, s.c, s.k, gp, wp, xp, b, e);
  });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float* wp = dw->mutable_data<float>();
  parallel_for(s.k, grain(s, s.k), [&](int64_t b, int64_t e, int) {
    few_rows_weight_grad_f32(s.n, s.c, s.k, xp, gp, wp, b, e);
  });
}

}  // namespace bantam::conv_few_rows
