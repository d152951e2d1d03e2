// What tests call most on a net.
#pragma once

#include "nn/net.h"

namespace bantam {

inline Tensor scores(Net& net, const Context& context, const Input& x) {
  return forward(net.plan, net.parameters, x, context).scores;
}

}  // namespace bantam
