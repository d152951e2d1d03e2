// The sum of two values of one shape: a residual sum.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/arith.h"

namespace bantam {

extern const KindRoom kAddRoom;
constinit const KindRoom kAddRoom = {
    .kind = Kind::kAdd,
    .name = "add",
    .inputs = 2,
    .shape = equal_shapes,
    .run = [](const NodePass& p) { return real(add(p.x(), p.value(1))); },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
