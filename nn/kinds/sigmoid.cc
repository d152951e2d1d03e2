// 1 / (1 + exp(-x)).
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {

extern const KindRoom kSigmoidRoom;
constinit const KindRoom kSigmoidRoom = {
    .kind = Kind::kSigmoid,
    .name = "sigmoid",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(sigmoid(p.x())); },
    .sign = SignRule::kNeverNegative,
};

}  // namespace bantam
