// The packed model, byte for byte: what docs/packed_format.md describes, as constants and records. The packer writes
// through the same field lists that the runtime reads through, so the two cannot disagree.
//
//   header | tensors | ops | stages | classes | switches | metadata | strings | payloads (each 64-byte aligned)
//
// Everything is little-endian. The tables lie in this order without gaps: their places follow from their counts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/bytes.h"
#include "core/base/fixed_point.h"

namespace bantam::packed {

constexpr uint8_t kMagic[8] = {0x89, 'B', 'N', 'T', '\r', '\n', 0x1A, '\n'};  // survives no text-mode transfer
constexpr uint32_t kVersion = 2;
constexpr uint32_t kAlign = 64;        // of payloads, tensors in the arena, and the caller's memory
constexpr uint32_t kNone = 0xFFFFFFFFu;  // "no tensor"
constexpr uint32_t kCrcOffset = 12;    // the checksum covers every byte, this field taken as zero

// Limits. They keep every product of sizes below 2^63 and the work of checking a file proportional to its size.
constexpr uint32_t kMaxFileBytes = 1u << 30;
constexpr uint32_t kMaxArenaBytes = 1u << 30;
constexpr uint32_t kMaxSide = 1u << 14;  // height, width
constexpr uint32_t kMaxDepth = 1u << 20; // channels
constexpr uint32_t kMaxTensors = 2048;
constexpr uint32_t kMaxOps = 2048;
constexpr uint32_t kMaxStages = 12;      // of one op
constexpr uint32_t kMaxClasses = 1u << 16;
constexpr uint32_t kMaxInputChannels = 64;
constexpr uint32_t kMaxWindow = 64;      // of a pool
constexpr uint32_t kMaxKernel = 1024;    // of a convolution
constexpr uint64_t kMaxMacs = uint64_t(1) << 44;
constexpr uint32_t kMaxSwitches = 16;
constexpr uint32_t kMaxMetadata = 64;    // the user's own entries
constexpr uint32_t kMaxKeyBytes = 64;    // of such an entry, without its zero byte
constexpr uint32_t kMaxValueBytes = 1024;

enum class Type : uint8_t { kF32 = 0, kBits = 2, kCodes = 3 };  // numbers of bnt_dtype

// What a tensor's elements are. Codes are bytes: code = mul * byte + add, byte in [0, levels), value = scale * code.
struct Elements {
  Type type = Type::kF32;
  uint32_t levels = 0;
  int32_t mul = 0, add = 0;

  // The largest magnitude of a code.
  constexpr int32_t reach() const {
    if (type == Type::kBits) return 1;
    const int32_t last = mul * int32_t(levels - 1) + add, first = add < 0 ? -add : add;
    return (last < 0 ? -last : last) > first ? (last < 0 ? -last : last) : first;
  }
};

// Where the rows that an op works on come from.
enum class Source : uint8_t {
  kPixels = 0,         // the image's bytes through the input table -> f32
  kLoad = 1,           // a tensor; of bits +1 and -1, of codes scale * code
  kConv = 2,           // a convolution: how it multiplies follows from its tensor's type and its weights' form
  kGlobalAverage = 3,  // mean over h and w of an f32 tensor, in raster order
  kAdaptiveAverage = 4,  // means over windows that divide an f32 tensor's image into kh times kw
  kConcat = 5,         // channels of an f32 tensor, then of those of the kAppend stages, which come first
  kFeatures = 6,       // an f32 tensor as one pixel of h w c channels
};
constexpr uint8_t kSources = 7;

// How a convolution's weights are kept, with depth = kh kw C/groups counted (ky, kx, c) and cols = K/groups.
enum class WeightForm : uint8_t {
  kNone = 0,         // of what is no convolution
  kPanels = 1,       // per group: panels of 32 columns f32 [depth][32], the last one [depth][16] if at most 16 remain
  kDepthwise = 2,    // groups = C = K: f32 [kh][kw][round_up(C, 16)]
  kSignColumns = 3,  // per group: bits [depth][round_up(cols, 16)], bit n % 8 of byte n / 8 of a row is column n
  kSignRows = 4,     // u64 [K][kh][kw][words_for(C)]
  kCodes = 5,        // [K] rows of depth codes of weight_bits bits, least significant first, each row from a byte on
  kSignPanels = 6,   // kSignRows in panels of OpRecord::panel channels [ops/kernels/gemm_xnor.h]: used where they lie
  kCodePanels = 7,   // kCodes, a byte (reach up to 127) or two each, in panels [ops/kernels/conv_codes.h]: likewise
  kF16 = 8,          // [K] rows of depth floats of 16 bits, IEEE binary16
  kBf16 = 9,         // the same, bfloat16
};
constexpr uint8_t kWeightForms = 10;
constexpr bool is_half(WeightForm form) { return form == WeightForm::kF16 || form == WeightForm::kBf16; }

// How a convolution multiplies.
enum class Product : uint8_t {
  kNone,       // it may not: the tensor's type and the weights' form do not go together
  kFloats,     // f32 tensor * f32 weights (kPanels, kCodes, kF16, kBf16), in the canonical order
  kDepthwise,  // the same with groups = C = K
  kSigns,      // f32 tensor * 1-bit weights, in the canonical order
  kXnor,       // bits * bits, an exact integer
  kCodes,      // bits or codes * codes, an exact integer
};
constexpr Product product_of(Type in, WeightForm weights) {
  switch (weights) {
    case WeightForm::kNone: return Product::kNone;
    case WeightForm::kPanels:
    case WeightForm::kF16:
    case WeightForm::kBf16: return in == Type::kF32 ? Product::kFloats : Product::kNone;
    case WeightForm::kDepthwise: return in == Type::kF32 ? Product::kDepthwise : Product::kNone;
    case WeightForm::kSignColumns: return in == Type::kF32 ? Product::kSigns : Product::kNone;
    case WeightForm::kSignRows:
    case WeightForm::kSignPanels: return in == Type::kBits ? Product::kXnor : Product::kNone;
    case WeightForm::kCodePanels: return in == Type::kF32 ? Product::kNone : Product::kCodes;
    case WeightForm::kCodes: return in == Type::kF32 ? Product::kFloats : Product::kCodes;
  }
  return Product::kNone;  // no form: the reader refuses it
}

// What happens to the rows then, in f32, one stage after the other.
enum class StageKind : uint8_t {
  kBias = 0,       // x + a[c]
  kAffine = 1,     // fma(x, a[c], b[c]): a batch norm in evaluation
  kRelu = 2,       // x > 0 ? x : 0
  kPRelu = 3,      // x >= 0 ? x : x * a[c]
  kHardtanh = 4,   // min(max(x, -1), 1)
  kAdd = 5,        // x + tensor
  kMaxPool = 6,    // largest valid value of a window; at most one an op
  kHardSwish = 7,  // x <= -3 ? 0 : x * (min(x + 3, 6) * f32(1 / 6))
  kSigmoid = 8,    // 1 / (1 + e^-x)  [ops/kernels/math-inl.h]
  kTanh = 9,
  kSoftmax = 10,   // over the channels of each pixel
  kMul = 11,       // x * tensor, of the same size or of one pixel, which goes for all
  kAveragePool = 12,  // mean of a window, padding counted as zeros; in place of kMaxPool
  kAppend = 13,    // of kConcat: a tensor whose channels follow
  kSteps = 14,     // b[how many of a[0 .. steps) are <= x]
};
constexpr uint8_t kStageKinds = 15;
constexpr bool is_pool(StageKind kind) { return kind == StageKind::kMaxPool || kind == StageKind::kAveragePool; }

// Reads or writes the members of a record in order, through load_le / store_le.
class RecordReader {
 public:
  explicit RecordReader(const uint8_t* p) : p_(p) {}
  void u8(uint8_t& v) { v = *p_++; }
  void i8(int8_t& v) { v = int8_t(*p_++); }
  void u16(uint16_t& v) { v = load_le16(p_), p_ += 2; }
  void i16(int16_t& v) { v = int16_t(load_le16(p_)), p_ += 2; }
  void u32(uint32_t& v) { v = load_le32(p_), p_ += 4; }

 private:
  const uint8_t* p_;
};
class RecordWriter {
 public:
  explicit RecordWriter(uint8_t* p) : p_(p) {}
  void u8(uint8_t& v) { *p_++ = v; }
  void i8(int8_t& v) { *p_++ = uint8_t(v); }
  void u16(uint16_t& v) { p_[0] = uint8_t(v), p_[1] = uint8_t(v >> 8), p_ += 2; }
  void i16(int16_t& v) { p_[0] = uint8_t(v), p_[1] = uint8_t(uint16_t(v) >> 8), p_ += 2; }
  void u32(uint32_t& v) { store_le32(p_, v), p_ += 4; }

 private:
  uint8_t* p_;
};

// Offset 0 of the file. Fields that are reserved must be 0.
struct Header {
  static constexpr uint32_t kBytes = 128;
  enum At : uint32_t {
    kAtVersion = 8, kAtTotal = 16, kAtArenaBase = 20, kAtPerLane = 24, kAtTensors = 28, kAtOps = 32, kAtStages = 36,
    kAtClasses = 40, kAtSwitches = 44, kAtStrings = 48, kAtH = 52, kAtW = 56, kAtC = 60, kAtLut = 64, kAtOutput = 68,
    kAtSelfTest = 72, kAtMetadata = 76, kAtReserved = 80,
  };
  uint32_t magic[2] = {};
  uint32_t version = 0;         // 8
  uint32_t crc = 0;             // 12
  uint32_t total_bytes = 0;     // 16: of the file
  uint32_t arena_base = 0;      // 20
  uint32_t arena_per_lane = 0;  // 24
  uint32_t n_tensors = 0;       // 28
  uint32_t n_ops = 0;           // 32
  uint32_t n_stages = 0;        // 36
  uint32_t n_classes = 0;       // 40
  uint32_t n_switches = 0;      // 44
  uint32_t strings_bytes = 0;   // 48: names, each ending in a zero byte
  uint32_t h = 0, w = 0, c = 0; // 52, 56, 60: of the image
  uint32_t lut = 0;             // 64: payload f32 [c][256]
  uint32_t output = 0;          // 68: tensor of the scores, of the first switch
  uint32_t self_test = 0;       // 72: payload u8 [h][w][c], then (4-byte aligned) f32 [switches][classes]; or 0
  uint32_t n_metadata = 0;      // 76: the user's own entries
  uint32_t reserved[12] = {};   // 80

  template <class IO> void fields(IO&& io) {
    io.u32(magic[0]), io.u32(magic[1]), io.u32(version), io.u32(crc), io.u32(total_bytes);
    io.u32(arena_base), io.u32(arena_per_lane), io.u32(n_tensors), io.u32(n_ops), io.u32(n_stages);
    io.u32(n_classes), io.u32(n_switches), io.u32(strings_bytes), io.u32(h), io.u32(w), io.u32(c);
    io.u32(lut), io.u32(output), io.u32(self_test), io.u32(n_metadata);
    for (uint32_t& r : reserved) io.u32(r);
  }
};

struct TensorRecord {
  static constexpr uint32_t kBytes = 48;
  enum At : uint32_t {
    kAtName = 0, kAtType = 4, kAtMul = 5, kAtTop = 6, kAtFlags = 7, kAtH = 8, kAtW = 12, kAtC = 16, kAtArena = 20,
    kAtAdd = 24, kAtReserved = 26, kAtScale = 28, kAtFactor = 32, kAtReserved2 = 36
  };
  // Codes' first byte above 0 is the least that a value above 0 becomes (flag of kCodes).
  static constexpr uint8_t kFirstAboveZero = 1;
  uint32_t name = 0;             // 0: offset in the strings
  uint8_t type = 0;              // 4: Type
  uint8_t mul = 0, top = 0;      // 5, 6: of kCodes: code = mul * byte + add, byte at most top; else 0, and so the next
  uint8_t flags = 0;             // 7
  uint32_t h = 0, w = 0, c = 0;  // 8, 12, 16
  uint32_t arena = 0;            // 20: offset in the arena
  int16_t add = 0;               // 24
  uint16_t reserved = 0;         // 26
  uint32_t scale = 0;            // 28: f32: value = scale * code
  uint32_t factor = 0;           // 32: f32: a value x becomes byte clamp(round(x factor), add, add + top) - add
  uint32_t reserved2[3] = {};    // 36

  template <class IO> void fields(IO&& io) {
    io.u32(name), io.u8(type), io.u8(mul), io.u8(top), io.u8(flags), io.u32(h), io.u32(w), io.u32(c), io.u32(arena);
    io.i16(add), io.u16(reserved), io.u32(scale), io.u32(factor);
    for (uint32_t& r : reserved2) io.u32(r);
  }
  Elements elements() const {
    return {Type(type), Type(type) == Type::kCodes ? uint32_t(top) + 1 : 0, int32_t(mul), int32_t(add)};
  }
  uint64_t pixel_bytes() const {
    switch (Type(type)) {
      case Type::kF32: return uint64_t(c) * 4;
      case Type::kBits: return words_for(c) * uint64_t(8);
      case Type::kCodes: return c;
    }
    return 0;  // no type: the reader refuses it
  }
  uint64_t bytes() const { return uint64_t(h) * w * pixel_bytes(); }
};

// rows = source(in); rows = stage(rows) ...; out_f32 = rows; out_codes = sign(rows), or codes of rows.
// Bits: 1 is +1, pad bits are 0. Columns that fill up a panel are 0.
// With thresholds (an integer product, out_codes alone, no stage but a pool) codes follow from the sums:
//   bits   bit = (lo <= sum && sum <= hi) ^ flip; with a pool, the OR of its window's bits, then ^ after (so that flip
//          and after together make an AND)
//   codes  byte = how many t[1 .. top] <= sum, or <= -sum where the channel falls; with a pool, the largest or, where
//          the channel takes the least, the least of its window's bytes
struct OpRecord {
  static constexpr uint32_t kBytes = 80;
  enum At : uint32_t {
    kAtName = 0, kAtSource = 4, kAtPadValue = 5, kAtGroups = 6, kAtIn = 8, kAtOutF32 = 12, kAtOutCodes = 16, kAtK = 20,
    kAtKernel = 24, kAtStride = 28, kAtPad = 32, kAtDilation = 36, kAtWeights = 40, kAtThresholds = 44,
    kAtFirstStage = 48, kAtStages = 52, kAtBand = 56, kAtWeightForm = 60, kAtWeightBits = 61, kAtWeightMul = 62,
    kAtWeightTop = 63, kAtWeightAdd = 64, kAtPart = 66, kAtTable = 68, kAtScales = 72, kAtPanel = 76,
  };
  uint32_t name = 0;                      // 0: offset in the strings
  uint8_t source = 0;                     // 4: Source
  int8_t pad_value = 0;                   // 5: of integer products: 0, +1, -1, a code
  uint16_t groups = 0;                    // 6: convolutions: 1 and more; else 0
  uint32_t in = kNone;                    // 8: tensor; kNone for kPixels
  uint32_t out_f32 = kNone;               // 12: tensor, or kNone
  uint32_t out_codes = kNone;             // 16: tensor of bits or codes, or kNone
  uint32_t k = 0;                         // 20: output channels of a convolution; else 0
  uint16_t kh = 0, kw = 0;                // 24, 26: convolutions; the size of kAdaptiveAverage; else 0
  uint16_t stride_h = 0, stride_w = 0;    // 28, 30: convolutions; else 0, and so the next
  uint16_t pad_h = 0, pad_w = 0;          // 32, 34
  uint16_t dilation_h = 0, dilation_w = 0;// 36, 38
  uint32_t weights = 0;                   // 40: payload, above
  uint32_t thresholds = 0;                // 44: payload, below; or 0
  uint32_t first_stage = 0;               // 48: stages of the ops follow one another in the table
  uint32_t n_stages = 0;                  // 52
  uint32_t band = 0;                      // 56: output rows of a task
  uint8_t weight_form = 0;                // 60: WeightForm
  uint8_t weight_bits = 0;                // 61: of kCodes, kCodePanels: 1 to 8; else 0, and so the next three
  uint8_t weight_mul = 0;                 // 62: code = weight_mul * number + weight_add
  uint8_t weight_top = 0;                 // 63: the largest number
  int16_t weight_add = 0;                 // 64
  uint16_t part = 0;                      // 66: output channels of a task in words of 64; or 0: all
  uint32_t table = 0;                     // 68: of kCodes on floats: payload f32 [2^weight_bits] of values; or 0
  uint32_t scales = 0;                    // 72: likewise: payload f32 [K][C/groups], what each kernel is times; or 0
  uint32_t panel = 0;                     // 76: of kSignPanels: output channels of a panel; else 0

  template <class IO> void fields(IO&& io) {
    io.u32(name), io.u8(source), io.i8(pad_value), io.u16(groups), io.u32(in), io.u32(out_f32), io.u32(out_codes);
    io.u32(k), io.u16(kh), io.u16(kw), io.u16(stride_h), io.u16(stride_w), io.u16(pad_h), io.u16(pad_w);
    io.u16(dilation_h), io.u16(dilation_w), io.u32(weights), io.u32(thresholds), io.u32(first_stage);
    io.u32(n_stages), io.u32(band), io.u8(weight_form), io.u8(weight_bits), io.u8(weight_mul), io.u8(weight_top);
    io.i16(weight_add), io.u16(part), io.u32(table), io.u32(scales), io.u32(panel);
  }
  bool is_conv() const { return Source(source) == Source::kConv; }
  Product product(Type in_type) const {
    return is_conv() ? product_of(in_type, WeightForm(weight_form)) : Product::kNone;
  }
  Elements weight_codes() const {
    return {Type::kCodes, uint32_t(weight_top) + 1, int32_t(weight_mul), int32_t(weight_add)};
  }
};
constexpr bool is_integer(Product p) { return p == Product::kXnor || p == Product::kCodes; }

struct StageRecord {
  static constexpr uint32_t kBytes = 32;
  enum At : uint32_t {
    kAtKind = 0, kAtWindow = 1, kAtSteps = 7, kAtA = 8, kAtB = 12, kAtTensor = 16, kAtC = 20, kAtReserved2 = 24
  };
  uint8_t kind = 0;                                            // 0: StageKind
  uint8_t kh = 0, kw = 0, sh = 0, sw = 0, ph = 0, pw = 0;      // 1..6: pools; else 0
  uint8_t steps = 0;                                           // 7: of kSteps: thresholds; else 0
  uint32_t a = 0, b = 0;                                       // 8, 12: payloads f32 [channels], or 0; of kSteps
                                                               // ascending thresholds [steps], values [steps + 1]
  uint32_t tensor = kNone;                                     // 16: of kAdd, kMul, kAppend
  uint32_t c = 0;                                              // 20: of kAppend: the tensor's channels; else 0
  uint32_t reserved2[2] = {};                                  // 24

  template <class IO> void fields(IO&& io) {
    io.u8(kind), io.u8(kh), io.u8(kw), io.u8(sh), io.u8(sw), io.u8(ph), io.u8(pw), io.u8(steps);
    io.u32(a), io.u32(b), io.u32(tensor), io.u32(c);
    for (uint32_t& r : reserved2) io.u32(r);
  }
};

// One operating point: a run of the ops, which follows that of the switch before it, the tensor that holds its scores,
// and how much of the arena it needs. Ops of several switches may name the same payloads.
struct SwitchRecord {
  static constexpr uint32_t kBytes = 48;
  enum At : uint32_t {
    kAtWidth = 0, kAtFirstOp = 12, kAtOps = 16, kAtOutput = 20, kAtArenaBase = 24, kAtPerLane = 28, kAtReserved = 32
  };
  uint32_t width_permille = 1000, weight_bits = 0, act_bits = 0;
  uint32_t first_op = 0, n_ops = 0, output = 0;
  uint32_t arena_base = 0, arena_per_lane = 0;
  uint32_t reserved[4] = {};

  template <class IO> void fields(IO&& io) {
    io.u32(width_permille), io.u32(weight_bits), io.u32(act_bits), io.u32(first_op), io.u32(n_ops), io.u32(output);
    io.u32(arena_base), io.u32(arena_per_lane);
    for (uint32_t& r : reserved) io.u32(r);
  }
};

// A payload of thresholds for k channels. Of bits: i32 lo[k], i32 hi[k], then u64 flip[words_for(k)], then, if the op
// has a pool, u64 after[words_for(k)]. Of codes: i32 t[top][k], padded to 8 bytes, then u64 falls[words_for(k)], then,
// if the op has a pool, u64 takes_least[words_for(k)].
constexpr uint64_t threshold_masks(uint64_t k, const Elements& out) {  // where the words start
  const uint64_t numbers = out.type == Type::kCodes ? out.levels - 1 : 2;
  return (numbers * k * 4 + 7) / 8 * 8;
}

// What the user wrote into the file: a key and its value, offsets in the strings. Keys ascend, byte by byte.
struct MetadataRecord {
  static constexpr uint32_t kBytes = 8;
  enum At : uint32_t { kAtKey = 0, kAtValue = 4 };
  uint32_t key = 0, value = 0;

  template <class IO> void fields(IO&& io) { io.u32(key), io.u32(value); }
};

constexpr uint32_t kClassBytes = 4;  // a class: the offset of its name in the strings

template <class Record> Record read_record(const uint8_t* p) {
  Record r;
  r.fields(RecordReader(p));
  return r;
}
template <class Record> void write_record(Record r, uint8_t* p) { r.fields(RecordWriter(p)); }

// Places of the tables. 64-bit: counts come from the file.
struct Places {
  uint64_t tensors, ops, stages, classes, switches, metadata, strings, payloads;
};
inline Places places_of(const Header& h) {
  Places p;
  p.tensors = Header::kBytes;
  p.ops = p.tensors + uint64_t(h.n_tensors) * TensorRecord::kBytes;
  p.stages = p.ops + uint64_t(h.n_ops) * OpRecord::kBytes;
  p.classes = p.stages + uint64_t(h.n_stages) * StageRecord::kBytes;
  p.switches = p.classes + uint64_t(h.n_classes) * kClassBytes;
  p.metadata = p.switches + uint64_t(h.n_switches) * SwitchRecord::kBytes;
  p.strings = p.metadata + uint64_t(h.n_metadata) * MetadataRecord::kBytes;
  p.payloads = (p.strings + h.strings_bytes + kAlign - 1) / kAlign * kAlign;
  return p;
}

}  // namespace bantam::packed
