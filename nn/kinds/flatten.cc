// An image as features, [n,h,w,c] -> [n,h*w*c]; only the shape changes.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/shape.h"

namespace bantam {

extern const KindRoom kFlattenRoom;
constinit const KindRoom kFlattenRoom = {
    .kind = Kind::kFlatten,
    .name = "flatten",
    .inputs = 1,
    .shape =
        [](const NodeSpec&, const std::vector<Shape>& in, int64_t n) {
          int64_t f = 1;
          for (int i = 1; i < in[0].rank; ++i) f *= in[0][i];
          return Shape{n, f};
        },
    .run =
        [](const NodePass& p) {
          const Tensor& x = p.x();
          return real(reshape(x, {x.dim(0), x.size() / x.dim(0)}));
        },
    .channels = Channels::kFlat,
    .sign = SignRule::kAsInputs,
    .takes_bytes = true,
};

}  // namespace bantam
