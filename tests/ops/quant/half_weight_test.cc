#include "ops/quant/half_weight.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/base/half.h"
#include "ops/quant/quantize.h"
#include "tests/core/tensors.h"
#include "tests/ops/gradcheck.h"
#include "tests/ops/same_for_threads.h"

using namespace bantam;

namespace {

constexpr Scheme kHalves[] = {Scheme::kF16, Scheme::kBf16};

}  // namespace

TEST_CASE("half_weight: by hand, and each weight the nearest") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (DType dtype : {DType::kF32, DType::kF64}) {
    const Tensor w =
        Tensor::of({2, 4}, {1.0 / 3, -1.0 / 3, 1e6, -infinity, 0x1p-25, 1 + 0x1p-11, 1 + 0x3p-11, -0.0}, dtype);
    const Tensor f16 = quantize_weight(w, {.scheme = Scheme::kF16}, true).value;
    CHECK(f16.values() == std::vector<double>{0x555p-12, -0x555p-12, 65504, -infinity, 0, 1, 1 + 0x1p-9, -0.0});
    CHECK(f16.dtype() == dtype);
    const Tensor bf16 = quantize_weight(w, {.scheme = Scheme::kBf16}, true).value;
    CHECK(bf16.values() == std::vector<double>{0xABp-9, -0xABp-9, 999424, -infinity, 0x1p-25, 1, 1, -0.0});
    const Tensor many = random_tensor({40, 3, 3, 40}, 5, dtype);
    const Tensor half = half_weight(many, {.scheme = Scheme::kF16}),
                 brain = half_weight(many, {.scheme = Scheme::kBf16});
    int wrong = 0;
    for (int64_t i = 0; i < many.size(); ++i) {
      wrong += half.at(i) != double(widen_f16(narrow_f16(many.at(i))));
      wrong += brain.at(i) != double(widen_bf16(narrow_bf16(many.at(i))));
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("half_weight: the gradient is the value's; a layer of such weights is one of floats") {
  for (Scheme scheme : kHalves) {
    const QuantSpec s{.scheme = scheme};
    GradcheckOptions options;
    options.surrogate = [&](const Tensors& in) { return in[0]; };
    CHECK(gradcheck(
              "half_weight", [&](const Tensors& in) { return quantize_weight(in[0], s, true).value; },
              {random_f64({2, 2, 2, 3}, 4)}, options) == "");
    CHECK(arithmetic_of(s, {.scheme = Scheme::kUniform}, {}) == Arithmetic::kReal);
    CHECK(bits_of(s) == 16);
    CHECK(same_for_any_threads([&]() -> Tensors { return {half_weight(random_f32({160, 3, 3, 96}, 7), s)}; }));
  }
}

TEST_CASE("half_weight: what cannot be quantized is an error that says so") {
  CHECK_THROWS_WITH_AS(half_weight(Tensor::zeros({4}), {.scheme = Scheme::kF16}), "quantize: weights are empty [4]",
                       Error);
  CHECK_THROWS_WITH_AS(half_weight(Tensor::zeros({2, 2}, DType::kI32), {.scheme = Scheme::kF16}),
                       "quantize_weight: elements are i32, not f32 or f64", Error);
  CHECK_THROWS_WITH_AS(quantize_activation(Tensor::zeros({2, 2}), {.scheme = Scheme::kBf16}, true),
                       "quantize: bf16 is for weights alone", Error);
}
