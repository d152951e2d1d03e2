// The hyperbolic tangent.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {

extern const KindRoom kTanhRoom;
constinit const KindRoom kTanhRoom = {
    .kind = Kind::kTanh,
    .name = "tanh",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(tanh(p.x())); },
};

}  // namespace bantam
