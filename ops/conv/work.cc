#include "ops/conv/work.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/conv/paths.h"
#include "ops/kernels/depthwise.h"
#include "ops/kernels_train/conv_weight_grad_f32.h"
#include "ops/kernels_train/winograd_f32.h"

namespace bantam {
namespace {

bool is_f64(const Tensor& t) { return t.dtype() == DType::kF64; }

// Outputs along a side of a tile of Winograd's.
int tile_of(ConvAlgorithm a) { return a == ConvAlgorithm::kWinograd4 ? 4 : 2; }

}  // namespace

ConvAlgorithm conv_algorithm(const ConvShape& s, ConvPass pass, SumOrder order) {
  if (is_depthwise(s)) return ConvAlgorithm::kDepthwise;
  const bool input = pass == ConvPass::kInputGrad;
  const bool any_order = pass != ConvPass::kForward || order != SumOrder::kCanonical;
  const ConvShape t = input && winograd_possible(s) ? winograd_input_grad_shape(s) : s;
  // Narrow channels do not pay for the transforms of their tiles, few tiles not for those of the filters; nor do images
  // of 2x2, where the direct product skips five of nine taps (docs/performance.md).
  if (any_order && winograd_possible(s) && s.c >= 32 && s.k >= 32 && winograd_tiles(t, 2) >= 256) {
    const bool loose = order == SumOrder::kLoose && pass != ConvPass::kWeightGrad && winograd_tiles(t, 4) >= 256 &&
                       4 * winograd_points(4) * winograd_tiles(t, 4) <= 3 * winograd_points(2) * winograd_tiles(t, 2);
    return loose ? ConvAlgorithm::kWinograd4 : ConvAlgorithm::kWinograd;
  }
  if (any_order && conv_few_rows::possible(s)) return ConvAlgorithm::kFewRows;
  const bool narrow = pass == ConvPass::kForward ? conv_narrow::forward_possible(s)
                      : input                    ? conv_narrow::input_grad_possible(s)
                                                 : conv_narrow::weight_grad_possible(s);
  if (narrow) return ConvAlgorithm::kNarrow;
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

void conv_forward(const ConvShape& s, const Tensor& x, const Tensor& w, const Tensor& bias, Tensor* y, SumOrder order) {
  if (is_f64(x)) return conv_f64::forward(s, x, w, bias, y);
  const ConvAlgorithm algorithm = conv_algorithm(s, ConvPass::kForward, order);
  switch (algorithm) {
    case ConvAlgorithm::kDepthwise: return conv_depthwise::forward(s, x, w, bias, y);
    case ConvAlgorithm::kWinograd:
    case ConvAlgorithm::kWinograd4: return conv_winograd::forward(s, tile_of(algorithm), x, w, bias, y);
    case ConvAlgorithm::kFewRows: return conv_few_rows::forward(s, x, w, bias, y);
    case ConvAlgorithm::kNarrow: return conv_narrow::forward(s, x, w, bias, y);
    case ConvAlgorithm::kDirect: return conv_direct::forward(s, x, w, bias, y, order);
  }
}

void conv_input_grad(const ConvShape& s, const Tensor& dy, const Tensor& w, Tensor* dx, SumOrder order) {
  if (is_f64(dy)) return conv_f64::input_grad(s, dy, w, dx);
  const ConvAlgorithm algorithm = conv_algorithm(s, ConvPass::kInputGrad, order);
  switch (algorithm) {
    case ConvAlgorithm::kDepthwise: return conv_depthwise::input_grad(s, dy, w, dx);
    case ConvAlgorithm::kWinograd:
    case ConvAlgorithm::kWinograd4: return conv_winograd::input_grad(s, tile_of(algorithm), dy, w, dx);
    case ConvAlgorithm::kFewRows: return conv_few_rows::input_grad(s, dy, w, dx);
    case ConvAlgorithm::kNarrow: return conv_narrow::input_grad(s, dy, w, dx);
    case ConvAlgorithm::kDirect: return conv_direct::input_grad(s, dy, w, dx);
  }
}

void conv_weight_grad(const ConvShape& s, const Tensor& x, const Tensor& dy, Tensor* dw) {
  if (is_f64(x)) return conv_f64::weight_grad(s, x, dy, dw);
  switch (conv_algorithm(s, ConvPass::kWeightGrad)) {
    case ConvAlgorithm::kDepthwise: return conv_depthwise::weight_grad(s, x, dy, dw);
    case ConvAlgorithm::kWinograd: return conv_winograd::weight_grad(s, x, dy, dw);
    case ConvAlgorithm::kFewRows: return conv_few_rows::weight_grad(s, x, dy, dw);
    case ConvAlgorithm::kNarrow: return conv_narrow::weight_grad(s, x, dy, dw);
    default: return conv_direct::weight_grad(s, x, dy, dw);
  }
}

void conv_bias_grad(const Tensor& dy, Tensor* db) {
  if (is_f64(dy)) return conv_f64::bias_grad(dy, db);
  const int64_t k = db->size(), rows = dy.size() / std::max<int64_t>(k, 1);
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
