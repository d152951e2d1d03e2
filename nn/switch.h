// A switch of a net: one of the forms in which it runs over the same parameters, chosen at run time or for a device.
// Each switch has a set of norms of its own [T 5.3.1]; its width is that of slimmable networks. [T 5.3.2]
#pragma once

#include "nn/net_spec.h"
#include "nn/quantize.h"

namespace bantam {

struct Switch {
  double width = 1;        // of K channels of a hidden layer it runs the first ceil(K * width); in ]0, 1]
  int64_t set = 0;         // which of its sets every norm takes
  QuantRecipe quant = {};  // its precision
};

// The net at a switch: the spec of a plan that runs over the whole net's Parameters, on the leading channels of each.
// The input, the scores and heads (linear layers whose values are extra outputs) keep their channels, and so does what
// is added to them. Depthwise convolutions follow their input. Throws Error naming the node: channels that no longer
// fit together (groups, a sum of joined channels); Error for a width outside ]0, 1] and for what quantize() refuses.
NetSpec at(const NetSpec& spec, const Switch& s);

}  // namespace bantam
