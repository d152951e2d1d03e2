// The image, and nodes that change a shape only.
#include "compress/pack/lower.h"

namespace bantam::packed {
namespace {

bool always(const PackState&, int) { return true; }

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
      {.kind = Kind::kFlatten, .vanishes = always},  // [h][w][c] is the order of its features
      {.kind = Kind::kDropout, .vanishes = always},
  };
  return kRows;
}

}  // namespace bantam::packed
