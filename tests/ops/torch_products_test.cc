// Convolution, matrix products and pooling against PyTorch: tests/fixtures/make_conv2d.py, make_ops.py.
#include "ops/conv2d.h"
#include "ops/linear.h"
#include "ops/matmul.h"
#include "ops/pool.h"
#include "tests/ops/torch_case.h"

using namespace bantam;

TEST_CASE("conv2d: stride, padding, dilation, groups, depthwise, bias: values and gradients equal PyTorch's") {
  const Fixture f("conv2d");
  CHECK(f.cases("conv2d").size() == 24);
  check_cases(f, "conv2d", {"x", "w", "b"}, [](const Tensors& in, const std::vector<int64_t>& c) {
    return conv2d(in[0], in[1], in[2],
                  {.stride_h = c[0],
                   .stride_w = c[1],
                   .pad_h = c[2],
                   .pad_w = c[3],
                   .dilation_h = c[4],
                   .dilation_w = c[5],
                   .groups = c[6]});
  });
}

TEST_CASE("matmul and linear: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  check_cases(f, "matmul", {"a", "b"}, [](const auto& in, const auto&) { return matmul(in[0], in[1]); });
  check_cases(f, "linear", {"x", "w", "b"}, [](const auto& in, const auto&) { return linear(in[0], in[1], in[2]); });
}

TEST_CASE("pooling: windows that overlap, are cut off or padded: values and gradients equal PyTorch's") {
  const Fixture f("ops");
  const auto params = [](const std::vector<int64_t>& c) {
    return PoolParams{
        .kernel_h = c[0], .kernel_w = c[1], .stride_h = c[2], .stride_w = c[3], .pad_h = c[4], .pad_w = c[5]};
  };
  check_cases(f, "max_pool", {"x"}, [&](const auto& in, const auto& c) { return max_pool(in[0], params(c)); });
  check_cases(f, "avg_pool", {"x"}, [&](const auto& in, const auto& c) { return avg_pool(in[0], params(c)); });
  check_cases(f, "global_avg_pool", {"x"}, [](const auto& in, const auto&) { return global_avg_pool(in[0]); });
}
