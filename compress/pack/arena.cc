#include "compress/pack/arena.h"

#include <algorithm>

#include "compress/pack/planner.h"
#include "core/tensor.h"

namespace bantam::packed {

void place_tensors(FileBuilder* file, size_t first_tensor, SwitchRecord* s) {
  std::vector<Lifetime> lives(file->tensors.size() - first_tensor);
  for (size_t t = 0; t < lives.size(); ++t) lives[t].bytes = file->tensors[first_tensor + t].bytes();
  const auto life = [&](uint32_t t) -> Lifetime& { return lives[t - first_tensor]; };
  const auto read = [&](uint32_t t, int op) {
    if (t != kNone) life(t).last = std::max(life(t).last, op);
  };
  for (int i = 0; i < int(s->n_ops); ++i) {
    const OpRecord& op = file->ops[s->first_op + size_t(i)];
    for (uint32_t t : {op.out_f32, op.out_codes})
      if (t != kNone) life(t).first = life(t).last = i;
    read(op.in, i);
    for (uint32_t j = 0; j < op.n_stages; ++j) read(file->stages[op.first_stage + j].tensor, i);
  }
  life(s->output).last = int(s->n_ops);
  const ArenaPlan p = plan_arena(lives, kAlign);
  if (p.bytes > kMaxArenaBytes)
    throw Error("pack: the net needs an arena of " + std::to_string(p.bytes) + " bytes, the format allows 2^30");
  s->arena_base = uint32_t(p.bytes);
  for (size_t t = 0; t < lives.size(); ++t) file->tensors[first_tensor + t].arena = uint32_t(p.offsets[t]);
}

}  // namespace bantam::packed
