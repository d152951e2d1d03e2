// x relu6(x + 3) / 6: MobileNetV3's activation.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/activations.h"

namespace bantam {

extern const KindRoom kHardSwishRoom;
constinit const KindRoom kHardSwishRoom = {
    .kind = Kind::kHardSwish,
    .name = "hard_swish",
    .inputs = 1,
    .shape = same_shape,
    .run = [](const NodePass& p) { return real(hard_swish(p.x())); },
    .behind_norm = NormPost::kHardSwish,
    .remade_from_input = true,
};

}  // namespace bantam
