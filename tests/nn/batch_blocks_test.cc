#include "nn/batch_blocks.h"

#include <doctest/doctest.h>

#include "ops/conv2d.h"
#include "ops/pool.h"
#include "tests/ops/gradcheck.h"

using namespace bantam;

TEST_CASE("in_batch_blocks: gradients of input and parameters, with a last block that is not full") {
  const Piece piece = [](const Quantized& x, const std::vector<Tensor>& rest) {
    return max_pool(conv2d(x.value, rest[0], rest[1], {.pad_h = 1, .pad_w = 1}), {});
  };
  const TensorFn f = [&](const Tensors& in) {
    return in_batch_blocks("conv_max_pool", 2, Quantized{in[0], {}, 1}, {in[1], in[2]}, piece, false);
  };
  // Maxima are apart by far more than the step of the differences for these seeds: no kink is near.
  CHECK(gradcheck("conv_max_pool", f, {random_f64({3, 4, 4, 2}, 1), random_f64({2, 3, 3, 2}, 2), random_f64({2}, 3)}) == "");
}
