// Means of windows that divide the image into out_h times out_w.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/pool.h"

namespace bantam {

extern const KindRoom kAdaptiveAvgPoolRoom;
constinit const KindRoom kAdaptiveAvgPoolRoom = {
    .kind = Kind::kAdaptiveAvgPool,
    .name = "adaptive_avg_pool",
    .inputs = 1,
    .config = [] { return Config(AdaptivePoolConfig{}); },
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
          const auto& c = config_of<AdaptivePoolConfig>(node);
          check_image(node, in[0]);
          check_range(node, "out_h", c.out_h, 1, 1024);
          check_range(node, "out_w", c.out_w, 1, 1024);
          return Shape{n, c.out_h, c.out_w, in[0][3]};
        },
    .run =
        [](const NodePass& p) {
          const auto& c = p.config<AdaptivePoolConfig>();
          return real(adaptive_avg_pool(p.x(), c.out_h, c.out_w));
        },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
