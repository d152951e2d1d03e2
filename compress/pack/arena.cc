#include "compress/pack/arena.h"

#include <algorithm>

#include "compress/pack/planner.h"
#include "core/tensor.h"

namespace bantam::packed {

void place_tensors(FileBuilder* file) {
  std::vector<Lifetime> lives(file->tensors.size());
  for (size_t t = 0; t < lives.size(); ++t) lives[t].bytes = file->tensors[t].bytes();
  const auto read = [&](uint32_t t, int op) {
    if (t != kNone) lives[t].last = std::max(lives[t].last, op);
  };
  for (int i = 0; i < int(file->ops.size()); ++i) {
    const OpRecord& op = file->ops[size_t(i)];
    for (uint32_t t : {op.out_f32, op.out_codes})
      if (t != kNone) lives[t].first = lives[t].last = i;
    read(op.in, i);
    for (uint32_t s = 0; s < op.n_stages; ++s) read(file->stages[op.first_stage + s].tensor, i);
  }
  lives[file->header.output].last = int(file->ops.size());
  const ArenaPlan p = plan_arena(lives, kAlign);
  if (p.bytes > kMaxArenaBytes)
    throw Error("pack: the net needs an arena of " + std::to_string(p.bytes) + " bytes, the format allows 2^30");
  file->header.arena_base = uint32_t(p.bytes);
  for (size_t t = 0; t < lives.size(); ++t) file->tensors[t].arena = uint32_t(p.offsets[t]);
}

}  // namespace bantam::packed
