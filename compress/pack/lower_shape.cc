// The image, nodes that change a shape only, and those that put values behind one another.
#include <algorithm>

#include "compress/pack/lower.h"

namespace bantam::packed {
namespace {

bool always(const PackState&, int) { return true; }

// [h][w][c] is the order of an image's features: a linear layer reads them where they lie. Only who treats them as
// channels needs a tensor of that shape.
bool features_stay(const PackState& s, int node) {
  const Shape& in = s.shapes[size_t(s.node(node).inputs[0])];
  if (in.size() == in[0] * in[-1]) return true;  // of one pixel
  std::vector<bool> flat(size_t(s.nodes()));
  flat[size_t(node)] = true;
  for (int i = node + 1; i < s.nodes(); ++i) {
    const std::vector<int>& inputs = s.node(i).inputs;
    if (std::none_of(inputs.begin(), inputs.end(), [&](int j) { return flat[size_t(j)]; })) continue;
    switch (s.node(i).kind) {
      case Kind::kLinear:
        break;  // what it makes has no pixels any more
      case Kind::kBatchNorm:
      case Kind::kPRelu:
      case Kind::kSoftmax:
      case Kind::kConcat:
        return false;
      default:
        flat[size_t(i)] = true;
    }
  }
  return true;
}

void start_features(PackState* s, int node) {
  Chain chain(node);
  chain.op.source = uint8_t(Source::kFeatures);
  chain.op.in = f32_of(s, s->input(node));
  chain.in = s->dims(chain.op.in);
  extend(s, &chain);
}

void start_concat(PackState* s, int node) {
  const size_t operands = s->node(node).inputs.size();
  if (operands > kMaxStages) refuse(*s, node, "more than " + std::to_string(kMaxStages) + " operands");
  Chain chain(node);
  chain.op.source = uint8_t(Source::kConcat);
  chain.op.in = f32_of(s, s->input(node));
  chain.in = s->dims(chain.op.in);
  for (size_t i = 1; i < operands; ++i) {
    StageRecord r;
    r.kind = uint8_t(StageKind::kAppend);
    r.tensor = f32_of(s, s->input(node, i));
    r.c = s->dims(r.tensor).c;
    chain.stages.push_back(r);
    chain.nodes.push_back(node);
  }
  extend(s, &chain);
}

void start_pixels(PackState* s, int node) {
  Chain chain(node);
  chain.op.source = uint8_t(Source::kPixels);
  chain.in = {s->file.header.h, s->file.header.w, s->file.header.c};
  extend(s, &chain);
}

}  // namespace

std::span<const Lowering> shape_lowerings() {
  static constexpr Lowering kRows[] = {
      {.kind = Kind::kInput, .start = start_pixels},
      {.kind = Kind::kFlatten, .vanishes = features_stay, .start = start_features},
      {.kind = Kind::kConcat, .start = start_concat},
      {.kind = Kind::kDropout, .vanishes = always},
  };
  return kRows;
}

}  // namespace bantam::packed
