// Values one after the other along channels.
#include "ops/concat.h"

#include "nn/kinds/kind.h"
#include "nn/kinds/pass.h"

namespace bantam {
namespace {

Shape shape_of(const NodeSpec& node, const std::vector<Shape>& in, int64_t) {
  Shape s = in[0];
  for (size_t i = 1; i < in.size(); ++i) {
    Shape t = in[i];
    if (t.rank != s.rank) fail(node, "inputs " + to_string(s) + " and " + to_string(t) + " differ in rank");
    const int64_t channels = t[-1];
    t[-1] = s[-1];
    if (!(t == s)) fail(node, "inputs " + to_string(s) + " and " + to_string(in[i]) + " differ in more than channels");
    s[-1] += channels;
  }
  return s;
}

}  // namespace

extern const KindRoom kConcatRoom;
constinit const KindRoom kConcatRoom = {
    .kind = Kind::kConcat,
    .name = "concat",
    .inputs = -1,
    .shape = shape_of,
    .run =
        [](const NodePass& p) {
          Tensors parts;
          for (size_t i = 0; i < p.node().inputs.size(); ++i) parts.push_back(p.value(i));
          return real(concat(parts, -1));
        },
    .channels = Channels::kJoined,
    .sign = SignRule::kAsInputs,
};

}  // namespace bantam
