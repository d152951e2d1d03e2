// How the convolutions' work is cut into tasks, and the scratch memory of the lanes that run them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/parallel.h"
#include "core/base/fixed_point.h"
#include "core/tensor.h"
#include "ops/kernels/gemm_f32.h"

namespace bantam {

// Multiply-accumulates that are worth handing to another thread: some 8 us.
constexpr int64_t kTaskMacs = 1 << 20;
// Rows that a lane packs at a time: whole groups of 14 and of 6 rows, 86 KB of scratch.
constexpr int64_t kBlockRows = 84;

// Tasks to cut so many multiply-accumulates into, where values do not depend on the cut: the same number for each
// thread.
inline int64_t tasks_for(int64_t macs) {
  const int64_t t = threads(), tasks = std::clamp<int64_t>(macs / kTaskMacs, 1, 8 * t);
  return tasks == 1 ? 1 : ceil_div(tasks, t) * t;
}

// Cuts rows x panels into tasks. A product's values do not depend on the cut, so it may look at the number of threads.
struct Cut {
  int64_t rows, panels, row_step, panel_step;
  Cut(int64_t rows_in, int64_t panels_in, int64_t macs) : rows(rows_in), panels(panels_in) {
    const int64_t want = tasks_for(macs);
    row_step = std::max<int64_t>(ceil_div(ceil_div(rows, want), kBlockRows) * kBlockRows, 1);
    panel_step = std::max<int64_t>(panels, 1);
    // Few rows (a linear layer, the last layers of a net): columns are cut, too.
    const int64_t row_tasks = ceil_div(rows, row_step);
    if (row_tasks < threads() || 2 * row_tasks < want)
      panel_step = std::max<int64_t>(ceil_div(panels, ceil_div(want, row_tasks)), 1);
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
      : step_(ceil_div(floats, 16) * 16),
        memory_(Tensor::empty({threads() * step_})),
        data_(memory_.mutable_data<float>()) {}
  float* lane(int i) const { return data_ + i * step_; }

 private:
  int64_t step_;
  Tensor memory_;
  float* data_;
};

// Work too small to share; it does not run in a dry run.
template <class F> void on_one_thread(F&& body) {
  parallel_for(1, 1, [&](int64_t, int64_t, int) { body(); });
}

// Panels of weights are packed in tasks of about this many weights.
inline int64_t pack_grain(int64_t depth) { return std::max<int64_t>(1, (1 << 15) / (depth * kGemmPanel)); }

inline const float* data_or_null(const Tensor& t) { return t.defined() ? t.data<float>() : nullptr; }

}  // namespace bantam
