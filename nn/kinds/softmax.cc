// Softmax over the last dimension.
#include "ops/softmax.h"

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"

namespace bantam {

extern const KindRoom kSoftmaxRoom;
constinit const KindRoom kSoftmaxRoom = {
    .kind = Kind::kSoftmax,
    .name = "softmax",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(softmax(p.x())); },
    .sign = SignRule::kNeverNegative,
};

}  // namespace bantam
