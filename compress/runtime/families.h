// What the runtime can compute, in families: a convolution of one kind of operands, a kind of tensor, a kind of stage.
// Each stands behind a pointer in bnt_families, and nothing else refers to its code: what a program's own list leaves
// out the linker drops (bnt.h).
#pragma once

#include <cstdint>

#include "compress/runtime/bnt.h"
#include "compress/runtime/op_run.h"

namespace bantam::packed {

enum class FamilyId : uint8_t {
  kFloatConv,   // products of floats, and of floats with 1-bit weights
  kDepthwise,   // of floats, a filter a channel
  kBinaryConv,  // bits by bits
  kCodeConv,    // bits or codes by codes
  kBits,        // tensors of bits
  kCodes,       // tensors of codes
  kBias,        // the kinds of stages
  kAffine,
  kRelu,
  kPRelu,
  kHardtanh,
  kHardSwish,
  kAdd,
  kMaxPool,
  kGlobalAverage,
  kAdaptiveAverage,
  kAveragePool,
  kSigmoid,
  kTanh,
  kSoftmax,
  kMul,
  kConcat,
  kSteps,
};
constexpr uint32_t kFamilies = 23;

// As a program's list names them: "bnt_family_" and this.
constexpr const char* kFamilyNames[kFamilies] = {
    "float_conv", "depthwise", "binary_conv", "code_conv",      "bits",             "codes",        "bias",    "affine",
    "relu",       "prelu",     "hardtanh",    "hard_swish",     "add",              "max_pool",     "global_average",
    "adaptive_average", "average_pool", "sigmoid", "tanh", "softmax", "mul", "concat", "steps"};

// The families that an op of a checked file needs, one bit each.
uint32_t families_of(const OpRecord& op, const Geometry& g, const StageRecord* stages) noexcept;

}  // namespace bantam::packed

// A family has the members that its users call; the others are null.
struct bnt_family {
  bantam::packed::FamilyId id;

  // Of a convolution whose file may hold weights that its kernel must not see: are they sound?
  bool (*sound)(const bantam::packed::Reader& m, const bantam::packed::OpRecord& op,
                const bantam::packed::Geometry& g) = nullptr;
  // Of a convolution, or of another source that computes. Lays the weights out in mem; null where they are used as they
  // lie in the file, or are floats.
  void (*lay_out)(const bantam::packed::Reader& m, const bantam::packed::OpRecord& op,
                  const bantam::packed::Geometry& g, uint8_t* mem) = nullptr;
  // Its rows as floats, with the bias that begins with the block's channels, or null.
  void (*rows)(const bantam::packed::OpRun& run, const bantam::packed::Block& b, const float* bias, uint8_t* kernel,
               float* rows) = nullptr;
  // Of an integer one: its sums. The same as bits at once, or null if it does not make them.
  void (*sums)(const bantam::packed::OpRun& run, const bantam::packed::Block& b, uint8_t* kernel,
               int32_t* sums) = nullptr;
  void (*sums_to_bits)(const bantam::packed::OpRun& run, const bantam::packed::Block& b, uint8_t* kernel,
                       uint64_t* bits) = nullptr;

  // Of a kind of tensor. Its elements as floats; floats as its elements, at the output's rows.
  void (*load)(const bantam::packed::OpRun& run, const bantam::packed::Block& b, float* rows) = nullptr;
  void (*encode)(const bantam::packed::OpRun& run, const bantam::packed::Block& out, const float* x) = nullptr;
  // Sums as its elements, by thresholds: `b` is the convolution's block, `out` the task's of the output. `sums` is
  // memory for the sums, `codes` for the elements before a pool.
  void (*threshold)(const bantam::packed::OpRun& run, const bantam::packed::Block& b, const bantam::packed::Block& out,
                    int32_t* sums, uint8_t* codes, uint8_t* kernel) = nullptr;

  // Of a stage: out = stage(x), [pixels][c]; out may be x. Of a pool: `b` is the block of its rows, which x holds, and
  // `out` that of its output.
  void (*stage)(const bantam::packed::OpRun& run, const bantam::packed::StageRecord& s, const bantam::packed::Block& b,
                const float* x, float* out) = nullptr;
  void (*pool)(const bantam::packed::OpRun& run, const bantam::packed::StageRecord& s, const bantam::packed::Block& b,
               const bantam::packed::Block& out, const float* x, float* to) = nullptr;

  // Does it compute what is known by hand of a few values? Null: nothing could differ.
  bool (*sane)() = nullptr;
};

namespace bantam::packed {

constexpr FamilyId family_of(Product product) {
  switch (product) {
    case Product::kFloats:
    case Product::kSigns: return FamilyId::kFloatConv;
    case Product::kDepthwise: return FamilyId::kDepthwise;
    case Product::kXnor: return FamilyId::kBinaryConv;
    case Product::kCodes:
    case Product::kNone: break;
  }
  return FamilyId::kCodeConv;
}
constexpr FamilyId family_of(StageKind kind) {
  switch (kind) {
    case StageKind::kBias: return FamilyId::kBias;
    case StageKind::kAffine: return FamilyId::kAffine;
    case StageKind::kRelu: return FamilyId::kRelu;
    case StageKind::kPRelu: return FamilyId::kPRelu;
    case StageKind::kHardtanh: return FamilyId::kHardtanh;
    case StageKind::kAdd: return FamilyId::kAdd;
    case StageKind::kMaxPool: return FamilyId::kMaxPool;
    case StageKind::kAveragePool: return FamilyId::kAveragePool;
    case StageKind::kSigmoid: return FamilyId::kSigmoid;
    case StageKind::kTanh: return FamilyId::kTanh;
    case StageKind::kSoftmax: return FamilyId::kSoftmax;
    case StageKind::kMul: return FamilyId::kMul;
    case StageKind::kAppend: return FamilyId::kConcat;
    case StageKind::kSteps: return FamilyId::kSteps;
    case StageKind::kHardSwish: break;
  }
  return FamilyId::kHardSwish;
}

// The program's families by their number.
class FamilySet {
 public:
  FamilySet() {
    for (const bnt_family* const* f = bnt_families; *f; ++f) by_id_[uint32_t((*f)->id)] = *f;
  }
  bool has(uint32_t wanted) const {
    for (uint32_t i = 0; i < kFamilies; ++i)
      if ((wanted >> i & 1) && !by_id_[i]) return false;
    return true;
  }
  const bnt_family* find(FamilyId id) const { return by_id_[uint32_t(id)]; }
  const bnt_family& operator[](FamilyId id) const { return *by_id_[uint32_t(id)]; }

 private:
  const bnt_family* by_id_[kFamilies] = {};
};

}  // namespace bantam::packed
