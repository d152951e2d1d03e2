#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/conv/tasks.h"
#include "ops/conv/work.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels_train/conv_input_grad_f32.h"
#include "ops/kernels_train/conv_weight_grad_f32.h"

namespace bantam {
namespace {

// All of y from panels that are packed.
void multiply(const ConvShape& s, const float* x, const float* panels, const float* bias, float* y, GemmSum sum) {
  const Scratch scratch(conv_f32_scratch(s, kBlockRows));
  Cut(conv_f32_rows(s), conv_f32_panels(s), s.macs())
      .run([&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, int lane) {
        conv_f32(s, x, conv_f32_packed(s, panels), bias, y, r0, r1, p0, p1, scratch.lane(lane), kBlockRows, sum);
      });
}

}  // namespace

namespace conv_direct {

void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y,
             SumOrder order) {
  Tensor packed = Tensor::empty({conv_f32_packed_floats(s)});
  const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = data_or_null(bias);
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(conv_f32_panels(s), pack_grain(s.taps() * s.group_c()),
               [&](int64_t b, int64_t e, int) { conv_f32_pack_weights(s, wp, b, e, pp); });
  multiply(s, xp, pp, bp, yp, order == SumOrder::kCanonical ? GemmSum::kChain : GemmSum::kBlocks);
}

void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx) {
  const int64_t rows = conv_input_grad_f32_rows(s), panels = conv_input_grad_f32_panels(s);
  Tensor packed = Tensor::empty({conv_input_grad_f32_packed_floats(s)});
  const float *gp = dy.data<float>(), *wp = w.data<float>();
  float *xp = dx->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(panels, pack_grain(s.taps() * s.group_k()),
               [&](int64_t b, int64_t e, int) { conv_input_grad_f32_pack_weights(s, wp, b, e, pp); });
  const Scratch scratch(conv_input_grad_f32_scratch(s, kBlockRows));
  Cut(rows, panels, s.macs()).run([&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, int lane) {
    conv_input_grad_f32(s, gp, pp, xp, r0, r1, p0, p1, scratch.lane(lane), kBlockRows);
  });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  const ConvWeightGradPlan plan = conv_weight_grad_f32_plan(s);
  const Scratch scratch(plan.scratch);
  Tensor partial = Tensor::empty({plan.partial});
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float *wp = dw->mutable_data<float>(), *sums = partial.mutable_data<float>();
  parallel_for(plan.tasks, ceil_div(plan.tasks, tasks_for(s.macs())), [&](int64_t b, int64_t e, int lane) {
    conv_weight_grad_f32(s, xp, gp, wp, sums, b, e, scratch.lane(lane));
  });
  if (plan.splits == 1) return;
  const int64_t size = dw->size();
  parallel_for(size, kElementGrain, [&](int64_t b, int64_t e, int) {
    for (int64_t i = 0; i + 1 < plan.splits; ++i) add_into(wp + b, sums + i * size + b, e - b);
  });
}

}  // namespace conv_direct

void product_forward(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y) {
  if (x.dtype() == DType::kF64) return conv_f64::product(n, c, k, x, w, y);
  const ConvShape s{.n = n, .c = c, .k = k};
  Tensor packed = Tensor::empty({conv_f32_packed_floats(s)});
  const float *xp = x.data<float>(), *wp = w.data<float>();
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(conv_f32_panels(s), pack_grain(c),
               [&](int64_t b, int64_t e, int) { gemm_f32_pack_rows(wp, k, c, 0, c, k, b, e, pp); });
  multiply(s, xp, pp, nullptr, yp, GemmSum::kChain);
}

}  // namespace bantam
