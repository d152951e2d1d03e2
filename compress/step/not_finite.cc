#include "compress/step/not_finite.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/json.h"

namespace bantam {
namespace {

// How many elements are not finite, and where the others lie.
std::string finite_range(const Tensor& t, int64_t* bad) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  *bad = 0;
  const float* v = t.data<float>();
  for (int64_t i = 0; i < t.size(); ++i) {
    if (!std::isfinite(v[i])) {
      ++*bad;
    } else {
      low = std::min(low, double(v[i]));
      high = std::max(high, double(v[i]));
    }
  }
  return low <= high ? ", the others lie in [" + shortest(float(low)) + ", " + shortest(float(high)) + "]" : "";
}

std::string seen(const std::string& who, const Tensor& t, const char* what) {
  int64_t bad = 0;
  const std::string range = finite_range(t, &bad);
  if (!bad) return "";
  return who + std::to_string(bad) + " of " + std::to_string(t.size()) + " " + what + " are not finite" + range;
}

}  // namespace

std::string first_not_finite(const Plan& plan, Parameters& parameters, const Input& x, const Context& context) {
  std::string where;
  Context watched = context;
  watched.tap = [&](const NodeSpec& node, const Tensor& value) {
    if (!where.empty() || !value.has_data() || value.dtype() != DType::kF32) return;
    where = seen("layer " + node.name + " (" + name_of(node.kind) + ", " + to_string(value.shape()) + "): ", value,
                 "values");
  };
  const NoGrad no_grad;
  forward(plan, parameters, x, watched);
  return where.empty() ? "no layer's output; the loss itself overflows" : where;
}

std::string first_not_finite_gradient(const Parameters& parameters) {
  const std::vector<Parameter*>& all = parameters.all();
  for (size_t i = all.size(); i-- > 0;) {  // backward goes from the last layer to the first
    if (!all[i]->grad.defined()) continue;
    const std::string where =
        seen("first seen at " + all[i]->name + " " + to_string(all[i]->grad.shape()) + ": ", all[i]->grad, "gradients");
    if (!where.empty()) return where;
  }
  return "the sum over all parameters overflows";
}

}  // namespace bantam
