// Where a number that is no longer finite was first seen: for the message that ends a run.
#pragma once

#include <string>

#include "nn/forward.h"

namespace bantam {

// Runs the pass again, node by node. "layer conv1 (conv, [8,32,32,16]): 3 of 131072 values are not finite, the others
// lie in [-1, 2]"; "no layer's output; the loss itself overflows" where there is none.
std::string first_not_finite(const Plan& plan, Parameters& parameters, const Input& x, const Context& context);

// "first seen at conv1.weight [16,3,3,3]: 3 of 432 gradients are not finite, ...", or "the sum over all parameters
// overflows".
std::string first_not_finite_gradient(const Parameters& parameters);

}  // namespace bantam
