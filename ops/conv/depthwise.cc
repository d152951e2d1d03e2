#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/conv/tasks.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels_train/depthwise_grad.h"

namespace bantam::conv_depthwise {
namespace {

// Pixels that make a task, and weights that one thread packs.
int64_t grain(const ConvShape& s) { return std::max<int64_t>(4, kTaskMacs / 4 / (s.c * s.taps())); }

}  // namespace

void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y) {
  Tensor packed = Tensor::empty({depthwise_packed_floats(s)});
  const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = data_or_null(bias);
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  on_one_thread([&] { depthwise_pack_weights(s, wp, pp); });
  parallel_for(conv_f32_rows(s), grain(s),
               [&](int64_t b, int64_t e, int) { depthwise_f32(s, xp, pp, bp, yp, b, e); });
}

void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx) {
  Tensor packed = Tensor::empty({depthwise_packed_floats(s)});
  const float *gp = dy.data<float>(), *wp = w.data<float>();
  float *xp = dx->mutable_data<float>(), *pp = packed.mutable_data<float>();
  on_one_thread([&] { depthwise_input_grad_pack_weights(s, wp, pp); });
  parallel_for(s.n * s.h * s.w, grain(s),
               [&](int64_t b, int64_t e, int) { depthwise_input_grad_f32(s, gp, pp, xp, b, e); });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  Tensor sums = Tensor::empty({depthwise_weight_grad_sums(s)});
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float *wp = dw->mutable_data<float>(), *sp = sums.mutable_data<float>();
  parallel_for(depthwise_weight_grad_splits(s), 1,
               [&](int64_t b, int64_t e, int) { depthwise_weight_grad_f32(s, xp, gp, b, e, sp); });
  on_one_thread([&] { depthwise_weight_grad_finish(s, sp, wp); });
}

}  // namespace bantam::conv_depthwise
