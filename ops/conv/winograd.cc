#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/conv/tasks.h"
#include "ops/kernels_train/winograd_f32.h"

namespace bantam::conv_winograd {
namespace {

// Working memory of a block of tiles, a third of L2; but 28 tiles at least, that filters are not read for less.
constexpr int64_t kBlockBytes = int64_t(320) << 10;

// y = conv(x, w) + bias; `filters` transforms panels [b, e) of w. An input gradient is this, too.
template <class Filters>
void run(const ConvShape& s, int m, const Tensor& x, const Tensor& bias, Tensor* y, const Filters& filters) {
  const int64_t panels = winograd_panels(s), tiles = winograd_tiles(s, m);
  // In groups of 14; fewer where not every thread had a block.
  const int64_t tile_bytes = winograd_points(m) * (winograd_round16(s.c) + kGemmPanel) * int64_t(sizeof(float));
  const int64_t fits = std::max<int64_t>(kBlockBytes / tile_bytes / 14, 2);
  const int64_t blocks = ceil_div(ceil_div(tiles, 14 * fits), threads()) * threads();
  const int64_t block = 14 * std::max<int64_t>(ceil_div(ceil_div(tiles, blocks), 14), 1);
  Tensor transformed = Tensor::empty({winograd_filter_floats(s, m)});
  const Scratch scratch(winograd_scratch(s, m, block));
  const float *xp = x.data<float>(), *bp = data_or_null(bias);
  float *yp = y->mutable_data<float>(), *u = transformed.mutable_data<float>();
  parallel_for(panels, 1, [&](int64_t b, int64_t e, int) { filters(b, e, u); });
  parallel_for(tiles, block, [&](int64_t b, int64_t e, int lane) {
    winograd_f32(s, m, xp, u, bp, yp, b, e, 0, panels, scratch.lane(lane), block);
  });
}

}  // namespace

void forward(const ConvShape& s, int m, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y) {
  const float* wp = w.data<float>();
  run(s, m, x, bias, y, [&](int64_t b, int64_t e, float* u) { winograd_filters(s, m, wp, b, e, u); });
}

void input_grad(const ConvShape& s, int m, const Tensor& dy, const Tensor& w, Tensor* dx) {
  const float* wp = w.data<float>();
  run(winograd_input_grad_shape(s), m, dy, {}, dx,
      [&](int64_t b, int64_t e, float* u) { winograd_flipped_filters(s, m, wp, b, e, u); });
}

void weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  const WinogradGradPlan plan = winograd_grad_plan(s);
  // Channels are cut, too, where the plan has fewer tasks than there are threads.
  const int64_t parts = std::clamp<int64_t>(threads() / plan.tasks(), 1, plan.k16 / 16);
  const Scratch scratch(plan.scratch);
  Tensor all_sums = Tensor::empty({plan.sums()});
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float *wp = dw->mutable_data<float>(), *sums = all_sums.mutable_data<float>();
  parallel_for(plan.tasks() * parts, 1, [&](int64_t b, int64_t e, int lane) {
    for (int64_t t = b; t < e; ++t) {
      const int64_t part = t % parts, task = t / parts;
      const auto cut = [&](int64_t p) { return plan.k16 / 16 * p / parts * 16; };
      winograd_weight_grad(s, xp, gp, task, task + 1, cut(part), cut(part + 1), sums, scratch.lane(lane));
    }
  });
  parallel_for(s.k, std::max<int64_t>(1, (1 << 14) / s.c),
               [&](int64_t b, int64_t e, int) { winograd_weight_grad_finish(s, sums, b, e, wp); });
}

}  // namespace bantam::conv_winograd
