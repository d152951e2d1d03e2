// The net's input: images [n,h,w,c].
#include "nn/kinds/kind.h"

namespace bantam {

extern const KindRoom kInputRoom;
constinit const KindRoom kInputRoom = {
    .kind = Kind::kInput,
    .name = "input",
    .inputs = 0,
    .config = [] { return Config(InputConfig{}); },
    .shape =
        [](const NodeSpec& node, const std::vector<Shape>&, int64_t n) {
          const auto& c = config_of<InputConfig>(node);
          check_range(node, "height", c.h, 1, kMaxDim);
          check_range(node, "width", c.w, 1, kMaxDim);
          check_range(node, "channels", c.c, 1, kMaxDim);
          return Shape{n, c.h, c.w, c.c};
        },
    .run = nullptr,
    .channels = Channels::kNew,
};

}  // namespace bantam
