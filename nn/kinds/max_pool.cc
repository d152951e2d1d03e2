// The largest value of each window.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/pool.h"

namespace bantam {

PoolParams pool_params(const NodeSpec& node) {
  const auto& c = std::get<PoolConfig>(node.config);
  return {c.kernel_h, c.kernel_w, c.stride_h, c.stride_w, c.pad_h, c.pad_w};
}

Shape pooled_shape(const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
  const auto& c = config_of<PoolConfig>(node);
  check_image(node, in[0]);
  if (c.pad_h >= c.kernel_h || c.pad_w >= c.kernel_w) fail(node, "padding must be smaller than the kernel");
  return {n, slide(node, in[0][1], c.kernel_h, c.stride_h, c.pad_h, 1),
          slide(node, in[0][2], c.kernel_w, c.stride_w, c.pad_w, 1), in[0][3]};
}

extern const KindRoom kMaxPoolRoom;
constinit const KindRoom kMaxPoolRoom = {
    .kind = Kind::kMaxPool,
    .name = "max_pool",
    .inputs = 1,
    .config = [] { return Config(PoolConfig{}); },
    .shape = pooled_shape,
    .run = [](const NodePass& p) { return real(max_pool(p.x(), pool_params(p.node()))); },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
