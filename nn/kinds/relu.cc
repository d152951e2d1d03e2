// max(x, 0).
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {

extern const KindRoom kReluRoom;
constinit const KindRoom kReluRoom = {
    .kind = Kind::kRelu,
    .name = "relu",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(relu(p.x())); },
    .before_norm = NormPre::kRelu,
    .behind_norm = NormPost::kRelu,
    .behind_sum = true,
    .remade_from_input = true,
    .sign = SignRule::kNeverNegative,
};

}  // namespace bantam
