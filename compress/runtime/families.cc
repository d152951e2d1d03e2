#include "compress/runtime/families.h"

namespace bantam::packed {
namespace {

constexpr uint32_t bit(FamilyId id) { return 1u << uint32_t(id); }

uint32_t family_bit(Type type) {
  switch (type) {
    case Type::kF32: break;
    case Type::kBits: return bit(FamilyId::kBits);
    case Type::kCodes: return bit(FamilyId::kCodes);
  }
  return 0;
}

}  // namespace

uint32_t families_of(const OpRecord& op, const Geometry& g, const StageRecord* stages) noexcept {
  uint32_t wanted = 0;
  switch (Source(op.source)) {
    case Source::kPixels: break;
    case Source::kLoad: wanted |= family_bit(g.in.type); break;
    case Source::kConv: wanted |= bit(family_of(g.product)); break;
    case Source::kGlobalAverage: wanted |= bit(FamilyId::kGlobalAverage); break;
    case Source::kAdaptiveAverage: wanted |= bit(FamilyId::kAdaptiveAverage); break;
    case Source::kConcat:
    case Source::kFeatures: break;
  }
  if (op.out_codes != kNone) wanted |= family_bit(g.out.type);
  for (uint32_t i = 0; i < op.n_stages && !op.thresholds; ++i) wanted |= bit(family_of(StageKind(stages[i].kind)));
  return wanted;  // a pool of thresholds' codes belongs to their tensor's family
}

}  // namespace bantam::packed
