// Gradient checks: the backward pass of any function of tensors against central differences of its forward pass, in
// f64.
//
//   CHECK(gradcheck("relu", [](const Tensors& in) { return relu(in[0]); }, {random_f64({3, 5}, 1)}, {.kinks = {0}}) ==
//   "");
//
// The first argument is the op's name as record() knows it: it must be in the graph that the function makes, and
// gradcheck_coverage_test.cc holds the list of these names against the record() calls of the sources, so no op goes
// unchecked. The answer is empty, or says op, input, element, output and both values.
//
// What is compared, for every element of every input: the whole Jacobian where it is small, and always two random
// projections <r, f(x)>. Also held: each input alone gets the gradient it gets among others, and the gradient handed in
// is not written to.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/autograd.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "tests/core/tensors.h"

namespace bantam {

using TensorFn = std::function<Tensor(const Tensors&)>;

struct GradcheckOptions {
  // Points where the function has no derivative: elements closer than `margin` to one are moved to its distance.
  std::vector<double> kinks = {};
  double margin = 1e-3;
  // Central differences err by h^2 |f'''| / 6 = 2e-11 |f'''| plus rounding 2^-53 |f| / h = 1e-11 |f|: 1e-6 leaves room
  // for third derivatives of 1e4, and a wrong formula errs by far more.
  double step = 1e-5;
  double tolerance = 1e-6;
  // The whole Jacobian is compared up to this many elements, inputs times outputs.
  int64_t jacobian_limit = 4096;
  // Of an op whose gradient is declared, not derived (straight-through): the function whose derivative it claims to be.
  TensorFn surrogate = nullptr;
};

namespace gradcheck_detail {

inline std::string format(const char* f, auto... args) {
  char text[512];
  snprintf(text, sizeof text, f, args...);
  return text;
}

inline void collect_ops(const Tensor& t, std::set<std::string>* names) {
  std::vector<const Node*> todo;
  std::set<const Node*> seen;
  if (t.node()) todo.push_back(t.node().get());
  while (!todo.empty()) {
    const Node* n = todo.back();
    todo.pop_back();
    if (!seen.insert(n).second) continue;
    names->insert(n->op);
    for (const NodePtr& in : n->inputs)
      if (in) todo.push_back(in.get());
  }
}

// Gradients of <r, f(x)>, a vector for each input; empty where wanted[i] is false. An input that the output does not
// depend on has zeros. Sets *error instead if the backward pass wrote to r.
inline std::vector<std::vector<double>> gradients(const TensorFn& f, const Tensors& inputs,
                                                  const std::vector<double>& r, const std::vector<bool>& wanted,
                                                  std::string* error) {
  std::vector<std::unique_ptr<Parameter>> params;
  Tensors leaves;
  for (size_t i = 0; i < inputs.size(); ++i) {
    params.push_back(std::make_unique<Parameter>("input " + std::to_string(i), inputs[i]));
    leaves.push_back(wanted[i] ? params[i]->tensor() : inputs[i]);
  }
  const Tensor y = f(leaves);
  const Tensor grad = Tensor::of(y.shape(), r, y.dtype());
  if (y.needs_grad()) backward({y}, {grad});
  if (grad.values() != r) *error = "the backward pass changed the gradient of the output";
  std::vector<std::vector<double>> out(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!wanted[i]) continue;
    out[i] = params[i]->grad.defined() ? params[i]->grad.values() : std::vector<double>(size_t(inputs[i].size()), 0.0);
  }
  return out;
}

}  // namespace gradcheck_detail

// "" if the gradients of `f` are right at `inputs` (all f64), else what is wrong. f must be the same function at each
// call.
inline std::string gradcheck(const std::string& op, const TensorFn& f, Tensors inputs,
                             const GradcheckOptions& options = {}) {
  using gradcheck_detail::format;
  const size_t count = inputs.size();
  for (size_t i = 0; i < count; ++i) {
    if (inputs[i].dtype() != DType::kF64) return op + ": gradcheck wants f64 inputs";
    std::vector<double> v = inputs[i].values();
    for (double& x : v)
      for (double k : options.kinks)
        if (std::fabs(x - k) < options.margin) x = k + (x < k ? -options.margin : options.margin);
    inputs[i] = Tensor::of(inputs[i].shape(), v, DType::kF64);
  }

  // Is the op that the caller names really the one that is checked?
  std::vector<double> y0;
  {
    std::vector<std::unique_ptr<Parameter>> params;
    Tensors leaves;
    for (size_t i = 0; i < count; ++i) {
      params.push_back(std::make_unique<Parameter>("x", inputs[i]));
      leaves.push_back(params[i]->tensor());
    }
    const Tensor y = f(leaves);
    std::set<std::string> names;
    gradcheck_detail::collect_ops(y, &names);
    if (names.count(op) == 0) return op + ": no node of this name in the graph of the function";
    y0 = y.values();
  }
  const size_t outputs = y0.size();

  // Numeric Jacobian, numeric[i][e * outputs + o] = d y[o] / d inputs[i][e].
  const TensorFn& numeric_f = options.surrogate ? options.surrogate : f;
  const double h = options.step;
  double largest_output = 1.0;
  std::vector<std::vector<double>> numeric(count);
  {
    NoGrad no_grad;
    for (size_t i = 0; i < count; ++i) {
      const std::vector<double> x = inputs[i].values();
      numeric[i].resize(x.size() * outputs);
      for (size_t e = 0; e < x.size(); ++e) {
        std::vector<double> side[2];
        for (int s = 0; s < 2; ++s) {
          std::vector<double> moved = x;
          moved[e] += s == 0 ? h : -h;
          Tensors in = inputs;
          in[i] = Tensor::of(inputs[i].shape(), moved, DType::kF64);
          side[s] = numeric_f(in).values();
          if (side[s].size() != outputs) return op + ": the function's output size changes from call to call";
        }
        for (size_t o = 0; o < outputs; ++o) {
          numeric[i][e * outputs + o] = (side[0][o] - side[1][o]) / (2 * h);
          largest_output = std::max(largest_output, std::fabs(side[0][o]));
        }
      }
    }
  }

  // Compares one projection; `what` names it.
  const std::vector<bool> all(count, true);
  auto compare = [&](const std::vector<double>& r, const std::vector<std::vector<double>>& got,
                     const std::string& what) -> std::string {
    double weight = 0;
    for (double v : r) weight += std::fabs(v);
    const double rounding = 4 * 2.3e-16 * largest_output * weight / h;  // of the differences, not of the op
    for (size_t i = 0; i < count; ++i) {
      if (got[i].empty()) continue;
      const size_t n = size_t(inputs[i].size());
      if (got[i].size() != n)
        return format("%s: the gradient of input %zu has %zu elements, not %zu", op.c_str(), i, got[i].size(), n);
      std::vector<double> want(n, 0.0);
      double largest = 0;
      for (size_t e = 0; e < n; ++e) {
        for (size_t o = 0; o < outputs; ++o)
          if (r[o] != 0) want[e] += r[o] * numeric[i][e * outputs + o];
        largest = std::max(largest, std::fabs(want[e]));
      }
      for (size_t e = 0; e < n; ++e) {
        // Relative to the element, or to a hundredth of the largest one: a small element may be a difference of large
        // terms.
        const double size = std::max({std::fabs(want[e]), std::fabs(got[i][e]), 0.01 * largest});
        if (!(std::fabs(got[i][e] - want[e]) <= options.tolerance * size + rounding))
          return format("%s: input %zu %s element %zu, %s: backward %.12g, differences %.12g", op.c_str(), i,
                        to_string(inputs[i].shape()).c_str(), e, what.c_str(), got[i][e], want[e]);
      }
    }
    return "";
  };

  std::string error;
  for (uint64_t seed = 0; seed < 2; ++seed) {
    const Rng rng(0x9c, kRngTest, seed);
    std::vector<double> r(outputs);
    for (size_t o = 0; o < outputs; ++o) r[o] = rng.normal(o);
    const auto got = gradcheck_detail::gradients(f, inputs, r, all, &error);
    if (!error.empty()) return op + ": " + error;
    if (std::string e = compare(r, got, "random projection"); !e.empty()) return e;
    if (seed > 0 || count < 2) continue;
    for (size_t i = 0; i < count; ++i) {
      std::vector<bool> only(count, false);
      only[i] = true;
      const auto alone = gradcheck_detail::gradients(f, inputs, r, only, &error);
      if (!error.empty()) return op + ": " + error;
      if (std::string e = compare(r, alone, "random projection, this input alone"); !e.empty()) return e;
    }
  }

  int64_t total = 0;
  for (const Tensor& t : inputs) total += t.size() * int64_t(outputs);
  if (total > options.jacobian_limit) return "";
  for (size_t o = 0; o < outputs; ++o) {
    std::vector<double> r(outputs, 0.0);
    r[o] = 1;
    const auto got = gradcheck_detail::gradients(f, inputs, r, all, &error);
    if (!error.empty()) return op + ": " + error;
    if (std::string e = compare(r, got, format("output %zu", o)); !e.empty()) return e;
  }
  return "";
}

}  // namespace bantam
