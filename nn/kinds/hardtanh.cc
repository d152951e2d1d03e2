// x clamped to [-1, 1].
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {

extern const KindRoom kHardtanhRoom;
constinit const KindRoom kHardtanhRoom = {
    .kind = Kind::kHardtanh,
    .name = "hardtanh",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(hardtanh(p.x())); },
    .behind_norm = NormPost::kHardtanh,
};

}  // namespace bantam
