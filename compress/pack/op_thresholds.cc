#include "compress/pack/op_thresholds.h"

#include "bantam_fault.h"
#include "compress/pack/steps.h"
#include "compress/pack/thresholds.h"
#include "ops/kernels/code_values_ref.h"
#include "ops/quant/uniform.h"

namespace bantam::packed {
namespace {

// The stages that thresholds stand in for, and the pool among them.
struct Split {
  std::vector<const StageRecord*> scalar;
  size_t before_pool = 0;  // scalar stages
  int pool = -1;           // index of the pool among the chain's stages
};
bool split(const Chain& chain, Split* out) {
  for (size_t i = 0; i < chain.stages.size(); ++i) {
    const StageKind kind = StageKind(chain.stages[i].kind);
    if (kind == StageKind::kMaxPool)
      out->pool = int(i), out->before_pool = out->scalar.size();
    else if (scalar_form(kind))
      out->scalar.push_back(&chain.stages[i]);
    else
      return false;
  }
  return true;
}

// The stages of one channel: all of them, and those behind the pool.
struct ChannelStages {
  std::vector<ScalarStage> all, behind_pool;
};
ChannelStages stages_of(const FileBuilder& file, const Split& stages, uint32_t c) {
  ChannelStages s;
  for (const StageRecord* r : stages.scalar)
    s.all.push_back({StageKind(r->kind), r->a ? file.payload_value<float>(r->a, c) : 0.0f,
                     r->b ? file.payload_value<float>(r->b, c) : 0.0f});
  if (stages.pool >= 0) s.behind_pool.assign(s.all.begin() + std::ptrdiff_t(stages.before_pool), s.all.end());
  return s;
}

// What codes, not bits, the evaluation makes of a value: a byte.
struct CodeOf {
  explicit CodeOf(const QuantSpec& codes) {
    if (grid_of(codes, Operand::kActivation).is_signs()) return;
    if (has_steps(codes))
      thresholds = float_thresholds(codes);
    else
      even = uniform_rule(codes);
  }
  int operator()(float x) const {
    return thresholds.empty() ? even.byte(x) : ref::count_thresholds(x, thresholds.data(), int32_t(thresholds.size()));
  }
  UniformRule even = {};
  std::vector<float> thresholds = {};
};

// Numbers and masks, as the format has them.
std::vector<uint8_t> payload_of(const std::vector<int32_t>& numbers, const std::vector<uint64_t>& first,
                                const std::vector<uint64_t>* second, uint64_t masks) {
  const size_t words = first.size() * 8;
  std::vector<uint8_t> bytes(masks + (second ? 2 : 1) * words);
  memcpy(bytes.data(), numbers.data(), numbers.size() * 4);
  memcpy(bytes.data() + masks, first.data(), words);
  if (second) memcpy(bytes.data() + masks + words, second->data(), words);
  return bytes;
}

}  // namespace

void use_thresholds(FileBuilder* file, Chain* chain, const QuantSpec& codes) {
  constexpr int kMostLevels = 16;
  OpRecord& op = chain->op;
  const CodeGrid grid = grid_of(codes, Operand::kActivation);
  Split stages;
  if (grid.levels > kMostLevels || !split(*chain, &stages)) return;
  const bool pooled = stages.pool >= 0, of_bits = grid.is_signs();
  const int64_t reach = op.product(chain->in.elements.type) == Product::kXnor
                            ? 1
                            : int64_t(chain->in.elements.reach()) * op.weight_codes().reach();
  const int64_t limit = int64_t(op.kh) * op.kw * (chain->in.c / op.groups) * reach;
  const size_t words = words_for(op.k), k = op.k;
  const int top = grid.levels - 1;
  const CodeOf rule(codes);
  std::vector<int32_t> numbers((of_bits ? 2 : size_t(top)) * k);
  std::vector<uint64_t> first(words), second(words);
  for (uint32_t c = 0; c < op.k; ++c) {
    const ChannelStages s = stages_of(*file, stages, c);
    const int d = direction(s.behind_pool);
    if (d == 0) return;
    bool both = d < 0 && pooled;  // AND is the complement of the OR of complements
#ifdef BANTAM_FAULT_POOL_OF_FALLING_NORM_ORS
    both = false;
#endif
    const uint64_t bit = uint64_t(1) << (c % 64);
    if (of_bits) {
      Threshold t;
      if (!find_threshold(s.all, int32_t(limit), &t)) return;
      numbers[c] = t.lo, numbers[k + c] = t.hi;
      first[c / 64] |= t.flip != both ? bit : 0;
    } else {
      CodeThreshold t;
      if (!find_code_threshold(
              s.all, int32_t(limit), top, [&](float x) { return rule(x); }, &t))
        return;
      for (int j = 0; j < top; ++j) numbers[size_t(j) * k + c] = t.t[size_t(j)];
      first[c / 64] |= t.falls ? bit : 0;
    }
    second[c / 64] |= both ? bit : 0;
  }
  const Elements out{of_bits ? Type::kBits : Type::kCodes, uint32_t(grid.levels), grid.mul, grid.add};
  op.thresholds = file->payload(payload_of(numbers, first, pooled ? &second : nullptr, threshold_masks(k, out)));
  op.n_stages = pooled ? 1 : 0;
  const std::vector<StageRecord> all = std::move(chain->stages);
  const std::vector<int> nodes = std::move(chain->nodes);
  chain->stages.clear(), chain->nodes.clear();
  if (pooled) chain->stages.push_back(all[size_t(stages.pool)]), chain->nodes.push_back(nodes[size_t(stages.pool)]);
}

}  // namespace bantam::packed
