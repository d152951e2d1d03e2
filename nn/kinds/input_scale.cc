// What a layer of signs sums up, times the mean magnitude of what its window held before: XNOR-Net's K.
#include "ops/quant/input_scale.h"

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"

namespace bantam {
namespace {

// Inputs: the layer's output, and the values whose signs it read.
Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
  const auto& c = config_of<InputScaleConfig>(node);
  if (in[0].rank != in[1].rank || (in[0].rank != 4 && in[0].rank != 2))
    fail(node, "needs two images or two features, gets " + to_string(in[0]) + " and " + to_string(in[1]));
  const bool image = in[0].rank == 4;
  const int64_t h = slide(node, image ? in[1][1] : 1, c.kernel_h, c.stride_h, c.pad_h, c.dilation_h);
  const int64_t w = slide(node, image ? in[1][2] : 1, c.kernel_w, c.stride_w, c.pad_w, c.dilation_w);
  if (h != (image ? in[0][1] : 1) || w != (image ? in[0][2] : 1))
    fail(node, "its window over " + to_string(in[1]) + " does not make " + to_string(in[0]));
  return in[0];
}

}  // namespace

extern const KindRoom kInputScaleRoom;
constinit const KindRoom kInputScaleRoom = {
    .kind = Kind::kInputScale,
    .name = "input_scale",
    .inputs = 2,
    .config = [] { return Config(InputScaleConfig{}); },
    .shape = shape_of,
    .run =
        [](const NodePass& p) {
          const auto& c = p.config<InputScaleConfig>();
          return real(input_scale(
              p.x(), p.value(1), c.kernel_h, c.kernel_w,
              {c.stride_h, c.stride_w, c.pad_h, c.pad_w, c.dilation_h, c.dilation_w, 1, p.context().order}));
        },
    .channels = Channels::kFirst,
};

}  // namespace bantam
