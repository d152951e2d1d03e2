// Every operation runs without memory in a DryRun, forward and backward, and says exactly what it would take.
#include <doctest/doctest.h>

#include "core/pool.h"
#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/batch_norm.h"
#include "ops/concat.h"
#include "ops/conv2d.h"
#include "ops/dropout.h"
#include "ops/linear.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/pad.h"
#include "ops/pool.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/input_scale.h"
#include "ops/quant/quant_conv2d.h"
#include "ops/quant/quantize.h"
#include "ops/quant/range.h"
#include "ops/quant/sign.h"
#include "ops/quant/stochastic.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/slice.h"
#include "ops/softmax.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

namespace {

// High water above what is alive before, of inputs, forward and backward.
size_t peak(const TensorFn& f, const std::vector<Shape>& shapes) {
  const size_t before = pool_stats().live_bytes;
  reset_high_water();
  {
    std::vector<std::unique_ptr<Parameter>> params;
    Tensors leaves;
    for (const Shape& s : shapes) {
      params.push_back(std::make_unique<Parameter>("x", Tensor::full(s, 0.5)));
      leaves.push_back(params.back()->tensor());
    }
    const Tensor y = f(leaves);
    backward({y}, {Tensor::full(y.shape(), 1)});
  }
  return pool_stats().high_water_bytes - before;
}

}  // namespace

TEST_CASE("dry run: elementwise, norm, loss and shape operations predict their memory to the byte") {
  const Shape image{4, 9, 9, 80}, c{80};
  const Tensor labels = Tensor::zeros({64}, DType::kI32), one = Tensor::full(c, 1);
  auto check = [&](const char* name, const TensorFn& f, const std::vector<Shape>& shapes) {
    CAPTURE(name);
    const size_t real = peak(f, shapes);
    size_t dry = 0;
    {
      DryRun no_memory;
      dry = peak(f, shapes);
    }
    CHECK(real > size_t(shapes[0].size()) * 4);
    CHECK(dry == real);
  };
  check("relu", [](const Tensors& in) { return relu(in[0]); }, {image});
  check("prelu", [](const Tensors& in) { return prelu(in[0], in[1]); }, {image, {1}});
  check("prelu by channel", [](const Tensors& in) { return prelu(in[0], in[1]); }, {image, c});
  check("hardtanh", [](const Tensors& in) { return hardtanh(in[0]); }, {image});
  check("hard_swish", [](const Tensors& in) { return hard_swish(in[0]); }, {image});
  check("sigmoid", [](const Tensors& in) { return sigmoid(in[0]); }, {image});
  check("tanh", [](const Tensors& in) { return bantam::tanh(in[0]); }, {image});
  check("add", [](const Tensors& in) { return add(in[0], in[1]); }, {image, c});
  check("sub", [](const Tensors& in) { return sub(in[0], in[1]); }, {image, image});
  check("mul", [](const Tensors& in) { return mul(in[0], in[1]); }, {image, {4, 1, 1, 80}});
  check("div", [](const Tensors& in) { return div(in[0], in[1]); }, {image, c});
  check("broadcast_to", [&](const Tensors& in) { return broadcast_to(in[0], image); }, {c});
  check("sum", [](const Tensors& in) { return sum(in[0], {1, 2}); }, {image});
  check("mean", [](const Tensors& in) { return mean(in[0]); }, {image});
  check("max", [](const Tensors& in) { return bantam::max(in[0], 1); }, {image});
  check("batch_norm", [](const Tensors& in) { return batch_norm(in[0], in[1], in[2], nullptr, nullptr); },
        {image, c, c});
  check("batch_norm_eval", [&](const Tensors& in) { return batch_norm_eval(in[0], in[1], in[2], one, one); },
        {image, c, c});
  check("softmax", [](const Tensors& in) { return softmax(in[0]); }, {image});
  check("log_softmax", [](const Tensors& in) { return log_softmax(in[0]); }, {image});
  check("cross_entropy", [&](const Tensors& in) { return cross_entropy(in[0], labels); }, {{64, 10}});
  check("mse", [](const Tensors& in) { return mse(in[0], in[1]); }, {image, image});
  check("dropout", [](const Tensors& in) { return dropout(in[0], 0.5, Rng(1, kRngDropout)); }, {image});
  check("concat", [](const Tensors& in) { return concat({in[0], in[1]}); }, {image, image});
  check("leading_block", [](const Tensors& in) { return leading_block(in[0], {1, 2, 2, 1}); }, {image});
  check("slice", [](const Tensors& in) { return slice(in[0], 1, 2, 5); }, {image});
  check("pad", [](const Tensors& in) { return pad(in[0], {0, 1, 1, 0}, {0, 1, 1, 0}, 1); }, {image});
  check("reshape", [](const Tensors& in) { return reshape(in[0], {4, -1}); }, {image});
  const Shape kernels{16, 3, 3, 80}, features{32, 80}, columns{10, 80};
  check("conv2d", [](const Tensors& in) { return conv2d(in[0], in[1]); }, {image, kernels});
  check("linear", [](const Tensors& in) { return linear(in[0], in[1]); }, {features, columns});
  check("matmul", [](const Tensors& in) { return matmul(in[0], in[1]); }, {features, {80, 10}});
  check("max_pool", [](const Tensors& in) { return max_pool(in[0]); }, {image});
  check("avg_pool", [](const Tensors& in) { return avg_pool(in[0]); }, {image});
  check("global_avg_pool", [](const Tensors& in) { return global_avg_pool(in[0]); }, {image});
  check("adaptive_avg_pool", [](const Tensors& in) { return adaptive_avg_pool(in[0], 3, 3); }, {image});
  check("sign", [](const Tensors& in) { return sign(in[0], Surrogate::kClip, true).value; }, {image});
  check("sign_ste", [](const Tensors& in) { return sign_ste(in[0], Surrogate::kClip); }, {image});
  const auto signs = [](const Tensor& x) { return sign(x, Surrogate::kClip); };
  check("binary_conv2d", [&](const Tensors& in) { return binary_conv2d(signs(in[0]), in[1], Surrogate::kClip); },
        {image, kernels});
  check("binary_linear", [&](const Tensors& in) { return binary_linear(signs(in[0]), in[1], Surrogate::kClip); },
        {features, columns});
  const auto codes = [](const Tensor& x) {
    return quantize_activation(x, {.scheme = Scheme::kUniform, .surrogate = Surrogate::kClip, .bits = 4}, false);
  };
  const auto weights = [](const Tensor& w, Scheme scheme, Granularity g = Granularity::kChannel) {
    return quantize_weight(w, {scheme, Surrogate::kClip, 4, g, ScaleRule::kMean}, false);
  };
  check("quantize", [&](const Tensors& in) { return codes(in[0]).value; }, {image});
  for (Granularity g : {Granularity::kLayer, Granularity::kChannel, Granularity::kKernel}) {
    check("quantize_weight", [&](const Tensors& in) { return weights(in[0], Scheme::kUniform, g).value; }, {kernels});
    check("scaled_sign", [&](const Tensors& in) { return weights(in[0], Scheme::kXnor, g).value; }, {kernels});
    check("ternary_weight", [&](const Tensors& in) { return weights(in[0], Scheme::kTwn, g).value; }, {kernels});
  }
  check("scaled_sign, clipped", [&](const Tensors& in) { return weights(in[0], Scheme::kBwn).value; }, {kernels});
  check("half_weight", [&](const Tensors& in) { return weights(in[0], Scheme::kF16).value; }, {kernels});
  for (Scheme scheme : {Scheme::kPow2, Scheme::kLog, Scheme::kLog2, Scheme::kKmeans})
    check("table_weight", [&](const Tensors& in) { return weights(in[0], scheme).value; }, {kernels});
  for (Scheme scheme : {Scheme::kBwn, Scheme::kUniform})
    check("learned_weight",
          [&](const Tensors& in) {
            const QuantSpec s{scheme, Surrogate::kClip, 4, Granularity::kChannel, ScaleRule::kLearned};
            return quantize_weight(in[0], s, false, {.scale = in[1]}).value;
          },
          {kernels, {16}});
  check("learned_activation",
        [](const Tensors& in) {
          const QuantSpec s{.scheme = Scheme::kRelu, .bits = 4, .scale = ScaleRule::kLearned};
          return quantize_activation(in[0], s, false, {.scale = in[1]}).value;
        },
        {image, {1}});
  const auto through = [](const Tensor& x, Scheme scheme) {
    const QuantSpec s{.scheme = scheme, .bits = 4, .scale = ScaleRule::kMax};
    return quantize_activation(x, with_range(s, range_of(x, s)), false, {.of_batch = true}).value;
  };
  check("tanh_activation", [&](const Tensors& in) { return through(in[0], Scheme::kTanh); }, {image});
  for (Scheme scheme : {Scheme::kLog, Scheme::kLog2, Scheme::kPow2})
    check("power_activation", [&](const Tensors& in) { return through(in[0], scheme); }, {image});
  const Rng rng(1, kRngQuantize);
  check("stochastic_sign", [&](const Tensors& in) { return stochastic_sign(in[0], Surrogate::kClip, rng).value; },
        {image});
  check("input_scale", [](const Tensors& in) { return input_scale(in[0], in[1], 3, 3, {.pad_h = 1, .pad_w = 1}); },
        {image, image});
  check("tanh_weight", [&](const Tensors& in) { return weights(in[0], Scheme::kTanh).value; }, {kernels});
  for (Scheme scheme : {Scheme::kXnor, Scheme::kTanh}) {  // with signs, on bits
    const auto operand = [&](const Tensor& x) { return scheme == Scheme::kXnor ? signs(x) : codes(x); };
    check(
        "quant_conv2d",
        [&](const Tensors& in) { return quant_conv2d(operand(in[0]), weights(in[1], scheme), in[2], {.pad_h = 1}, 1); },
        {image, kernels, {16}});
    check("quant_linear",
          [&](const Tensors& in) { return quant_linear(operand(in[0]), weights(in[1], scheme), in[2]); },
          {features, columns, {10}});
  }
  check("quant_conv2d of real values",
        [&](const Tensors& in) { return quant_conv2d({in[0]}, weights(in[1], Scheme::kTwn)); }, {image, kernels});
  check("permute", [](const Tensors& in) { return permute(in[0], {0, 3, 1, 2}); }, {image});
}
