// The mean of each window.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/pool.h"

namespace bantam {

extern const KindRoom kAvgPoolRoom;
constinit const KindRoom kAvgPoolRoom = {
    .kind = Kind::kAvgPool,
    .name = "avg_pool",
    .inputs = 1,
    .config = [] { return Config(PoolConfig{}); },
    .shape = pooled_shape,
    .run = [](const NodePass& p) { return real(avg_pool(p.x(), pool_params(p.node()))); },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
