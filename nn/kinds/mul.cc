// The product of two values of one shape.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/arith.h"

namespace bantam {

extern const KindRoom kMulRoom;
constinit const KindRoom kMulRoom = {
    .kind = Kind::kMul,
    .name = "mul",
    .inputs = 2,
    .shape = equal_shapes,
    .run = [](const NodePass& p) { return real(mul(p.x(), p.value(1))); },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
