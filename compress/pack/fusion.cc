#include "compress/pack/fusion.h"

#include <algorithm>

#include "compress/pack/bands.h"
#include "compress/pack/lower.h"
#include "compress/pack/op_thresholds.h"
#include "compress/pack/steps.h"

namespace bantam::packed {
namespace {

// Appends the node, whose first operand is the chain so far, which ends in node `from`.
void append_stage(PackState* s, Chain* chain, int node, int from) {
  chain->stages.push_back(lowering_of(s->node(node).kind)->stage(s, {node, from, chain->channels()}));
  chain->nodes.push_back(node);
  s->covered[size_t(node)] = true;
}

// May the node become a stage behind node `from`?
bool fusable(const PackState& s, const Chain& chain, int node, int from) {
  if (s.covered[size_t(node)] || chain.stages.size() >= kMaxStages) return false;
  const Lowering* row = lowering_of(s.node(node).kind);
  return row && row->stage && (!row->joins || row->joins(s, chain, node, from));
}

const QuantSpec& quant_of(const PackState& s, int node) { return s.config<QuantizeConfig>(node).quant; }
// One of real values has vanished; one whose codebook is a table is a stage.
bool makes_codes(const PackState& s, int node) {
  return s.node(node).kind == Kind::kQuantize && !traits_of(quant_of(s, node).scheme).table;
}

}  // namespace

uint32_t f32_of(PackState* s, int node) {
  const Value& v = s->values[size_t(node)];
  if (v.f32 != kNone) return v.f32;
  if (v.codes == kNone) refuse(*s, node, "its value is needed before it is computed");
  Chain chain(node);
  chain.op.source = uint8_t(Source::kLoad);
  chain.op.in = v.codes;
  chain.in = s->dims(v.codes);
  add_op(s, &chain, node, {});
  return v.f32;
}

void start_with_load(PackState* s, int node) {
  Chain chain(node);
  chain.op.source = uint8_t(Source::kLoad);
  chain.op.in = f32_of(s, s->input(node));
  chain.in = s->dims(chain.op.in);
  for (size_t other = 1; other < s->node(node).inputs.size(); ++other) (void)f32_of(s, s->input(node, other));
  append_stage(s, &chain, node, s->input(node));
  extend(s, &chain);
}

void extend(PackState* s, Chain* chain) {
  int x = chain->root;
  while (s->consumers[size_t(x)].size() == 1 && x != s->output()) {
    const int next = s->consumers[size_t(x)][0];
    if (!fusable(*s, *chain, next, x)) break;
    append_stage(s, chain, next, x);
    x = next;
  }
  // Codes of one kind come along; quantizers that differ from the first make theirs of the floats, and so do those that
  // take a stage of their own where somebody reads the floats before it, too.
  std::vector<int> codes;
  bool floats = x == s->output();
  for (int consumer : s->consumers[size_t(x)]) {
    const bool coded = makes_codes(*s, consumer);
    if (coded && (codes.empty() || quant_of(*s, codes[0]) == quant_of(*s, consumer)))
      codes.push_back(consumer);
    else
      floats = true;
  }
  if (!codes.empty() && has_steps(quant_of(*s, codes[0])) && (floats || chain->stages.size() >= kMaxStages))
    codes.clear();
  add_op(s, chain, floats || codes.empty() ? x : -1, codes);
}

void add_op(PackState* s, Chain* chain, int f32, const std::vector<int>& codes) {
  OpRecord& op = chain->op;
  FileBuilder& file = s->file;
  if (file.ops.size() >= kMaxOps || file.tensors.size() + 2 > kMaxTensors)
    refuse(*s, chain->root, "the net has too many operations");
  op.name = file.string(s->node(f32 >= 0 ? f32 : codes[0]).name);
  op.n_stages = uint32_t(chain->stages.size());
  op.out_f32 = f32 >= 0 ? 0 : kNone;
  op.out_codes = codes.empty() ? kNone : 0;  // known below; derive asks which there are
  op.band = 1;
  const QuantSpec quant = codes.empty() ? QuantSpec() : quant_of(*s, codes[0]);
  const TensorRecord type = type_of(quant);
  chain->out = type.elements();
  if (is_integer(op.product(chain->in.elements.type)) && f32 < 0) use_thresholds(&file, chain, quant);
  if (!codes.empty() && has_steps(quant) && !op.thresholds) {
    chain->stages.push_back(steps_stage(&file, quant)), chain->nodes.push_back(codes[0]);
    ++op.n_stages;
  }
  const Geometry g = choose_band(*s, chain);
  file.header.arena_per_lane = std::max(file.header.arena_per_lane, uint32_t(g.scratch_bytes));

  if (f32 >= 0) op.out_f32 = s->values[size_t(f32)].f32 = add_tensor(s, f32, {}, g.out_h, g.out_w, g.c);
  if (!codes.empty()) op.out_codes = add_tensor(s, codes[0], type, g.out_h, g.out_w, g.c);
  for (int i : codes) s->values[size_t(i)].codes = op.out_codes, s->covered[size_t(i)] = true;
  op.first_stage = uint32_t(file.stages.size());
  file.stages.insert(file.stages.end(), chain->stages.begin(), chain->stages.end());
  file.ops.push_back(op);
}

}  // namespace bantam::packed
