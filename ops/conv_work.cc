#include "ops/conv_work.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/kernels/conv_f32.h"
#include "ops/kernels/conv_ref.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels/elementwise.h"
#include "ops/kernels_train/conv_grad_f32.h"
#include "ops/kernels_train/depthwise_grad.h"
#include "ops/kernels_train/few_rows_f32.h"
#include "ops/kernels_train/narrow_f32.h"
#include "ops/kernels_train/phases.h"
#include "ops/kernels_train/winograd_f32.h"

namespace bantam {
namespace {

// Multiply-accumulates that are worth handing to another thread: some 20 us.
constexpr int64_t kTaskMacs = 1 << 21;
// Weights that are: read once, from some cache.
constexpr int64_t kTaskWeights = 1 << 18;
// Rows that a lane packs at a time: whole groups of 14 and of 6 rows, 86 KB of scratch.
constexpr int64_t kBlockRows = 84;
// Working memory of a block of Winograd tiles, a third of L2; but 28 tiles at least, that filters are not read for less.
constexpr int64_t kWinogradBlockBytes = int64_t(320) << 10;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Cuts rows x panels into tasks. A product's values do not depend on the cut, so it may look at the number of threads.
struct Cut {
  int64_t rows, panels, row_step, panel_step;
  Cut(int64_t rows_in, int64_t panels_in, int64_t macs) : rows(rows_in), panels(panels_in) {
    const int64_t want = std::clamp<int64_t>(macs / kTaskMacs, 1, 8 * threads());
    row_step = std::max<int64_t>(ceil_div(ceil_div(rows, want), kBlockRows) * kBlockRows, 1);
    panel_step = std::max<int64_t>(panels, 1);
    // Few rows (a linear layer, the last layers of a net): columns are cut, too.
    const int64_t row_tasks = ceil_div(rows, row_step);
    if (2 * row_tasks < want) panel_step = std::max<int64_t>(ceil_div(panels, ceil_div(want, row_tasks)), 1);
  }
  template <class F> void run(F&& body) const {
    const int64_t across = ceil_div(panels, panel_step);
    parallel_for(ceil_div(rows, row_step) * across, 1, [&](int64_t begin, int64_t end, int lane) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t r = t / across * row_step, p = t % across * panel_step;
        body(r, std::min(rows, r + row_step), p, std::min(panels, p + panel_step), lane);
      }
    });
  }
};

// A slice of scratch for each lane, on lines of its own.
class Scratch {
 public:
  explicit Scratch(int64_t floats)
      : step_((floats + 15) / 16 * 16), memory_(Tensor::empty({threads() * step_})), data_(memory_.mutable_data<float>()) {}
  float* lane(int i) const { return data_ + i * step_; }

 private:
  int64_t step_;
  Tensor memory_;
  float* data_;
};

// Panels are packed in tasks of about this many weights.
int64_t pack_grain(int64_t depth) { return std::max<int64_t>(1, (1 << 15) / (depth * kGemmPanel)); }

// Pixels of a depthwise convolution that make a task, and weights that one thread packs.
int64_t depthwise_grain(const ConvShape& s) { return std::max<int64_t>(4, kTaskMacs / 8 / (s.c * s.taps())); }
template <class F> void on_one_thread(F&& body) {
  parallel_for(1, 1, [&](int64_t, int64_t, int) { body(); });
}

// Columns of a few rows' product that make a task, whole lines of 16: by the bytes of weights, which are what takes the time.
int64_t few_rows_grain(const ConvShape& s, int64_t columns) {
  return std::max<int64_t>(kTaskWeights / std::max<int64_t>(s.c * s.k / columns, 1) / 16 * 16, 16);
}

bool is_f64(const Tensor& t) { return t.dtype() == DType::kF64; }

// y = conv(x, w) + bias by Winograd with tiles of m x m; `filters` transforms panels [b, e) of w. An input gradient is this, too.
template <class Filters>
void winograd_forward(const ConvShape& s, int m, const Tensor& x, const Tensor& bias, Tensor* y, const Filters& filters) {
  const int64_t panels = winograd_panels(s), tiles = winograd_tiles(s, m);
  // In groups of 14; fewer where not every thread had a block.
  const int64_t tile_bytes = winograd_points(m) * (winograd_round16(s.c) + kGemmPanel) * int64_t(sizeof(float));
  const int64_t fits = std::max<int64_t>(kWinogradBlockBytes / tile_bytes / 14, 2);
  const int64_t blocks = ceil_div(ceil_div(tiles, 14 * fits), threads()) * threads();
  const int64_t block = 14 * std::max<int64_t>(ceil_div(ceil_div(tiles, blocks), 14), 1);
  Tensor transformed = Tensor::empty({winograd_filter_floats(s, m)});
  const Scratch scratch(winograd_scratch(s, m, block));
  const float *xp = x.data<float>(), *bp = bias.defined() ? bias.data<float>() : nullptr;
  float *yp = y->mutable_data<float>(), *u = transformed.mutable_data<float>();
  parallel_for(panels, 1, [&](int64_t b, int64_t e, int) { filters(b, e, u); });
  parallel_for(tiles, block, [&](int64_t b, int64_t e, int lane) {
    winograd_f32(s, m, xp, u, bp, yp, b, e, 0, panels, scratch.lane(lane), block);
  });
}

void winograd_weight_gradient(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
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
  parallel_for(s.k, std::max<int64_t>(1, (1 << 14) / s.c), [&](int64_t b, int64_t e, int) { winograd_weight_grad_finish(s, sums, b, e, wp); });
}

// The input gradient's rows where it has one phase only: stride 1.
GemmRows input_grad_rows(const ConvShape& s, const float* dy, float* dx) {
  GemmRows g;
  for_each_phase(s, [&](const Phase& phase) {
    g = phase.rows(s, dy, dx);
    g.channels = s.k;
  });
  return g;
}

// All lines of narrow rows; panels hold `cols` columns.
void narrow_product(const GemmRows& g, int64_t macs, const float* panels, int64_t cols, const float* bias, bool skip_outside) {
  const Scratch scratch(narrow_f32_scratch(g));
  const int64_t lines = g.images * g.out_h;
  const int64_t tasks = std::clamp<int64_t>(macs / kTaskMacs, 1, 8 * threads());
  parallel_for(lines, ceil_div(lines, tasks), [&](int64_t b, int64_t e, int lane) {
    narrow_f32(g, b, e, panels, cols, bias, skip_outside, scratch.lane(lane));
  });
}

}  // namespace

ConvAlgorithm conv_algorithm(const ConvShape& s, ConvPass pass, SumOrder order) {
  if (is_depthwise(s)) return ConvAlgorithm::kDepthwise;
  const bool input = pass == ConvPass::kInputGrad;
  const bool any_order = pass != ConvPass::kForward || order != SumOrder::kCanonical;
  const ConvShape t = input && winograd_possible(s) ? winograd_input_grad_shape(s) : s;
  // Narrow channels do not pay for the transforms of their tiles, few tiles not for those of the filters; nor do images of 2x2,
  // where the direct product skips five of nine taps (docs/performance.md).
  if (any_order && winograd_possible(s) && s.c >= 32 && s.k >= 32 && winograd_tiles(t, 2) >= 256) {
    const bool loose = order == SumOrder::kLoose && pass != ConvPass::kWeightGrad && winograd_tiles(t, 4) >= 256 &&
                       4 * winograd_points(4) * winograd_tiles(t, 4) <= 3 * winograd_points(2) * winograd_tiles(t, 2);
    return loose ? ConvAlgorithm::kWinograd4 : ConvAlgorithm::kWinograd;
  }
  if (any_order && s.n <= kFewRows && s.h == 1 && s.w == 1 && s.taps() == 1 && s.pad_h == 0 && s.pad_w == 0 && s.groups == 1)
    return ConvAlgorithm::kFewRows;
  if (s.groups == 1 && s.c % 16 != 0) {
    if (input && (s.stride_h != 1 || s.stride_w != 1 || s.c > 16)) return ConvAlgorithm::kDirect;
    if (narrow_f32_possible(input ? input_grad_rows(s, nullptr, nullptr) : conv_f32_gather(s, nullptr, nullptr, 0)))
      return ConvAlgorithm::kNarrow;
  }
  return ConvAlgorithm::kDirect;
}

const char* name_of(ConvAlgorithm algorithm) {
  switch (algorithm) {
    case ConvAlgorithm::kNarrow: return "narrow";
    case ConvAlgorithm::kFewRows: return "few rows";
    case ConvAlgorithm::kDepthwise: return "depthwise";
    case ConvAlgorithm::kWinograd: return "winograd";
    case ConvAlgorithm::kWinograd4: return "winograd4";
    case ConvAlgorithm::kDirect: break;
  }
  return "direct";
}

// Outputs along a tile's side; 0: not by Winograd.
static int winograd_tile(ConvAlgorithm a) { return a == ConvAlgorithm::kWinograd4 ? 4 : a == ConvAlgorithm::kWinograd ? 2 : 0; }

void conv_forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y, SumOrder order) {
  const int64_t rows = conv_f32_rows(s), panels = conv_f32_panels(s);
  if (is_f64(x)) {
    const double *xp = x.data<double>(), *wp = w.data<double>(), *bp = bias.defined() ? bias.data<double>() : nullptr;
    double* yp = y->mutable_data<double>();
    parallel_for(rows, std::max<int64_t>(1, (1 << 16) * rows / std::max<int64_t>(s.macs(), 1)),
                 [&](int64_t b, int64_t e, int) { ref::conv_forward(s, xp, wp, bp, yp, b, e); });
    return;
  }
  const ConvAlgorithm algorithm = conv_algorithm(s, ConvPass::kForward, order);
  if (algorithm == ConvAlgorithm::kDepthwise) {
    Tensor packed = Tensor::empty({depthwise_packed_floats(s)});
    const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = bias.defined() ? bias.data<float>() : nullptr;
    float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
    on_one_thread([&] { depthwise_pack_weights(s, wp, pp); });
    parallel_for(rows, depthwise_grain(s), [&](int64_t b, int64_t e, int) { depthwise_f32(s, xp, pp, bp, yp, b, e); });
    return;
  }
  if (const int m = winograd_tile(algorithm)) {
    const float* wp = w.data<float>();
    return winograd_forward(s, m, x, bias, y, [&](int64_t b, int64_t e, float* u) { winograd_filters(s, m, wp, b, e, u); });
  }
  if (algorithm == ConvAlgorithm::kFewRows) {
    const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = bias.defined() ? bias.data<float>() : nullptr;
    float* yp = y->mutable_data<float>();
    parallel_for(s.k, few_rows_grain(s, s.k), [&](int64_t b, int64_t e, int) { few_rows_forward_f32(s.n, s.c, s.k, xp, wp, bp, yp, b, e); });
    return;
  }
  Tensor packed = Tensor::empty({conv_f32_packed_floats(s)});
  const float *xp = x.data<float>(), *wp = w.data<float>(), *bp = bias.defined() ? bias.data<float>() : nullptr;
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(panels, pack_grain(s.taps() * s.group_c()),
               [&](int64_t b, int64_t e, int) { conv_f32_pack_weights(s, wp, b, e, pp); });
  if (algorithm == ConvAlgorithm::kNarrow)
    return narrow_product(conv_f32_gather(s, xp, yp, 0), s.macs(), pp, s.k, bp, false);
  const Scratch scratch(conv_f32_scratch(s, kBlockRows));
  Cut(rows, panels, s.macs()).run([&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, int lane) {
    conv_f32(s, xp, conv_f32_packed(s, pp), bp, yp, r0, r1, p0, p1, scratch.lane(lane), kBlockRows);
  });
}

void product_forward(int64_t n, int64_t c, int64_t k, const Tensor& x, const Tensor& w, Tensor* y) {
  if (is_f64(x)) {
    const double *xp = x.data<double>(), *wp = w.data<double>();
    double* yp = y->mutable_data<double>();
    parallel_for(n, std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(c * k, 1)), [&](int64_t b, int64_t e, int) {
      for (int64_t i = b; i < e; ++i) {
        for (int64_t j = 0; j < k; ++j) yp[i * k + j] = 0;
        for (int64_t t = 0; t < c; ++t)
          for (int64_t j = 0; j < k; ++j) yp[i * k + j] = ref::chain(xp[i * c + t], wp[t * k + j], yp[i * k + j]);
      }
    });
    return;
  }
  const ConvShape s{.n = n, .c = c, .k = k};
  Tensor packed = Tensor::empty({conv_f32_packed_floats(s)});
  const Scratch scratch(conv_f32_scratch(s, kBlockRows));
  const float *xp = x.data<float>(), *wp = w.data<float>();
  float *yp = y->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(conv_f32_panels(s), pack_grain(c),
               [&](int64_t b, int64_t e, int) { gemm_f32_pack_rows(wp, k, c, 0, c, k, b, e, pp); });
  Cut(n, conv_f32_panels(s), s.macs()).run([&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, int lane) {
    conv_f32(s, xp, conv_f32_packed(s, pp), nullptr, yp, r0, r1, p0, p1, scratch.lane(lane), kBlockRows);
  });
}

void conv_input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx, SumOrder order) {
  if (is_f64(dy)) {
    const double *gp = dy.data<double>(), *wp = w.data<double>();
    double* xp = dx->mutable_data<double>();
    parallel_for(s.n, 1, [&](int64_t b, int64_t e, int) { ref::conv_input_grad(s, gp, wp, xp, b, e); });
    return;
  }
  const int64_t rows = conv_input_grad_f32_rows(s), panels = conv_input_grad_f32_panels(s);
  const ConvAlgorithm algorithm = conv_algorithm(s, ConvPass::kInputGrad, order);
  if (algorithm == ConvAlgorithm::kDepthwise) {
    Tensor packed = Tensor::empty({depthwise_packed_floats(s)});
    const float *gp = dy.data<float>(), *wp = w.data<float>();
    float *xp = dx->mutable_data<float>(), *pp = packed.mutable_data<float>();
    on_one_thread([&] { depthwise_input_grad_pack_weights(s, wp, pp); });
    parallel_for(rows, depthwise_grain(s),
                 [&](int64_t b, int64_t e, int) { depthwise_input_grad_f32(s, gp, pp, xp, b, e); });
    return;
  }
  if (const int m = winograd_tile(algorithm)) {
    const float* wp = w.data<float>();
    return winograd_forward(winograd_input_grad_shape(s), m, dy, {}, dx,
                            [&](int64_t b, int64_t e, float* u) { winograd_flipped_filters(s, m, wp, b, e, u); });
  }
  if (algorithm == ConvAlgorithm::kFewRows) {
    const float *gp = dy.data<float>(), *wp = w.data<float>();
    float* xp = dx->mutable_data<float>();
    parallel_for(s.c, few_rows_grain(s, s.c), [&](int64_t b, int64_t e, int) { few_rows_input_grad_f32(s.n, s.c, s.k, gp, wp, xp, b, e); });
    return;
  }
  Tensor packed = Tensor::empty({conv_input_grad_f32_packed_floats(s)});
  const float *gp = dy.data<float>(), *wp = w.data<float>();
  float *xp = dx->mutable_data<float>(), *pp = packed.mutable_data<float>();
  parallel_for(panels, pack_grain(s.taps() * s.group_k()),
               [&](int64_t b, int64_t e, int) { conv_input_grad_f32_pack_weights(s, wp, b, e, pp); });
  if (algorithm == ConvAlgorithm::kNarrow)
    return narrow_product(input_grad_rows(s, gp, xp), s.macs(), pp, s.c, nullptr, true);
  const Scratch scratch(conv_input_grad_f32_scratch(s, kBlockRows));
  Cut(rows, panels, s.macs()).run([&](int64_t r0, int64_t r1, int64_t p0, int64_t p1, int lane) {
    conv_input_grad_f32(s, gp, pp, xp, r0, r1, p0, p1, scratch.lane(lane), kBlockRows);
  });
}

void conv_weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  if (is_f64(x)) {
    const double *xp = x.data<double>(), *gp = dy.data<double>();
    double* wp = dw->mutable_data<double>();
    parallel_for(s.k, std::max<int64_t>(1, s.k / 16),
                 [&](int64_t b, int64_t e, int) { ref::conv_weight_grad(s, xp, gp, wp, b, e); });
    return;
  }
  const ConvAlgorithm algorithm = conv_algorithm(s, ConvPass::kWeightGrad);
  if (algorithm == ConvAlgorithm::kDepthwise) {
    Tensor sums = Tensor::empty({depthwise_weight_grad_sums(s)});
    const float *xp = x.data<float>(), *gp = dy.data<float>();
    float *wp = dw->mutable_data<float>(), *sp = sums.mutable_data<float>();
    parallel_for(depthwise_weight_grad_splits(s), 1,
                 [&](int64_t b, int64_t e, int) { depthwise_weight_grad_f32(s, xp, gp, b, e, sp); });
    on_one_thread([&] { depthwise_weight_grad_finish(s, sp, wp); });
    return;
  }
  if (algorithm == ConvAlgorithm::kWinograd) return winograd_weight_gradient(s, x, dy, dw);
  if (algorithm == ConvAlgorithm::kFewRows) {
    const float *xp = x.data<float>(), *gp = dy.data<float>();
    float* wp = dw->mutable_data<float>();
    parallel_for(s.k, few_rows_grain(s, s.k), [&](int64_t b, int64_t e, int) { few_rows_weight_grad_f32(s.n, s.c, s.k, xp, gp, wp, b, e); });
    return;
  }
  const ConvWeightGradPlan plan = conv_weight_grad_f32_plan(s);
  const Scratch scratch(plan.scratch);
  Tensor partial = Tensor::empty({plan.partial});
  const float *xp = x.data<float>(), *gp = dy.data<float>();
  float *wp = dw->mutable_data<float>(), *sums = partial.mutable_data<float>();
  parallel_for(plan.tasks, s.macs() < kTaskMacs ? plan.tasks : 1, [&](int64_t b, int64_t e, int lane) {
    conv_weight_grad_f32(s, xp, gp, wp, sums, b, e, scratch.lane(lane));
  });
  if (plan.splits == 1) return;
  const int64_t size = dw->size();
  parallel_for(size, kElementGrain, [&](int64_t b, int64_t e, int) {
    for (int64_t i = 0; i + 1 < plan.splits; ++i) add_into(wp + b, sums + i * size + b, e - b);
  });
}

void conv_bias_grad(const Tensor& dy, Tensor* db) {
  const int64_t k = db->size(), rows = dy.size() / std::max<int64_t>(k, 1);
  if (is_f64(dy)) {
    const double* gp = dy.data<double>();
    double* bp = db->mutable_data<double>();
    parallel_for(k, k, [&](int64_t, int64_t, int) {
      std::fill(bp, bp + k, 0.0);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < k; ++j) bp[j] += gp[r * k + j];
    });
    return;
  }
  const int64_t chunks = (rows + kBiasGradChunk - 1) / kBiasGradChunk;
  Tensor sums = Tensor::empty({chunks * k});
  const float* gp = dy.data<float>();
  float *bp = db->mutable_data<float>(), *sp = sums.mutable_data<float>();
  parallel_for(rows, kBiasGradChunk, [&](int64_t b, int64_t e, int) {
    bias_grad_f32(gp + b * k, e - b, k, sp + b / kBiasGradChunk * k);
  });
  parallel_for(k, k, [&](int64_t, int64_t, int) { bias_grad_f32(sp, chunks, k, bp); });
}

}  // namespace bantam
