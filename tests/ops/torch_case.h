// Runs an op on a fixture's case and compares its value and all its gradients with PyTorch's.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "tests/fixture.h"

namespace bantam {

using TorchFn = std::function<Tensor(const Tensors&)>;

// `inputs` are the names of the op's operands within the case; each floating one is given a gradient. Both dtypes run:
// f64 is the scalar definition, f32 the kernels. f64: sums of up to 400 terms of size 1 round to 400 * 2^-53 = 4e-14.
// f32: their rounding errors walk at random, sqrt(400) * 2^-24 = 1.2e-6; a factor of 8 for the spread and for results
// smaller than their terms.
inline void check_case(const Fixture& f, const std::string& c, const std::vector<std::string>& inputs,
                       const TorchFn& fn, double f64_tolerance = 1e-12, double f32_tolerance = 1e-5) {
  for (DType dtype : {DType::kF64, DType::kF32}) {
    INFO(c << (dtype == DType::kF64 ? " f64" : " f32"));
    const double tolerance = dtype == DType::kF64 ? f64_tolerance : f32_tolerance;
    std::vector<std::unique_ptr<Parameter>> parameters;
    Tensors operands;
    for (const std::string& name : inputs) {
      if (!f.has(c + "/" + name)) {  // an operand that this case does without, such as a bias
        operands.emplace_back();
        continue;
      }
      parameters.push_back(std::make_unique<Parameter>(name, f.tensor(c + "/" + name, dtype)));
      operands.push_back(parameters.back()->tensor());
    }
    const Tensor y = fn(operands);
    CHECK(relative_error(y, f.tensor(c + "/y")) < tolerance);
    backward({y}, {f.tensor(c + "/dy", dtype)});
    for (const auto& p : parameters) {
      INFO("d" << p->name);
      CHECK(relative_error(p->grad, f.tensor(c + "/d" + p->name)) < tolerance);
    }
  }
}

// Every case of an op. `fn` gets the operands and the case's config (empty if it has none).
inline void check_cases(const Fixture& f, const std::string& op, const std::vector<std::string>& inputs,
                        const std::function<Tensor(const Tensors&, const std::vector<int64_t>&)>& fn) {
  for (const std::string& c : f.cases(op)) {
    const std::vector<int64_t> config = f.has(c + "/config") ? f.config(c) : std::vector<int64_t>();
    check_case(f, c, inputs, [&](const Tensors& in) { return fn(in, config); });
  }
}

}  // namespace bantam
