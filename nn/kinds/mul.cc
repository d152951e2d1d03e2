// The product of two values of one shape; or of an image and of one number a channel, [n,c], which goes for all pixels:
// a gate, as squeeze-and-excitation has it.
#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"
#include "ops/arith.h"
#include "ops/shape.h"

namespace bantam {
namespace {

bool is_gate(const Shape& x, const Shape& gate) {
  return x.rank == 4 && gate.rank == 2 && gate[0] == x[0] && gate[1] == x[3];
}

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t n) {
  return is_gate(in[0], in[1]) ? in[0] : equal_shapes(node, in, n);
}

}  // namespace

extern const KindRoom kMulRoom;
constinit const KindRoom kMulRoom = {
    .kind = Kind::kMul,
    .name = "mul",
    .inputs = 2,
    .shape = shape_of,
    .run =
        [](const NodePass& p) {
          const Tensor x = p.value(0), y = p.value(1);
          if (!is_gate(x.shape(), y.shape())) return real(mul(x, y));
          return real(mul(x, reshape(y, {y.dim(0), 1, 1, y.dim(1)})));
        },
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
