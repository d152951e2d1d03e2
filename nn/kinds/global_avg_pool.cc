// The mean over the whole image: [n,h,w,c] -> [n,c].
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/pool.h"

namespace bantam {

extern const KindRoom kGlobalAvgPoolRoom;
constinit const KindRoom kGlobalAvgPoolRoom = {
    .kind = Kind::kGlobalAvgPool,
    .name = "global_avg_pool",
    .inputs = 1,
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
          check_image(node, in[0]);
          return Shape{n, in[0][3]};
        },
    .run = [](const NodePass& p) { return real(global_avg_pool(p.x())); },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
