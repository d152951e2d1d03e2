#include "nn/batch_blocks.h"

#include <doctest/doctest.h>

#include "ops/activations.h"
#include "ops/arith.h"
#include "ops/conv2d.h"
#include "ops/pool.h"
#include "ops/quant/binary_conv2d.h"
#include "ops/quant/quantize.h"
#include "ops/quant/sign.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

TEST_CASE("in_batch_blocks: gradients of input and parameters, with a last block that is not full") {
  const Piece piece = [](const Quantized& x, const Tensors& rest) {
    return max_pool(conv2d(x.value, rest[0], rest[1], {.pad_h = 1, .pad_w = 1}), {});
  };
  const TensorFn f = [&](const Tensors& in) {
    return in_batch_blocks("conv_max_pool", 2, Quantized{in[0]}, {in[1], in[2]}, piece, false);
  };
  // Maxima are apart by far more than the step of the differences for these seeds: no kink is near.
  CHECK(gradcheck("conv_max_pool", f, {random_f64({3, 4, 4, 2}, 1), random_f64({2, 3, 3, 2}, 2), random_f64({2}, 3)}) ==
        "");
}

TEST_CASE("norm_in_batch_blocks: gradients of input, parameters, norm, slope and residual, in blocks and whole") {
  const Piece piece = [](const Quantized& x, const Tensors& rest) {
    return max_pool(conv2d(x.value, rest[0], rest[1], {.pad_h = 1, .pad_w = 1}), {});
  };
  for (const int64_t block : {2, 3})
    for (const NormPost post : {NormPost::kNone, NormPost::kRelu}) {
      const TensorFn f = [&](const Tensors& in) {
        return norm_in_batch_blocks("conv_norm", block, Quantized{in[0]}, {in[1], in[2]}, piece,
                                    {.pre = NormPre::kPRelu, .post = post},
                                    {.slope = in[3], .gamma = in[4], .beta = in[5], .residual = in[6]}, true);
      };
      CHECK(gradcheck("conv_norm", f,
                      {random_f64({3, 4, 4, 2}, 1), random_f64({2, 3, 3, 2}, 2), random_f64({2}, 3), random_f64({1}, 4),
                       random_f64({2}, 5), random_f64({2}, 6), random_f64({3, 2, 2, 2}, 7)}) == "");
    }
}

TEST_CASE(
    "norm_in_batch_blocks: value and gradients of the piece and its norm, made again where somebody reads it, of signs "
    "too") {
  const int64_t c = 70;
  const Conv2dParams same{.pad_h = 1, .pad_w = 1};
  for (const bool residual : {false, true}) {
    CAPTURE(residual);
    auto net = [&](bool blocks) {
      return [&, blocks](const Tensors& in) {
        const Quantized signs = sign(in[0], Surrogate::kClip);
        const Piece piece = [same](const Quantized& x, const Tensors& rest) {
          return binary_conv2d(x, rest[0], Surrogate::kIdentity, {}, same);
        };
        const NormForm form{.pre = NormPre::kRelu, .post = NormPost::kRelu};
        const NormInputs n{.slope = {}, .gamma = in[2], .beta = in[3], .residual = residual ? in[0] : Tensor()};
        const Tensor y = blocks ? norm_in_batch_blocks("conv_norm", 2, signs, {in[1], Tensor()}, piece, form, n, true)
                                : norm_act(piece(signs, {in[1], Tensor()}), form, n);
        return sigmoid(mul(y, y));  // reads y in backward
      };
    };
    const Tensors in = {random_f32({5, 4, 4, c}, 1), random_f32({c, 3, 3, c}, 2), random_f32({c}, 3),
                        random_f32({c}, 4)};
    const Tensors got = forward_backward(net(true), in), want = forward_backward(net(false), in);
    CHECK(got[0].values() == want[0].values());
    for (size_t i = 1; i < got.size(); ++i) {
      double worst = 0, largest = 0;
      for (int64_t k = 0; k < got[i].size(); ++k) {
        worst = std::max(worst, std::abs(got[i].at(k) - want[i].at(k)));
        largest = std::max(largest, std::abs(want[i].at(k)));
      }
      CHECK(worst <= 1e-5 * largest);  // sums block by block instead of all at once: some hundred terms
    }
  }
}

TEST_CASE(
    "in_batch_blocks: a piece that reads the values of codes finds them again in backward, which saves the codes") {
  // In quarters, so that no sum rounds: blocks add up in another order.
  const auto quarters = [](const Shape& shape, uint64_t seed) {
    std::vector<double> v = random_f32(shape, seed).values();
    for (double& e : v) e = std::round(4 * e) / 4;
    return Tensor::of(shape, v);
  };
  const QuantSpec relu{.scheme = Scheme::kUniform, .surrogate = Surrogate::kClip, .bits = 2};
  const auto net = [&](bool normed, int64_t block) {
    return [&, normed, block](const Tensors& in) {
      const Piece piece = [](const Quantized& x, const Tensors& rest) {
        REQUIRE(x.value.has_data());
        REQUIRE(x.codes.defined());
        return conv2d(x.value, rest[0], rest[1], {.pad_h = 1, .pad_w = 1});
      };
      const Quantized x = quantize_activation(in[0], relu, true);
      if (block == 0)
        return normed ? norm_act(piece(x, {in[1], in[2]}), {}, {.gamma = in[2], .beta = in[2]})
                      : piece(x, {in[1], in[2]});
      const Tensor y = normed ? norm_in_batch_blocks("conv_norm", block, x, {in[1], in[2]}, piece, {},
                                                     {.gamma = in[2], .beta = in[2]}, true)
                              : in_batch_blocks("conv_max_pool", block, x, {in[1], in[2]}, piece, true);
      CHECK(y.node()->saved[0].tensor.buffer() == x.codes.tensor.buffer());
      CHECK(y.node()->recompute(*y.node()).values() == y.values());
      return y;
    };
  };
  const Tensors in = {random_f32({5, 4, 4, 3}, 1), quarters({6, 3, 3, 3}, 2), quarters({6}, 3)};
  for (const bool normed : {false, true})
    for (const int64_t block : {1, 2, 5}) {
      const Tensors got = forward_backward(net(normed, block), in), want = forward_backward(net(normed, 0), in);
      CHECK(got[0].values() == want[0].values());
      for (size_t i = 1; i < got.size(); ++i)
        for (int64_t k = 0; k < got[i].size(); ++k) CHECK(got[i].at(k) == doctest::Approx(want[i].at(k)).epsilon(1e-4));
    }
}
