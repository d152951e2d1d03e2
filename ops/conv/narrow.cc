#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/conv/tasks.h"
#include "ops/kernels_train/narrow_f32.h"
#include "ops/kernels_train/narrow_input_grad_f32.h"
#include "ops/kernels_train/narrow_weight_grad_f32.h"

namespace bantam::conv_narrow {
namespace {

// All lines of narrow rows; panels hold `cols` columns.
void product(const GemmRows& g, int64_t macs, const float* panels, int64_t cols, const float* bias) {
  const Scratch scratch(narrow_f32_scratch(g));
  const int64_t lines = g.images * g.out_h;
  parallel_for(lines, ceil_div(lines, tasks_for(macs)), [&](int64_t b, int64_t e, int lane) {
    narrow_f32(g, b, e, panels, cols, bias, scratch.lane(lane));
  });
}

}  // namespace

bool forward_possible(const ConvShape& s) {
  return s.groups == 1 && s.c % 16 != 0 && narrow_f32_possible(conv_f32_gather(s, nullptr, nullptr, 0));
}
bool input_grad_possible(const ConvShape& s) { return narrow_input_grad_possible(s); }
bool weight_grad_possible(const ConvShape& s) { return narrow_weight_grad_possible(s); }

void forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y) {
  Tensor packed = Tensor::empty({conv_f32_packed_floats(s)});
  const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = data_or_null(bias);
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(conv_f32_panels(s), pack_grain(s.taps() * s.group_c()),
               [&](int64_t b, int64_t e, int) { conv_f32_pack_weights(s, wp, b, e, pp); });
  product(conv_f32_gather(s, xp, yp, 0), s.macs(), pp, s.k, bp);
}

void input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx) {
  Tensor packed = Tensor::empty({narrow_input_grad_packed_floats(s)});
  const Scratch scratch(narrow_input_grad_scratch(s));
  const float *gp = dy.data<float>(), *wp = w.data<float>();
  float *xp = dx->mutable_data<float>(), *pp = packed.mutable_data<float>();
  on_one_thread([&] { narrow_input_grad_pack_weights(s, wp, pp); });
  const int64_t lines = s.n * s.h;
  parallel_for(lines, ceil_div(lines, tasks_for(s.macs())), [&](int64_t b, int64_t e, int lane) {
    narrow_input_grad_f32(s, gp, pp, xp, b, e, scratch.lane(lane));
  });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  const NarrowWeightGradPlan plan = narrow_weight_grad_plan(s);
  const Scratch scratch(plan.scratch);
  Tensor all_sums = Tensor::empty({plan.sums()});
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float *wp = dw->mutable_data<float>(), *sums = all_sums.mutable_data<float>();
  parallel_for(plan.tasks, ceil_div(plan.tasks, tasks_for(s.macs())), [&](int64_t b, int64_t e, int lane) {
    narrow_weight_grad_f32(s, xp, gp, sums, b, e, scratch.lane(lane));
  });
  const int64_t columns = s.taps() * s.c;
  parallel_for(columns, std::max<int64_t>(1, 4 * kElementGrain / (plan.sums() / columns)),
               [&](int64_t b, int64_t e, int) { narrow_weight_grad_finish(s, sums, b, e, wp); });
}

}  // namespace bantam::conv_narrow
