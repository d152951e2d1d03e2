#include "compress/pack/lower.h"

namespace bantam::packed {

const Lowering* lowering_of(Kind kind) {
  for (const std::span<const Lowering> family :
       {conv_lowerings(), elementwise_lowerings(), pool_lowerings(), shape_lowerings()})
    for (const Lowering& row : family)
      if (row.kind == kind) return &row;
  return nullptr;
}

void lower(PackState* s, int node) {
  const Lowering* row = lowering_of(s->node(node).kind);
  if (!row || !row->start) refuse(*s, node, "the packed format has no such operation");
  s->covered[size_t(node)] = true;
  row->start(s, node);
}

}  // namespace bantam::packed
