// In training, each value is 0 with probability p, else divided by 1 - p.
#include "ops/dropout.h"

#include "core/rng.h"
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"

namespace bantam {

extern const KindRoom kDropoutRoom;
constinit const KindRoom kDropoutRoom = {
    .kind = Kind::kDropout,
    .name = "dropout",
    .inputs = 1,
    .config = [] { return Config(DropoutConfig{}); },
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
          const auto& c = config_of<DropoutConfig>(node);
          if (!(c.p >= 0 && c.p < 1)) fail(node, "p must be in [0,1)");
          return in[0];
        },
    .run =
        [](const NodePass& p) {
          const Context& c = p.context();
          if (!c.dropout) return real(p.x());
          return real(dropout(p.x(), p.config<DropoutConfig>().p,
                              Rng(c.seed, kRngDropout, stream_of(p.node().name), uint64_t(c.step))));
        },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
