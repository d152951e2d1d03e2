#include "compress/pack/pack_state.h"

#include <bit>
#include <cmath>

#include "compress/pack/lower.h"
#include "compress/pack/steps.h"
#include "ops/quant/uniform.h"

namespace bantam::packed {

PackState::PackState(const TrainedNet& trained)
    : net(trained),
      spec(net.fixed_spec()),
      shapes(infer_shapes(spec)),
      values(spec.nodes.size()),
      covered(spec.nodes.size()),
      consumers(spec.nodes.size()) {
  for (int i = 0; i < nodes(); ++i)
    if (!vanishes(i))
      for (int j : node(i).inputs) consumers[size_t(real(j))].push_back(i);
}

bool PackState::vanishes(int i) const {
  const Lowering* lowering = lowering_of(node(i).kind);
  return lowering && lowering->vanishes && lowering->vanishes(*this, i);
}

int PackState::real(int i) const {
  while (vanishes(i)) i = node(i).inputs[0];
  return i;
}

void refuse(const PackState& s, int node, const std::string& why) {
  throw Error("pack: " + s.node(node).name + " (" + name_of(s.node(node).kind) + "): " + why);
}

const float* finite(const PackState& s, int node, const std::string& name, const float* v, int64_t n) {
  for (int64_t k = 0; k < n; ++k)
    if (!std::isfinite(v[k])) refuse(s, node, name + " is not finite at " + std::to_string(k));
  return v;
}

const float* parameter(const PackState& s, int node, const std::string& name, int64_t n) {
  const float* v = s.net.values(name, n);
  if (!v) refuse(s, node, "no parameter " + name + " of its size");
  return finite(s, node, name, v, n);
}

TensorRecord type_of(const QuantSpec& codes) {
  TensorRecord t;
  if (codes.scheme == Scheme::kNone) return t;
  const CodeGrid grid = grid_of(codes, Operand::kActivation);
  t.type = uint8_t(grid.is_signs() ? Type::kBits : Type::kCodes);
  if (grid.is_signs()) return t;
  t.mul = uint8_t(grid.mul), t.top = uint8_t(grid.levels - 1), t.add = int16_t(grid.add);
  if (has_steps(codes)) {
    t.scale = std::bit_cast<uint32_t>(1.0f / float(t.top)), t.factor = std::bit_cast<uint32_t>(1.0f);
    return t;
  }
  const UniformRule rule = uniform_rule(codes);
  t.flags = rule.first_above_zero ? TensorRecord::kFirstAboveZero : 0;
  t.scale = std::bit_cast<uint32_t>(rule.step), t.factor = std::bit_cast<uint32_t>(rule.factor);
  return t;
}

uint32_t add_tensor(PackState* s, int node, const TensorRecord& type, uint64_t h, uint64_t w, uint64_t c) {
  if (h > kMaxSide || w > kMaxSide || c > kMaxDepth) refuse(*s, node, "its output is larger than the format allows");
  TensorRecord t = type;
  t.name = s->file.string(s->node(node).name);
  t.h = uint32_t(h), t.w = uint32_t(w), t.c = uint32_t(c);
  s->file.tensors.push_back(t);
  return uint32_t(s->file.tensors.size() - 1);
}

}  // namespace bantam::packed
