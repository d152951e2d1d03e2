// One training pass of a net by the rule of golden.h, and its comparison with what another implementation stored.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/loss.h"
#include "tests/fixture.h"
#include "tests/nn/golden.h"

namespace bantam::golden {

struct Pass {
  std::unique_ptr<Net> model;
  Tensor logits, loss;
};

// In training, from the rule's weights; `prepare` may change more of the model.
inline Pass forward_backward(const NetSpec& spec, int64_t batch, DType dtype,
                             const std::function<void(Net&)>& prepare = {}) {
  Pass r;
  r.model = std::make_unique<Net>(spec, dtype);
  fill(*r.model);
  if (prepare) prepare(*r.model);
  const Shape in = infer_shapes(spec, batch)[0];
  const Images batch_0 = images(0, batch, in[1], in[2], in[3], dtype);
  r.logits = scores(*r.model, Context::training(), batch_0.x);
  r.loss = cross_entropy(r.logits, batch_0.y);
  backward(r.loss);
  return r;
}

// Sums of a tensor's elements against the stored ones: rounding errors of n elements add up like a random walk.
inline void compare_projections(const Fixture& f, const std::string& c, const std::string& name, const Tensor& t,
                                double allowed) {
  const double unit = f.tensor(c + "/max/" + name).item() * std::sqrt(double(t.size()));
  const std::vector<double> want = f.tensor(c + "/proj/" + name).values(), got = projections(name, t);
  for (size_t j = 0; j < 8; ++j) CHECK(std::abs(got[j] - want[j]) <= allowed * unit);
}

// Every gradient of a net against what is stored of it, in full or as projections. `allowed` is relative to the largest
// element of the gradient's tensor.
inline void compare(const Fixture& f, const std::string& c, const Pass& r, double allowed) {
  CHECK(std::abs(r.loss.item() - f.tensor(c + "/loss").item()) < allowed * r.loss.item());
  CHECK(relative_error(r.logits, f.tensor(c + "/logits")) < allowed);
  int compared = 0;
  for (const Parameter* p : r.model->parameters.all()) {
    INFO(c << " " << p->name);
    REQUIRE(p->grad.defined());
    if (f.has(c + "/grad/" + p->name)) {
      CHECK(relative_error(p->grad, f.tensor(c + "/grad/" + p->name)) <= allowed);
    } else if (f.has(c + "/proj/" + p->name)) {
      compare_projections(f, c, p->name, p->grad, allowed);
    } else {
      // Zero in theory: a bias that a norm takes away again. Rounding noise there, and here: below that of the weights.
      CHECK(f.tensor(c + "/zero/" + p->name).item() < 1e-13);
      const Parameter* weight = r.model->parameters.find(p->name.substr(0, p->name.rfind('.')) + ".weight");
      double bias = 0, largest = 0;
      for (double v : p->grad.values()) bias = std::max(bias, std::abs(v));
      for (double v : weight->grad.values()) largest = std::max(largest, std::abs(v));
      CHECK(bias <= allowed * largest);
    }
    ++compared;
  }
  CHECK(compared == int(r.model->parameters.all().size()));
}

}  // namespace bantam::golden
