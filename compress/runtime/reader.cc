#include "compress/runtime/reader.h"

#include <cstring>

#include "compress/runtime/metadata.h"
#include "core/base/crc32.h"
#include "compress/runtime/families.h"

namespace bantam::packed {
namespace {

// One bit a tensor.
struct TensorSet {
  uint64_t bits[kMaxTensors / 64] = {};
  bool has(uint32_t i) const { return bits[i / 64] >> (i % 64) & 1; }
  void add(uint32_t i) { bits[i / 64] |= uint64_t(1) << (i % 64); }
  void remove(uint32_t i) { bits[i / 64] &= ~(uint64_t(1) << (i % 64)); }
};

bool overlap(const TensorRecord& a, const TensorRecord& b) {
  return a.arena < b.arena + b.bytes() && b.arena < a.arena + a.bytes();
}

bool is_type(uint8_t type) {
  switch (Type(type)) {
    case Type::kF32:
    case Type::kBits:
    case Type::kCodes: return true;
  }
  return false;
}

// Bytes before a text's zero byte, or `most` if there are more. A file's strings end in one.
size_t length(const char* text, size_t most) {
  size_t n = 0;
  while (n < most && text[n]) ++n;
  return n;
}
bool before(const char* a, size_t a_size, const char* b, size_t b_size) {
  const int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
  return order < 0 || (order == 0 && a_size < b_size);
}

// Checks the parts of a file in the order of their tables. Each check returns true, or sets the failure and returns
// false.
class Checker {
 public:
  explicit Checker(const Reader& m) : m_(m), h_(m.header()), p_(places_of(m.header())) {}

  bool all(bnt_info* info) {
    if (!limits() || !strings() || !tensors() || !classes() || !switches() || !metadata() || !inputs()) return false;
    if (!ops() || !outputs()) return false;
    info->model_bytes = uint32_t(model_bytes_);
    info->arena_base = h_.arena_base;
    info->arena_per_lane = h_.arena_per_lane;
    info->align = kAlign;
    info->h = h_.h, info->w = h_.w, info->c = h_.c;
    info->classes = h_.n_classes;
    info->switches = h_.n_switches;
    info->ops = h_.n_ops;
    info->macs = most_macs_;
    return true;
  }

  bnt_status status = BNT_OK;
  bnt_where where = {BNT_NO_OP, 0};

 private:
  bool fail(uint64_t offset, bnt_status s = BNT_MALFORMED) {
    status = s;
    where = {op_, uint32_t(offset)};
    return false;
  }

  bool limits() {
    for (uint32_t i = 0; i < sizeof h_.reserved / 4; ++i)
      if (h_.reserved[i]) return fail(Header::kAtReserved + 4 * i);
    if (h_.n_tensors == 0) return fail(Header::kAtTensors);
    if (h_.n_tensors > kMaxTensors) return fail(Header::kAtTensors, BNT_TOO_LARGE);
    if (h_.n_ops == 0) return fail(Header::kAtOps);
    if (h_.n_ops > kMaxOps) return fail(Header::kAtOps, BNT_TOO_LARGE);
    if (h_.n_stages > kMaxOps * kMaxStages) return fail(Header::kAtStages, BNT_TOO_LARGE);
    if (h_.n_classes == 0) return fail(Header::kAtClasses);
    if (h_.n_classes > kMaxClasses) return fail(Header::kAtClasses, BNT_TOO_LARGE);
    if (h_.n_switches == 0) return fail(Header::kAtSwitches);
    if (h_.n_switches > kMaxSwitches) return fail(Header::kAtSwitches, BNT_TOO_LARGE);
    if (h_.arena_base > kMaxArenaBytes || h_.arena_base % kAlign) return fail(Header::kAtArenaBase);
    if (h_.arena_per_lane > kMaxArenaBytes || h_.arena_per_lane % kAlign) return fail(Header::kAtPerLane);
    if (h_.n_metadata > kMaxMetadata) return fail(Header::kAtMetadata, BNT_TOO_LARGE);
    if (p_.payloads > m_.size()) return fail(Header::kAtStrings);
    if (h_.h == 0 || h_.h > kMaxSide) return fail(Header::kAtH);
    if (h_.w == 0 || h_.w > kMaxSide) return fail(Header::kAtW);
    if (h_.c == 0 || h_.c > kMaxInputChannels) return fail(Header::kAtC);
    return true;
  }

  // Printable bytes (UTF-8 passes; control characters would reach terminals), and a zero byte at the very end.
  bool strings() {
    const uint8_t* s = m_.file() + p_.strings;
    for (uint32_t i = 0; i < h_.strings_bytes; ++i)
      if ((s[i] < 0x20 && s[i] != 0) || s[i] == 0x7F) return fail(p_.strings + i);
    if (h_.strings_bytes == 0 || s[h_.strings_bytes - 1] != 0) return fail(Header::kAtStrings);
    return true;
  }

  bool tensors() {
    for (uint32_t i = 0; i < h_.n_tensors; ++i) {
      const uint64_t at = p_.tensors + uint64_t(i) * TensorRecord::kBytes;
      const TensorRecord t = m_.tensor(i);
      if (t.name >= h_.strings_bytes) return fail(at + TensorRecord::kAtName);
      if (!is_type(t.type)) return fail(at + TensorRecord::kAtType);
      if (!codes(at, t)) return false;
      if (t.reserved) return fail(at + TensorRecord::kAtReserved);
      if (t.reserved2[0] || t.reserved2[1] || t.reserved2[2]) return fail(at + TensorRecord::kAtReserved2);
      if (t.h == 0 || t.h > kMaxSide) return fail(at + TensorRecord::kAtH);
      if (t.w == 0 || t.w > kMaxSide) return fail(at + TensorRecord::kAtW);
      if (t.c == 0 || t.c > kMaxDepth) return fail(at + TensorRecord::kAtC);
      if (t.arena % kAlign || t.arena + t.bytes() > h_.arena_base) return fail(at + TensorRecord::kAtArena);
    }
    return true;
  }

  // What only codes have: numbers whose products fit, and a scale and a factor that are finite and above 0.
  bool codes(uint64_t at, const TensorRecord& t) {
    if (Type(t.type) != Type::kCodes) {
      if (t.mul) return fail(at + TensorRecord::kAtMul);
      if (t.top) return fail(at + TensorRecord::kAtTop);
      if (t.flags) return fail(at + TensorRecord::kAtFlags);
      if (t.add) return fail(at + TensorRecord::kAtAdd);
      if (t.scale) return fail(at + TensorRecord::kAtScale);
      return t.factor == 0 || fail(at + TensorRecord::kAtFactor);
    }
    const auto positive = [](uint32_t bits) { return bits - 1 < 0x7F800000u - 1; };  // above +0, below infinity
    if (t.mul != 1 && t.mul != 2) return fail(at + TensorRecord::kAtMul);
    if (t.top == 0) return fail(at + TensorRecord::kAtTop);
    if (t.flags > TensorRecord::kFirstAboveZero) return fail(at + TensorRecord::kAtFlags);
    if (t.add < -kMaxCode || t.elements().reach() > kMaxCode) return fail(at + TensorRecord::kAtAdd);
    if (!positive(t.scale)) return fail(at + TensorRecord::kAtScale);
    return positive(t.factor) || fail(at + TensorRecord::kAtFactor);
  }

  bool classes() {
    for (uint32_t i = 0; i < h_.n_classes; ++i) {
      const uint64_t at = p_.classes + uint64_t(i) * kClassBytes;
      if (load_le32(m_.file() + at) >= h_.strings_bytes) return fail(at);
    }
    return true;
  }

  uint64_t switch_offset(uint32_t i) const { return p_.switches + uint64_t(i) * SwitchRecord::kBytes; }

  // Their ops follow one another, from the first to the last; the header has what the most demanding one needs.
  bool switches() {
    uint32_t seen = 0, base = 0, per_lane = 0;
    for (uint32_t i = 0; i < h_.n_switches; ++i) {
      const uint64_t at = switch_offset(i);
      const SwitchRecord s = m_.switch_at(i);
      if (s.width_permille == 0 || s.width_permille > 1000) return fail(at);
      if (s.first_op != seen) return fail(at + SwitchRecord::kAtFirstOp);
      if (s.n_ops == 0 || s.n_ops > h_.n_ops - seen) return fail(at + SwitchRecord::kAtOps);
      seen += s.n_ops;
      for (uint32_t j = 0; j < 4; ++j)
        if (s.reserved[j]) return fail(at + SwitchRecord::kAtReserved + 4 * j);
      base = s.arena_base > base ? s.arena_base : base;
      per_lane = s.arena_per_lane > per_lane ? s.arena_per_lane : per_lane;
    }
    if (seen != h_.n_ops) return fail(switch_offset(h_.n_switches - 1) + SwitchRecord::kAtOps);
    if (m_.switch_at(0).output != h_.output) return fail(p_.switches + SwitchRecord::kAtOutput);
    if (base != h_.arena_base) return fail(Header::kAtArenaBase);
    return per_lane == h_.arena_per_lane || fail(Header::kAtPerLane);
  }

  // Keys ascend, so that none is there twice. What is too long is not read to its end.
  bool metadata() {
    const char* last = nullptr;
    size_t last_size = 0;
    for (uint32_t i = 0; i < h_.n_metadata; ++i) {
      const uint64_t at = p_.metadata + uint64_t(i) * MetadataRecord::kBytes;
      const MetadataRecord r = m_.metadata(i);
      if (r.key >= h_.strings_bytes) return fail(at + MetadataRecord::kAtKey);
      if (r.value >= h_.strings_bytes) return fail(at + MetadataRecord::kAtValue);
      const char* key = m_.string(r.key);
      const char* value = m_.string(r.value);
      const size_t key_size = length(key, kMaxKeyBytes + 1);
      if (!is_metadata_key(key, key_size)) return fail(at + MetadataRecord::kAtKey);
      if (!is_metadata_value(value, length(value, kMaxValueBytes + 1))) return fail(at + MetadataRecord::kAtValue);
      if (last && !before(last, last_size, key, key_size)) return fail(at + MetadataRecord::kAtKey);
      last = key, last_size = key_size;
    }
    return true;
  }

  bool payload(uint64_t field, uint64_t offset, uint64_t bytes) {
    return (offset % kAlign == 0 && offset >= p_.payloads && offset + bytes <= m_.size()) || fail(field);
  }

  bool inputs() {
    if (!payload(Header::kAtLut, h_.lut, uint64_t(h_.c) * 256 * 4)) return false;
    if (h_.self_test == 0) return true;
    const uint64_t image = uint64_t(h_.h) * h_.w * h_.c;
    return payload(Header::kAtSelfTest, h_.self_test, (image + 3) / 4 * 4 + uint64_t(h_.n_switches) * h_.n_classes * 4);
  }

  // Words [rows][words_for(c)] in the file whose pad bits must be 0.
  bool pad_bits(uint64_t field, uint64_t offset, uint64_t rows, uint64_t c) {
    if (c % 64 == 0) return true;
    const uint64_t words = words_for(c);
    for (uint64_t r = 0; r < rows; ++r)
      if (load_le64(m_.file() + offset + ((r + 1) * words - 1) * 8) >> (c % 64)) return fail(field);
    return true;
  }

  // Rows of numbers, none above the largest, with pad bits of 0 in the last byte.
  bool numbers(uint64_t field, const OpRecord& op, uint64_t depth) {
    const uint64_t bits = depth * op.weight_bits, row = (bits + 7) / 8;
    for (uint64_t k = 0; k < op.k; ++k) {
      const uint8_t* p = m_.file() + op.weights + k * row;
      if (bits % 8 && p[row - 1] >> (bits % 8)) return fail(field);
      for (uint64_t i = 0; op.weight_top + 1u < 1u << op.weight_bits && i < depth; ++i)
        if (packed_number(p, int64_t(i), op.weight_bits) > int32_t(op.weight_top)) return fail(field);
    }
    return true;
  }

  // Pad bits of each channel's words, and words of channels that do not exist, are 0.
  bool sign_panels(uint64_t field, const OpRecord& op, const Geometry& g) {
    const uint64_t* w = m_.payload<uint64_t>(op.weights);
    const uint64_t words = words_for(g.in_c), steps = uint64_t(op.kh) * op.kw * words, width = op.panel;
    const uint64_t pads = g.in_c % kWordBits ? ~uint64_t(0) << (g.in_c % kWordBits) : 0;
    for (uint64_t k = 0; k < round_up(op.k, 16); ++k)
      for (uint64_t i = 0; i < steps; ++i) {
        const uint64_t word = w[k / width * width * steps + i * width + k % width];
        if (word & (k >= op.k ? ~uint64_t(0) : i % words + 1 == words ? pads : 0)) return fail(field);
      }
    return true;
  }

  // A tensor that the op reads: computed by an earlier op, and nothing has been written over it since.
  bool readable(uint64_t field, uint32_t i) { return (i < h_.n_tensors && valid_.has(i)) || fail(field); }
  bool readable(uint64_t field, uint32_t i, Type type) {
    return readable(field, i) && (Type(m_.tensor(i).type) == type || fail(field));
  }

  // Of one switch after the other: none reads what another has made.
  bool ops() {
    uint32_t stages_seen = 0;
    for (uint32_t i = 0; i < h_.n_switches; ++i) {
      const SwitchRecord s = m_.switch_at(i);
      valid_ = {};
      base_ = per_lane_ = 0;
      const uint64_t before = macs_;
      if (!ops_of(s, &stages_seen)) return false;
      most_macs_ = macs_ - before > most_macs_ ? macs_ - before : most_macs_;
      if (!scores(switch_offset(i), s)) return false;
    }
    return stages_seen == h_.n_stages || fail(Header::kAtStages);
  }

  bool ops_of(const SwitchRecord& s, uint32_t* seen) {
    uint32_t& stages_seen = *seen;
    for (op_ = s.first_op; op_ < s.first_op + s.n_ops; ++op_) {
      const uint64_t at = p_.ops + uint64_t(op_) * OpRecord::kBytes;
      const OpRecord op = m_.op(op_);
      if (op.name >= h_.strings_bytes) return fail(at + OpRecord::kAtName);
      if (op.source >= kSources) return fail(at + OpRecord::kAtSource);
      const Source source = Source(op.source);
      if (source == Source::kPixels) {
        if (op.in != kNone) return fail(at + OpRecord::kAtIn);
      } else if (!readable(at + OpRecord::kAtIn, op.in)) {
        return false;
      } else if (source != Source::kLoad && source != Source::kConv && Type(m_.tensor(op.in).type) != Type::kF32) {
        return fail(at + OpRecord::kAtIn);
      }
      if (op.out_codes != kNone && op.out_codes >= h_.n_tensors) return fail(at + OpRecord::kAtOutCodes);
      if (op.n_stages > kMaxStages) return fail(at + OpRecord::kAtStages);
      if (op.first_stage != stages_seen || op.n_stages > h_.n_stages - stages_seen)
        return fail(at + OpRecord::kAtFirstStage);
      stages_seen += op.n_stages;

      StageRecord stages[kMaxStages];
      for (uint32_t i = 0; i < op.n_stages; ++i) stages[i] = m_.stage(op.first_stage + i);
      Geometry g;
      Fault fault;
      if (!derive(op, m_.input_dims(op), m_.output_elements(op), stages, &g, &fault))
        return fail(fault.stage < 0 ? at + fault.at : stage_at(op, fault.stage) + fault.at);
      if (!weights(at, op, g) || !stage_operands(op, stages, g) || !results(at, op, stages, g)) return false;

      per_lane_ = g.scratch_bytes > per_lane_ ? g.scratch_bytes : per_lane_;
      model_bytes_ += aligned(g.model_bytes);
      macs_ += g.macs;
      if (macs_ > kMaxMacs || model_bytes_ > kMaxArenaBytes) return fail(at + OpRecord::kAtK, BNT_TOO_LARGE);
    }
    op_ = BNT_NO_OP;
    return true;
  }

  // Where a switch's scores are, and that its memory is exact: not a byte to spare.
  bool scores(uint64_t at, const SwitchRecord& s) {
    if (!readable(at + SwitchRecord::kAtOutput, s.output, Type::kF32)) return false;
    const TensorRecord t = m_.tensor(s.output);
    if (uint64_t(t.h) * t.w * t.c != h_.n_classes) return fail(at + SwitchRecord::kAtOutput);
    if (s.arena_base != base_) return fail(at + SwitchRecord::kAtArenaBase);
    return s.arena_per_lane == per_lane_ || fail(at + SwitchRecord::kAtPerLane);
  }

  uint64_t stage_at(const OpRecord& op, int i) const {
    return p_.stages + (uint64_t(op.first_stage) + uint64_t(i)) * StageRecord::kBytes;
  }

  bool weights(uint64_t at, const OpRecord& op, const Geometry& g) {
    if (!op.is_conv()) return true;
    if (!payload(at + OpRecord::kAtWeights, op.weights, g.weight_bytes)) return false;
    const uint64_t depth = uint64_t(op.kh) * op.kw * (g.in_c / op.groups);
    switch (WeightForm(op.weight_form)) {
      case WeightForm::kSignRows:
        if (!pad_bits(at + OpRecord::kAtWeights, op.weights, uint64_t(op.k) * op.kh * op.kw, g.in_c)) return false;
        break;
      case WeightForm::kSignPanels:
        if (!sign_panels(at + OpRecord::kAtWeights, op, g)) return false;
        break;
      case WeightForm::kCodePanels:
        // A program without this family cannot load the file.
        if (const bnt_family* f = families_.find(FamilyId::kCodeConv); f && !f->sound(m_, op, g))
          return fail(at + OpRecord::kAtWeights);
        break;
      case WeightForm::kCodes:
        if (!numbers(at + OpRecord::kAtWeights, op, depth)) return false;
        if (op.table && !payload(at + OpRecord::kAtTable, op.table, uint64_t(4) << op.weight_bits)) return false;
        if (op.scales && !payload(at + OpRecord::kAtScales, op.scales, uint64_t(op.k) * (g.in_c / op.groups) * 4))
          return false;
        break;
      case WeightForm::kNone:
      case WeightForm::kPanels:
      case WeightForm::kDepthwise:
      case WeightForm::kSignColumns:
      case WeightForm::kF16:
      case WeightForm::kBf16: break;
    }
    if (!op.thresholds) return true;
    const uint64_t masks = g.pool >= 0 ? 2 : 1, start = threshold_masks(op.k, g.out);
    if (!payload(at + OpRecord::kAtThresholds, op.thresholds, start + masks * words_for(op.k) * 8)) return false;
    return pad_bits(at + OpRecord::kAtThresholds, uint64_t(op.thresholds) + start, masks, op.k);
  }

  // Numbers f32 [n] none of which is less than the one before, or NaN.
  bool ascending(uint64_t field, uint32_t offset, uint32_t n) {
    float before = 0;
    for (uint32_t i = 0; i < n; ++i) {
      const uint32_t bits = load_le32(m_.file() + offset + 4 * i);
      float v;
      memcpy(&v, &bits, 4);
      if (i == 0) before = v;
      if (!(v >= before)) return fail(field);
      before = v;
    }
    return true;
  }

  bool stage_operands(const OpRecord& op, const StageRecord* stages, const Geometry& g) {
    for (int i = 0; i < int(op.n_stages); ++i) {
      const StageRecord& s = stages[i];
      const uint64_t of_a = s.steps ? s.steps : g.c, of_b = s.steps ? s.steps + 1u : g.c;
      if (s.a && !payload(stage_at(op, i) + StageRecord::kAtA, s.a, of_a * 4)) return false;
      if (s.b && !payload(stage_at(op, i) + StageRecord::kAtB, s.b, of_b * 4)) return false;
      if (s.steps && !ascending(stage_at(op, i) + StageRecord::kAtA, s.a, s.steps)) return false;
      if (s.tensor == kNone) continue;
      if (!readable(stage_at(op, i) + StageRecord::kAtTensor, s.tensor, Type::kF32)) return false;
      const TensorRecord t = m_.tensor(s.tensor);
      const bool after = g.pool >= 0 && i > g.pool;
      const uint64_t h = after ? g.out_h : g.h, w = after ? g.out_w : g.w;
      const bool one_pixel = StageKind(s.kind) == StageKind::kMul && t.h == 1 && t.w == 1;
      if (!one_pixel && (t.h != h || t.w != w)) return fail(stage_at(op, i) + StageRecord::kAtTensor);
      if (t.c != (StageKind(s.kind) == StageKind::kAppend ? s.c : g.c))
        return fail(stage_at(op, i) + StageRecord::kAtTensor);
    }
    return true;
  }

  // The tensors that an op makes: each is made once, has the op's dims, and lies apart from what the op reads.
  bool results(uint64_t at, const OpRecord& op, const StageRecord* stages, const Geometry& g) {
    const uint32_t out[2] = {op.out_f32, op.out_codes};
    for (int i = 0; i < 2; ++i) {
      if (out[i] == kNone) continue;
      const uint64_t field = at + (i == 0 ? OpRecord::kAtOutF32 : OpRecord::kAtOutCodes);
      if (out[i] >= h_.n_tensors || made_.has(out[i])) return fail(field);
      const TensorRecord t = m_.tensor(out[i]);
      if ((Type(t.type) == Type::kF32) != (i == 0)) return fail(field);
      if (t.h != g.out_h || t.w != g.out_w || t.c != g.c) return fail(field);
      if (op.in != kNone && overlap(t, m_.tensor(op.in))) return fail(field);
      for (uint32_t s = 0; s < op.n_stages; ++s)
        if (stages[s].tensor != kNone && overlap(t, m_.tensor(stages[s].tensor))) return fail(field);
      if (i == 1 && out[0] != kNone && overlap(t, m_.tensor(out[0]))) return fail(field);
    }
    for (int i = 0; i < 2; ++i) {
      if (out[i] == kNone) continue;
      const TensorRecord t = m_.tensor(out[i]);
      for (uint32_t j = 0; j < h_.n_tensors; ++j)
        if (valid_.has(j) && overlap(t, m_.tensor(j))) valid_.remove(j);  // written over: nobody may read it any more
    }
    for (int i = 0; i < 2; ++i) {
      if (out[i] == kNone) continue;
      valid_.add(out[i]), made_.add(out[i]);
      const TensorRecord t = m_.tensor(out[i]);
      const uint64_t end = aligned(t.arena + t.bytes());
      base_ = end > base_ ? end : base_;
    }
    return true;
  }

  bool outputs() {
    for (uint32_t i = 0; i < h_.n_tensors; ++i)
      if (!made_.has(i)) return fail(p_.tensors + uint64_t(i) * TensorRecord::kBytes);
    return true;
  }

  const FamilySet families_ = {};
  const Reader& m_;
  const Header& h_;
  const Places p_;
  uint32_t op_ = BNT_NO_OP;
  TensorSet valid_, made_;
  uint64_t base_ = 0, per_lane_ = 0;  // that the switch in hand needs
  uint64_t model_bytes_ = 0, macs_ = 0, most_macs_ = 0;
};

}  // namespace

Reader::Reader(const uint8_t* file, size_t size) : file_(file), size_(size) {
  if (size < Header::kBytes) return;
  header_ = read_record<Header>(file);
  places_ = places_of(header_);
}

uint32_t checksum(const uint8_t* file, size_t size) noexcept {
  static constexpr uint8_t kZero[4] = {};
  uint32_t crc = crc32(file, kCrcOffset);
  crc = crc32(kZero, 4, crc);
  return crc32(file + kCrcOffset + 4, size - kCrcOffset - 4, crc);
}

bnt_status Reader::check(bnt_info* info, bnt_where* where) const noexcept {
  bnt_where w = {BNT_NO_OP, 0};
  bnt_status s = BNT_OK;
  const size_t start = size_ < sizeof kMagic ? size_ : sizeof kMagic;
  if (memcmp(file_, kMagic, start) != 0 || size_ == 0) {
    s = BNT_NOT_A_MODEL;
  } else if (size_ < Header::kBytes) {
    s = BNT_BAD_SIZE, w.offset = uint32_t(size_);
  } else if (header_.version != kVersion) {
    s = BNT_BAD_VERSION, w.offset = Header::kAtVersion;
  } else if (header_.total_bytes != size_) {
    s = BNT_BAD_SIZE, w.offset = Header::kAtTotal;
  } else if (size_ > kMaxFileBytes) {
    s = BNT_TOO_LARGE, w.offset = Header::kAtTotal;
  } else if (checksum(file_, size_) != header_.crc) {
    s = BNT_BAD_CHECKSUM, w.offset = kCrcOffset;
  } else {
    Checker c(*this);
    if (!c.all(info)) s = c.status, w = c.where;
  }
  if (where) *where = w;
  return s;
}

Geometry Reader::geometry(const OpRecord& op, StageRecord* stages) const {
  for (uint32_t i = 0; i < op.n_stages; ++i) stages[i] = stage(op.first_stage + i);
  Geometry g;
  Fault fault;
  (void)derive(op, input_dims(op), output_elements(op), stages, &g, &fault);  // held by check()
  return g;
}

}  // namespace bantam::packed
