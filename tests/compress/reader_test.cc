#include "compress/runtime/reader.h"

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "tests/compress/sample_file.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

// A copy that ends where its memory ends (ASan then sees a read behind it) and starts on 64 bytes.
struct Bytes {
  explicit Bytes(const std::vector<uint8_t>& v)
      : size(v.size()), data(static_cast<uint8_t*>(std::aligned_alloc(64, round_up(v.size() + 1, 64)))) {
    if (!v.empty()) memcpy(data, v.data(), v.size());
  }
  ~Bytes() { std::free(data); }
  Bytes(const Bytes&) = delete;
  size_t size;
  uint8_t* data;
};

struct Verdict {
  bnt_status status;
  bnt_where where;
};
Verdict check(const std::vector<uint8_t>& file) {
  const Bytes b(file);
  bnt_info info;
  Verdict v;
  v.status = Reader(b.data, b.size).check(&info, &v.where);
  return v;
}

// Where op i's, stage i's, tensor i's record lies in the sample.
uint32_t op_at(uint32_t i) {
  return uint32_t(places_of(read_record<Header>(sample_builder().bytes().data())).ops) + i * OpRecord::kBytes;
}
uint32_t stage_at(uint32_t i) {
  return uint32_t(places_of(read_record<Header>(sample_builder().bytes().data())).stages) + i * StageRecord::kBytes;
}
uint32_t switch_at() { return uint32_t(places_of(read_record<Header>(sample_builder().bytes().data())).switches); }
uint32_t metadata_at(uint32_t i) {
  return uint32_t(places_of(read_record<Header>(sample_builder().bytes().data())).metadata) +
         i * MetadataRecord::kBytes;
}
uint32_t tensor_at(uint32_t i) { return Header::kBytes + i * TensorRecord::kBytes; }

struct Rule {
  std::string name;
  std::function<void(FileBuilder&)> breaks;
  uint32_t op;      // expected bnt_where
  uint32_t offset;
  bnt_status status = BNT_MALFORMED;
};

}  // namespace

TEST_CASE("reader: the sample file, which uses every source, weight form, product and stage, is accepted") {
  const std::vector<uint8_t> file = sample_builder().bytes();
  const Bytes b(file);
  bnt_info info;
  bnt_where where;
  REQUIRE(Reader(b.data, b.size).check(&info, &where) == BNT_OK);
  CHECK(info.ops == 28);
  CHECK(info.classes == 3);
  CHECK(info.h == 4);
  CHECK(info.c == 2);
  CHECK(info.align == 64);
  // conv 4x4x3 x 9x2, xnor 3x3x3 x 9x3, xnor 3x3x3 x 4x3, conv 2x2x3 x 3, depthwise 27, then codes: 4x4x5 x 4x3,
  // 3x3x3 x 5, 3 x 9, 3 x 3, 3 x 3, then 24 x 70, 70 x 3, 70 x 2, 70 x 3, then 70 x 3 and 3 x 32 of 16.
  CHECK(info.macs ==
        864 + 729 + 324 + 36 + 27 + 960 + 135 + 27 + 9 + 9 + 24 * 70 + 70 * 3 + 70 * 2 + 70 * 3 + 70 * 3 + 3 * 32);
  const Reader m(b.data, b.size);
  std::set<int> sources, forms, products, kinds, made;  // made: of each op, its outputs, pool and thresholds
  for (uint32_t i = 0; i < m.header().n_ops; ++i) {
    const OpRecord op = m.op(i);
    StageRecord stages[kMaxStages];
    const Geometry g = m.geometry(op, stages);
    sources.insert(op.source), forms.insert(op.weight_form), products.insert(int(g.product));
    if (op.thresholds) made.insert(int(g.out.type) * 10 + (g.pool >= 0));
  }
  for (uint32_t i = 0; i < m.header().n_stages; ++i) kinds.insert(m.stage(i).kind);
  CHECK(sources.size() == kSources);
  CHECK(forms.size() == kWeightForms);
  CHECK(products.size() == 1 + size_t(Product::kCodes));
  CHECK(kinds.size() == kStageKinds);
  CHECK(made == std::set<int>{20, 21, 30, 31});  // thresholds for bits and for codes, with and without a pool
  CHECK(std::string(m.class_name(2)) == "two");
}

TEST_CASE("reader: records written and read again are the same bytes") {
  const std::vector<uint8_t> file = sample_builder().bytes();
  std::vector<uint8_t> copy(Header::kBytes);
  write_record(read_record<Header>(file.data()), copy.data());
  CHECK(memcmp(copy.data(), file.data(), Header::kBytes) == 0);
  const Places p = places_of(read_record<Header>(file.data()));
  CHECK(p.tensors == Header::kBytes);
  const auto same = [&]<class Record>(uint64_t begin, uint64_t end, Record) {
    for (uint64_t at = begin; at < end; at += Record::kBytes) {
      uint8_t record[Record::kBytes];
      write_record(read_record<Record>(&file[at]), record);
      CHECK(memcmp(record, &file[at], sizeof record) == 0);
    }
  };
  same(p.tensors, p.ops, TensorRecord());
  same(p.ops, p.stages, OpRecord());
  same(p.stages, p.classes, StageRecord());
  same(p.switches, p.metadata, SwitchRecord());
  same(p.metadata, p.strings, MetadataRecord());
}

TEST_CASE("reader: a file cut off at any byte is refused") {
  const std::vector<uint8_t> file = sample_builder().bytes();
  for (size_t n = 0; n < file.size(); ++n) {
    const Verdict v = check(std::vector<uint8_t>(file.begin(), file.begin() + std::ptrdiff_t(n)));
    REQUIRE(v.status == (n == 0 ? BNT_NOT_A_MODEL : BNT_BAD_SIZE));
  }
  std::vector<uint8_t> longer = file;
  longer.push_back(0);
  CHECK(check(longer).status == BNT_BAD_SIZE);
}

TEST_CASE("reader: a file cut off at any byte is refused though its size and checksum say otherwise") {
  const std::vector<uint8_t> file = sample_builder().bytes();
  for (size_t n = Header::kBytes; n < file.size(); ++n) {
    std::vector<uint8_t> cut(file.begin(), file.begin() + std::ptrdiff_t(n));
    store_le32(&cut[Header::kAtTotal], uint32_t(n));
    seal(&cut);
    REQUIRE(check(cut).status == BNT_MALFORMED);  // the last payload ends with the file
  }
}

TEST_CASE("reader: every single-bit flip is refused") {
  std::vector<uint8_t> file = sample_builder().bytes();
  REQUIRE(check(file).status == BNT_OK);
  const Bytes b(file);
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    b.data[bit / 8] ^= uint8_t(1u << (bit % 8));
    bnt_info info;
    REQUIRE(Reader(b.data, b.size).check(&info, nullptr) != BNT_OK);
    b.data[bit / 8] ^= uint8_t(1u << (bit % 8));
  }
}

TEST_CASE("reader: each rule of the format has a file that breaks it, and the place is named") {
  using O = OpRecord;
  using T = TensorRecord;
  using S = SwitchRecord;
  using M = MetadataRecord;
  // A switch that says what the file says, but for one thing.
  const auto switched = [](FileBuilder& f, void (*change)(S&)) {
    S& s = f.switches[0];
    s.n_ops = uint32_t(f.ops.size()), s.output = f.header.output;
    s.arena_base = f.header.arena_base, s.arena_per_lane = f.header.arena_per_lane;
    change(s);
  };
  const auto infinity = 0x7F800000u;
  const Rule rules[] = {
      {"reserved header field", [](FileBuilder& f) { f.header.reserved[3] = 1; }, BNT_NO_OP, Header::kAtReserved + 12},
      {"no tensors", [](FileBuilder& f) { f.tensors.clear(); }, BNT_NO_OP, Header::kAtTensors},
      {"too many tensors", [](FileBuilder& f) { f.tensors.resize(kMaxTensors + 1); }, BNT_NO_OP, Header::kAtTensors,
       BNT_TOO_LARGE},
      {"no ops", [](FileBuilder& f) { f.ops.clear(); }, BNT_NO_OP, Header::kAtOps},
      {"too many ops", [](FileBuilder& f) { f.ops.resize(kMaxOps + 1); }, BNT_NO_OP, Header::kAtOps, BNT_TOO_LARGE},
      {"too many stages", [](FileBuilder& f) { f.stages.resize(kMaxOps * kMaxStages + 1); }, BNT_NO_OP,
       Header::kAtStages, BNT_TOO_LARGE},
      {"no classes", [](FileBuilder& f) { f.classes.clear(); }, BNT_NO_OP, Header::kAtClasses},
      {"too many classes", [](FileBuilder& f) { f.classes.resize(kMaxClasses + 1); }, BNT_NO_OP, Header::kAtClasses,
       BNT_TOO_LARGE},
      {"no switch", [](FileBuilder& f) { f.switches.clear(); }, BNT_NO_OP, Header::kAtSwitches},
      {"too many switches", [](FileBuilder& f) { f.switches.resize(kMaxSwitches + 1); }, BNT_NO_OP, Header::kAtSwitches,
       BNT_TOO_LARGE},
      {"a second switch of no op that is left", [](FileBuilder& f) { f.switches.resize(2); }, BNT_NO_OP,
       switch_at() + S::kBytes + S::kAtFirstOp},
      {"arena not a multiple of 64", [](FileBuilder& f) { f.header.arena_base += 4; }, BNT_NO_OP, Header::kAtArenaBase},
      {"arena larger than it need be", [](FileBuilder& f) { f.header.arena_base += 64; }, BNT_NO_OP,
       switch_at() + S::kAtArenaBase},
      {"arena too large", [](FileBuilder& f) { f.header.arena_base = kMaxArenaBytes + 64; }, BNT_NO_OP,
       Header::kAtArenaBase},
      {"scratch not a multiple of 64", [](FileBuilder& f) { f.header.arena_per_lane += 8; }, BNT_NO_OP,
       Header::kAtPerLane},
      {"scratch too small", [](FileBuilder& f) { f.header.arena_per_lane -= 64; }, BNT_NO_OP,
       switch_at() + S::kAtPerLane},
      {"scratch larger than it need be", [](FileBuilder& f) { f.header.arena_per_lane += 64; }, BNT_NO_OP,
       switch_at() + S::kAtPerLane},
      {"scratch too large", [](FileBuilder& f) { f.header.arena_per_lane = kMaxArenaBytes + 64; }, BNT_NO_OP,
       Header::kAtPerLane},
      {"image without height", [](FileBuilder& f) { f.header.h = 0; }, BNT_NO_OP, Header::kAtH},
      {"image too wide", [](FileBuilder& f) { f.header.w = kMaxSide + 1; }, BNT_NO_OP, Header::kAtW},
      {"image of too many channels", [](FileBuilder& f) { f.header.c = kMaxInputChannels + 1; }, BNT_NO_OP,
       Header::kAtC},
      {"input table misplaced", [](FileBuilder& f) { f.header.lut += 4; }, BNT_NO_OP, Header::kAtLut},
      {"input table behind the end", [](FileBuilder& f) { f.header.lut = 1u << 20; }, BNT_NO_OP, Header::kAtLut},
      {"self test behind the end", [](FileBuilder& f) { f.header.self_test = 1u << 20; }, BNT_NO_OP,
       Header::kAtSelfTest},
      {"class name outside the strings", [](FileBuilder& f) { f.classes[1] = 1000; }, BNT_NO_OP,
       stage_at(uint32_t(sample_builder().stages.size())) + 4},
      {"switch without channels", [](FileBuilder& f) { f.switches[0].width_permille = 0; }, BNT_NO_OP, switch_at()},
      {"switch of too many channels", [](FileBuilder& f) { f.switches[0].width_permille = 1001; }, BNT_NO_OP,
       switch_at()},
      {"switch that starts later", [](FileBuilder& f) { f.switches[0].first_op = 1; }, BNT_NO_OP,
       switch_at() + S::kAtFirstOp},
      {"switch of fewer ops", [&](FileBuilder& f) { switched(f, [](S& s) { s.n_ops -= 1; }); }, BNT_NO_OP,
       switch_at() + S::kAtOps},
      {"switch of another output", [&](FileBuilder& f) { switched(f, [](S& s) { s.output -= 1; }); }, BNT_NO_OP,
       switch_at() + S::kAtOutput},
      {"switch of another arena", [&](FileBuilder& f) { switched(f, [](S& s) { s.arena_base -= 64; }); }, BNT_NO_OP,
       Header::kAtArenaBase},
      {"switch of other scratch", [&](FileBuilder& f) { switched(f, [](S& s) { s.arena_per_lane += 64; }); }, BNT_NO_OP,
       Header::kAtPerLane},
      {"switch: reserved field", [](FileBuilder& f) { f.switches[0].reserved[3] = 1; }, BNT_NO_OP,
       switch_at() + S::kAtReserved + 12},
      {"too many entries of metadata", [](FileBuilder& f) { f.metadata.resize(kMaxMetadata + 1); }, BNT_NO_OP,
       Header::kAtMetadata, BNT_TOO_LARGE},
      {"more metadata than the file holds", [](FileBuilder& f) { f.metadata.resize(kMaxMetadata); }, BNT_NO_OP,
       metadata_at(3) + M::kAtKey},
      {"metadata: key outside the strings", [](FileBuilder& f) { f.metadata[1].key = 1000; }, BNT_NO_OP,
       metadata_at(1) + M::kAtKey},
      {"metadata: value outside the strings", [](FileBuilder& f) { f.metadata[1].value = 1000; }, BNT_NO_OP,
       metadata_at(1) + M::kAtValue},
      {"metadata: empty key", [](FileBuilder& f) { f.metadata[0].key = f.string(""); }, BNT_NO_OP,
       metadata_at(0) + M::kAtKey},
      {"metadata: key with a blank", [](FileBuilder& f) { f.metadata[2].key = f.string("note 2"); }, BNT_NO_OP,
       metadata_at(2) + M::kAtKey},
      {"metadata: key with another letter", [](FileBuilder& f) { f.metadata[2].key = f.string("note\xC3\xA9"); },
       BNT_NO_OP, metadata_at(2) + M::kAtKey},
      {"metadata: key too long",
       [](FileBuilder& f) { f.metadata[2].key = f.string(std::string(kMaxKeyBytes + 1, 'o')); }, BNT_NO_OP,
       metadata_at(2) + M::kAtKey},
      {"metadata: a key twice", [](FileBuilder& f) { f.metadata[2].key = f.metadata[1].key; }, BNT_NO_OP,
       metadata_at(2) + M::kAtKey},
      {"metadata: a key before its shorter self", [](FileBuilder& f) { std::swap(f.metadata[1], f.metadata[2]); },
       BNT_NO_OP, metadata_at(2) + M::kAtKey},
      {"metadata: keys that fall", [](FileBuilder& f) { f.metadata[2].key = f.string("b"); }, BNT_NO_OP,
       metadata_at(2) + M::kAtKey},
      {"metadata: value too long",
       [](FileBuilder& f) { f.metadata[0].value = f.string(std::string(kMaxValueBytes + 1, 'o')); }, BNT_NO_OP,
       metadata_at(0) + M::kAtValue},
      {"metadata: value that is no UTF-8", [](FileBuilder& f) { f.metadata[0].value = f.string("\xC3("); }, BNT_NO_OP,
       metadata_at(0) + M::kAtValue},
      {"metadata: value cut off in a character", [](FileBuilder& f) { f.metadata[0].value = f.string("\xC2"); },
       BNT_NO_OP, metadata_at(0) + M::kAtValue},
      {"metadata: value with a control character of two bytes",
       [](FileBuilder& f) { f.metadata[0].value = f.string("a\xC2\x9B"); }, BNT_NO_OP, metadata_at(0) + M::kAtValue},
      {"output is no tensor", [](FileBuilder& f) { f.header.output = 99; }, BNT_NO_OP, switch_at() + S::kAtOutput},
      {"output of another size than the classes", [](FileBuilder& f) { f.header.output = 6; }, BNT_NO_OP,
       switch_at() + S::kAtOutput},
      {"output of bits", [](FileBuilder& f) { f.header.output = 7; }, BNT_NO_OP, switch_at() + S::kAtOutput},

      {"tensor: name outside the strings", [](FileBuilder& f) { f.tensors[1].name = 1000; }, BNT_NO_OP, tensor_at(1)},
      {"tensor: unknown type", [](FileBuilder& f) { f.tensors[1].type = 1; }, BNT_NO_OP, tensor_at(1) + 4},
      {"tensor: reserved field", [](FileBuilder& f) { f.tensors[1].reserved = 1; }, BNT_NO_OP,
       tensor_at(1) + T::kAtReserved},
      {"tensor: second reserved field", [](FileBuilder& f) { f.tensors[11].reserved2[1] = 1; }, BNT_NO_OP,
       tensor_at(11) + T::kAtReserved2},
      {"floats that are multiplied", [](FileBuilder& f) { f.tensors[1].mul = 1; }, BNT_NO_OP, tensor_at(1) + T::kAtMul},
      {"floats of so many codes", [](FileBuilder& f) { f.tensors[1].top = 1; }, BNT_NO_OP, tensor_at(1) + T::kAtTop},
      {"floats with a flag", [](FileBuilder& f) { f.tensors[1].flags = 1; }, BNT_NO_OP, tensor_at(1) + T::kAtFlags},
      {"floats with a first code", [](FileBuilder& f) { f.tensors[1].add = -1; }, BNT_NO_OP, tensor_at(1) + T::kAtAdd},
      {"bits with a scale", [](FileBuilder& f) { f.tensors[2].scale = 1; }, BNT_NO_OP, tensor_at(2) + T::kAtScale},
      {"bits with a factor", [](FileBuilder& f) { f.tensors[2].factor = 1; }, BNT_NO_OP, tensor_at(2) + T::kAtFactor},
      {"codes times 0", [](FileBuilder& f) { f.tensors[11].mul = 0; }, BNT_NO_OP, tensor_at(11) + T::kAtMul},
      {"codes times 3", [](FileBuilder& f) { f.tensors[11].mul = 3; }, BNT_NO_OP, tensor_at(11) + T::kAtMul},
      {"codes of one value", [](FileBuilder& f) { f.tensors[11].top = 0; }, BNT_NO_OP, tensor_at(11) + T::kAtTop},
      {"codes with an unknown flag", [](FileBuilder& f) { f.tensors[11].flags = 2; }, BNT_NO_OP,
       tensor_at(11) + T::kAtFlags},
      {"codes that start too low", [](FileBuilder& f) { f.tensors[11].add = -256; }, BNT_NO_OP,
       tensor_at(11) + T::kAtAdd},
      {"codes that reach too high", [](FileBuilder& f) { f.tensors[11].add = 253; }, BNT_NO_OP,
       tensor_at(11) + T::kAtAdd},
      {"codes that reach too high in steps of 2",
       [](FileBuilder& f) { f.tensors[11].mul = 2, f.tensors[11].top = 255, f.tensors[11].add = -254; }, BNT_NO_OP,
       tensor_at(11) + T::kAtAdd},
      {"codes of scale 0", [](FileBuilder& f) { f.tensors[11].scale = 0; }, BNT_NO_OP, tensor_at(11) + T::kAtScale},
      {"codes of a negative scale", [](FileBuilder& f) { f.tensors[11].scale |= 1u << 31; }, BNT_NO_OP,
       tensor_at(11) + T::kAtScale},
      {"codes of an infinite scale", [&](FileBuilder& f) { f.tensors[11].scale = infinity; }, BNT_NO_OP,
       tensor_at(11) + T::kAtScale},
      {"codes of factor 0", [](FileBuilder& f) { f.tensors[11].factor = 0; }, BNT_NO_OP, tensor_at(11) + T::kAtFactor},
      {"codes of a negative factor", [](FileBuilder& f) { f.tensors[11].factor = 1u << 31; }, BNT_NO_OP,
       tensor_at(11) + T::kAtFactor},
      {"codes of a factor that is not a number", [&](FileBuilder& f) { f.tensors[11].factor = infinity + 1; },
       BNT_NO_OP, tensor_at(11) + T::kAtFactor},
      {"tensor: zero height", [](FileBuilder& f) { f.tensors[1].h = 0; }, BNT_NO_OP, tensor_at(1) + 8},
      {"tensor: zero width", [](FileBuilder& f) { f.tensors[1].w = 0; }, BNT_NO_OP, tensor_at(1) + 12},
      {"tensor: too many channels", [](FileBuilder& f) { f.tensors[1].c = kMaxDepth + 1; }, BNT_NO_OP,
       tensor_at(1) + 16},
      {"tensor: misaligned", [](FileBuilder& f) { f.tensors[1].arena += 4; }, BNT_NO_OP, tensor_at(1) + 20},
      {"tensor: outside the arena", [](FileBuilder& f) { f.tensors[1].arena = f.header.arena_base; }, BNT_NO_OP,
       tensor_at(1) + 20},
      {"tensor: its sizes multiply past the arena",
       [](FileBuilder& f) { f.tensors[1].h = f.tensors[1].w = kMaxSide, f.tensors[1].c = kMaxDepth; }, BNT_NO_OP,
       tensor_at(1) + 20},
      {"tensor: nobody makes it", [](FileBuilder& f) { f.tensors.push_back(f.tensors[0]); }, BNT_NO_OP, tensor_at(30)},

      {"op: name outside the strings", [](FileBuilder& f) { f.ops[2].name = 1000; }, 2, op_at(2)},
      {"op: unknown source", [](FileBuilder& f) { f.ops[2].source = kSources; }, 2, op_at(2) + O::kAtSource},
      {"op: pixels with an input", [](FileBuilder& f) { f.ops[0].in = 0; }, 0, op_at(0) + O::kAtIn},
      {"op: input is no tensor", [](FileBuilder& f) { f.ops[1].in = kNone; }, 1, op_at(1) + O::kAtIn},
      {"op: input not yet made", [](FileBuilder& f) { f.ops[1].in = 9; }, 1, op_at(1) + O::kAtIn},
      {"op: weights of bits for floats", [](FileBuilder& f) { f.ops[2].in = 1; }, 2, op_at(2) + O::kAtWeightForm},
      {"op: weights of floats for bits", [](FileBuilder& f) { f.ops[5].in = 3; }, 5, op_at(5) + O::kAtWeightForm},
      {"op: depthwise on codes", [](FileBuilder& f) { f.ops[11].weight_form = 2; }, 11, op_at(11) + O::kAtWeightForm},
      {"op: weights of bits for codes", [](FileBuilder& f) { f.ops[11].weight_form = 4; }, 11,
       op_at(11) + O::kAtWeightForm},
      {"op: convolution without weights", [](FileBuilder& f) { f.ops[1].weight_form = 0; }, 1,
       op_at(1) + O::kAtWeightForm},
      {"op: unknown form of weights", [](FileBuilder& f) { f.ops[1].weight_form = kWeightForms; }, 1,
       op_at(1) + O::kAtWeightForm},
      {"op: form of weights without a convolution", [](FileBuilder& f) { f.ops[6].weight_form = 1; }, 6,
       op_at(6) + O::kAtWeightForm},
      {"op: numbers without bits", [](FileBuilder& f) { f.ops[10].weight_bits = 0; }, 10, op_at(10) + O::kAtWeightBits},
      {"op: numbers of 9 bits", [](FileBuilder& f) { f.ops[10].weight_bits = 9; }, 10, op_at(10) + O::kAtWeightBits},
      {"op: floats of so many bits", [](FileBuilder& f) { f.ops[1].weight_bits = 1; }, 1, op_at(1) + O::kAtWeightBits},
      {"op: weights' bits without a convolution", [](FileBuilder& f) { f.ops[6].weight_bits = 1; }, 6,
       op_at(6) + O::kAtWeightBits},
      {"op: numbers times 0", [](FileBuilder& f) { f.ops[10].weight_mul = 0; }, 10, op_at(10) + O::kAtWeightMul},
      {"op: numbers times 3", [](FileBuilder& f) { f.ops[10].weight_mul = 3; }, 10, op_at(10) + O::kAtWeightMul},
      {"op: signs that are multiplied", [](FileBuilder& f) { f.ops[2].weight_mul = 1; }, 2, op_at(2) + O::kAtWeightMul},
      {"op: weights' step without a convolution", [](FileBuilder& f) { f.ops[6].weight_mul = 1; }, 6,
       op_at(6) + O::kAtWeightMul},
      {"op: a largest number of 0", [](FileBuilder& f) { f.ops[10].weight_top = 0; }, 10, op_at(10) + O::kAtWeightTop},
      {"op: a largest number of more bits", [](FileBuilder& f) { f.ops[14].weight_top = 2; }, 14,
       op_at(14) + O::kAtWeightTop},
      {"op: a number above the largest", [](FileBuilder& f) { f.ops[10].weight_top = 2; }, 10,
       op_at(10) + O::kAtWeights},
      {"op: floats with a largest number", [](FileBuilder& f) { f.ops[1].weight_top = 1; }, 1,
       op_at(1) + O::kAtWeightTop},
      {"op: a largest number without a convolution", [](FileBuilder& f) { f.ops[6].weight_top = 1; }, 6,
       op_at(6) + O::kAtWeightTop},
      {"op: numbers that start too low", [](FileBuilder& f) { f.ops[10].weight_add = -256; }, 10,
       op_at(10) + O::kAtWeightAdd},
      {"op: numbers that reach too high", [](FileBuilder& f) { f.ops[10].weight_add = 242; }, 10,
       op_at(10) + O::kAtWeightAdd},
      {"op: floats with a first code", [](FileBuilder& f) { f.ops[1].weight_add = -1; }, 1, op_at(1) + O::kAtWeightAdd},
      {"op: weights' first code without a convolution", [](FileBuilder& f) { f.ops[6].weight_add = 1; }, 6,
       op_at(6) + O::kAtWeightAdd},
      {"op: table for an integer product", [](FileBuilder& f) { f.ops[10].table = f.ops[15].table; }, 10,
       op_at(10) + O::kAtTable},
      {"op: table for floats", [](FileBuilder& f) { f.ops[1].table = f.ops[15].table; }, 1, op_at(1) + O::kAtTable},
      {"op: table without a convolution", [](FileBuilder& f) { f.ops[6].table = f.ops[15].table; }, 6,
       op_at(6) + O::kAtTable},
      {"op: table behind the end", [](FileBuilder& f) { f.ops[15].table = 1u << 24; }, 15, op_at(15) + O::kAtTable},
      {"op: table misaligned", [](FileBuilder& f) { f.ops[15].table += 4; }, 15, op_at(15) + O::kAtTable},
      {"op: scales for an integer product", [](FileBuilder& f) { f.ops[12].scales = f.ops[15].scales; }, 12,
       op_at(12) + O::kAtScales},
      {"op: scales for floats", [](FileBuilder& f) { f.ops[8].scales = f.ops[15].scales; }, 8, op_at(8) + O::kAtScales},
      {"op: scales without a convolution", [](FileBuilder& f) { f.ops[6].scales = f.ops[15].scales; }, 6,
       op_at(6) + O::kAtScales},
      {"op: scales behind the end", [](FileBuilder& f) { f.ops[15].scales = 1u << 24; }, 15, op_at(15) + O::kAtScales},
      {"op: sums that do not fit 31 bits",  // 2^20 taps of 3 channels, codes up to 3 and 255
       [](FileBuilder& f) {
         OpRecord& o = f.ops[10];
         o.kh = o.kw = 1024, o.pad_h = o.pad_w = 1023, o.weight_bits = 8, o.weight_top = 255, o.weight_add = -255;
       },
       10, op_at(10) + O::kAtKernel},
      {"op: weights' codes that take too much memory",
       [](FileBuilder& f) {
         OpRecord& o = f.ops[10];
         o.kh = o.kw = 1024, o.pad_h = o.pad_w = 1023, o.weight_bits = o.weight_top = 1, o.weight_add = -1, o.k = 64;
         o.stride_h = o.stride_w = 64;
       },
       10, op_at(10) + O::kAtKernel},
      {"op: rows of codes that take too much memory",
       [](FileBuilder& f) {
         OpRecord& o = f.ops[10];
         o.kh = o.kw = 3, o.pad_h = o.pad_w = 65535, o.dilation_h = o.dilation_w = 60000;
       },
       10, op_at(10) + O::kAtKernel},
      {"op: average of bits", [](FileBuilder& f) { f.ops[7].in = 3; }, 7, op_at(7) + O::kAtIn},
      {"op: average of codes",
       [](FileBuilder& f) { f.ops[14].source = uint8_t(Source::kGlobalAverage); }, 14, op_at(14) + O::kAtIn},
      {"op: means of bits", [](FileBuilder& f) { f.ops[16].in = 3; }, 16, op_at(16) + O::kAtIn},
      {"op: means of no size", [](FileBuilder& f) { f.ops[16].kh = 0; }, 16, op_at(16) + O::kAtKernel},
      {"op: means of too large a size", [](FileBuilder& f) { f.ops[16].kw = kMaxKernel + 1; }, 16,
       op_at(16) + O::kAtKernel},
      {"op: concat of codes", [](FileBuilder& f) { f.ops[18].in = 12; }, 18, op_at(18) + O::kAtIn},
      {"op: concat of one tensor", [](FileBuilder& f) { f.ops[18].n_stages = 0; }, 18, op_at(18) + O::kAtStages},
      {"op: features of codes", [](FileBuilder& f) { f.ops[19].in = 12; }, 19, op_at(19) + O::kAtIn},
      {"op: parts of what is no convolution", [](FileBuilder& f) { f.ops[19].part = 1; }, 19, op_at(19) + O::kAtPart},
      {"op: parts of a convolution in groups",
       [](FileBuilder& f) {
         f.ops[20].groups = 2;
         f.ops[20].weights = f.payload(std::vector<float>(24 * 48, 0.5f));
       },
       20, op_at(20) + O::kAtPart},
      {"op: input was written over", [](FileBuilder& f) { f.tensors[4].arena = f.tensors[1].arena; }, 4,
       stage_at(5) + StageRecord::kAtTensor},
      {"op: output lies on its input", [](FileBuilder& f) { f.tensors[8].arena = f.tensors[6].arena; }, 7,
       op_at(7) + O::kAtOutF32},
      {"op: output lies on its residual", [](FileBuilder& f) { f.tensors[5].arena = f.tensors[1].arena; }, 4,
       op_at(4) + O::kAtOutF32},
      {"op: its outputs lie on each other", [](FileBuilder& f) { f.tensors[2].arena = f.tensors[1].arena; }, 1,
       op_at(1) + O::kAtOutCodes},
      {"op: output made twice", [](FileBuilder& f) { f.ops[5].out_f32 = 4; }, 5, op_at(5) + O::kAtOutF32},
      {"op: output is no tensor", [](FileBuilder& f) { f.ops[5].out_f32 = 77; }, 5, op_at(5) + O::kAtOutF32},
      {"op: output of the wrong type", [](FileBuilder& f) { f.ops[6].out_codes = 8; }, 6, op_at(6) + O::kAtOutCodes},
      {"op: codes where floats should be", [](FileBuilder& f) { f.ops[5].out_f32 = 11; }, 5, op_at(5) + O::kAtOutF32},
      {"op: codes that are no tensor", [](FileBuilder& f) { f.ops[6].out_codes = 77; }, 6, op_at(6) + O::kAtOutCodes},
      {"op: codes made twice", [](FileBuilder& f) { f.ops[12].out_codes = 11; }, 12, op_at(12) + O::kAtOutCodes},
      {"op: output of other dims", [](FileBuilder& f) { f.tensors[8].c = 2; }, 7, op_at(7) + O::kAtOutF32},
      {"op: no output", [](FileBuilder& f) { f.ops[5].out_f32 = kNone; }, 5, op_at(5) + O::kAtOutF32},
      {"op: no output channels", [](FileBuilder& f) { f.ops[1].k = 0; }, 1, op_at(1) + O::kAtK},
      {"op: channels without a convolution", [](FileBuilder& f) { f.ops[6].k = 1; }, 6, op_at(6) + O::kAtK},
      {"op: no groups", [](FileBuilder& f) { f.ops[1].groups = 0; }, 1, op_at(1) + O::kAtGroups},
      {"op: groups that do not divide", [](FileBuilder& f) { f.ops[1].groups = 2; }, 1, op_at(1) + O::kAtGroups},
      {"op: groups without a convolution", [](FileBuilder& f) { f.ops[6].groups = 1; }, 6, op_at(6) + O::kAtGroups},
      {"op: depthwise of another number of outputs", [](FileBuilder& f) { f.ops[8].k = 6; }, 8,
       op_at(8) + O::kAtGroups},
      {"op: depthwise in fewer groups", [](FileBuilder& f) { f.ops[8].groups = 1; }, 8, op_at(8) + O::kAtGroups},
      {"op: depthwise of too many taps", [](FileBuilder& f) { f.ops[8].kh = 11, f.ops[8].kw = 12; }, 8,
       op_at(8) + O::kAtKernel},
      {"op: no kernel", [](FileBuilder& f) { f.ops[1].kw = 0; }, 1, op_at(1) + O::kAtKernel},
      {"op: kernel too large", [](FileBuilder& f) { f.ops[1].kh = kMaxKernel + 1; }, 1, op_at(1) + O::kAtKernel},
      {"op: binary convolution in groups", [](FileBuilder& f) { f.ops[2].groups = 3; }, 2, op_at(2) + O::kAtGroups},
      {"op: kernel larger than its input", [](FileBuilder& f) { f.ops[5].kh = 3; }, 5, op_at(5) + O::kAtKernel},
      {"op: kernel without a convolution", [](FileBuilder& f) { f.ops[6].kh = 1; }, 6, op_at(6) + O::kAtKernel},
      {"op: no stride", [](FileBuilder& f) { f.ops[1].stride_w = 0; }, 1, op_at(1) + O::kAtStride},
      {"op: stride without a convolution", [](FileBuilder& f) { f.ops[6].stride_h = 1; }, 6, op_at(6) + O::kAtStride},
      {"op: no dilation", [](FileBuilder& f) { f.ops[1].dilation_h = 0; }, 1, op_at(1) + O::kAtDilation},
      {"op: dilation without a convolution", [](FileBuilder& f) { f.ops[6].dilation_h = 1; }, 6,
       op_at(6) + O::kAtDilation},
      {"op: padding as large as the window", [](FileBuilder& f) { f.ops[1].pad_w = 3; }, 1, op_at(1) + O::kAtPad},
      {"op: padding without a convolution", [](FileBuilder& f) { f.ops[6].pad_w = 3; }, 6, op_at(6) + O::kAtPad},
      {"op: padding value of a float convolution", [](FileBuilder& f) { f.ops[1].pad_value = 1; }, 1,
       op_at(1) + O::kAtPadValue},
      {"op: padding value 2", [](FileBuilder& f) { f.ops[2].pad_value = 2; }, 2, op_at(2) + O::kAtPadValue},
      {"op: padding value of floats by codes", [](FileBuilder& f) { f.ops[15].pad_value = 1; }, 15,
       op_at(15) + O::kAtPadValue},
      {"op: padding value without a convolution", [](FileBuilder& f) { f.ops[6].pad_value = 1; }, 6,
       op_at(6) + O::kAtPadValue},
      {"op: weights behind the end", [](FileBuilder& f) { f.ops[1].weights = 1u << 24; }, 1, op_at(1) + O::kAtWeights},
      {"op: weights misaligned", [](FileBuilder& f) { f.ops[1].weights += 8; }, 1, op_at(1) + O::kAtWeights},
      {"op: weights in the tables", [](FileBuilder& f) { f.ops[1].weights = 0; }, 1, op_at(1) + O::kAtWeights},
      {"op: weights without a convolution", [](FileBuilder& f) { f.ops[6].weights = 64; }, 6, op_at(6) + O::kAtWeights},
      {"op: pad bits in its weights",
       [](FileBuilder& f) { f.ops[2].weights = f.payload(std::vector<uint64_t>(27, 8)); }, 2, op_at(2) + O::kAtWeights},
      {"op: pad bits in its rows of numbers",
       [](FileBuilder& f) { f.ops[10].weights = f.payload(std::vector<uint8_t>(25, 0x10)); }, 10,
       op_at(10) + O::kAtWeights},
      {"op: numbers behind the end", [](FileBuilder& f) { f.ops[10].weights = 1u << 24; }, 10,
       op_at(10) + O::kAtWeights},
      {"op: pad bits in its thresholds for codes",
       [](FileBuilder& f) { f.ops[10].thresholds = f.payload(std::vector<uint64_t>(7, 32)); }, 10,
       op_at(10) + O::kAtThresholds},
      {"op: pad bits in its thresholds",
       [](FileBuilder& f) { f.ops[2].thresholds = f.payload(std::vector<uint64_t>(5, 8)); }, 2,
       op_at(2) + O::kAtThresholds},
      {"op: thresholds behind the end", [](FileBuilder& f) { f.ops[2].thresholds = 1u << 24; }, 2,
       op_at(2) + O::kAtThresholds},
      {"op: thresholds on floats", [](FileBuilder& f) { f.ops[1].thresholds = f.ops[2].thresholds; }, 1,
       op_at(1) + O::kAtThresholds},
      {"op: thresholds that should make floats", [](FileBuilder& f) { f.ops[2].out_f32 = 4; }, 2,
       op_at(2) + O::kAtOutF32},
      {"op: too many stages", [](FileBuilder& f) { f.ops[2].n_stages = kMaxStages + 1; }, 2, op_at(2) + O::kAtStages},
      {"op: stages out of order", [](FileBuilder& f) { f.ops[2].first_stage = 0; }, 2, op_at(2) + O::kAtFirstStage},
      {"op: stages behind the table", [](FileBuilder& f) { f.ops[25].n_stages = 2; }, 25, op_at(25) + O::kAtFirstStage},
      {"stages that no op has", [](FileBuilder& f) { f.stages.push_back(f.stages[0]); }, BNT_NO_OP, Header::kAtStages},
      {"op: no band", [](FileBuilder& f) { f.ops[1].band = 0; }, 1, op_at(1) + O::kAtBand},
      {"op: band of more rows than there are", [](FileBuilder& f) { f.ops[1].band = 4; }, 1, op_at(1) + O::kAtBand},
      {"op: as many channels a task as there are", [](FileBuilder& f) { f.ops[1].part = 1; }, 1, op_at(1) + O::kAtPart},
      {"op: panels of what is no convolution", [](FileBuilder& f) { f.ops[6].panel = 1; }, 6, op_at(6) + O::kAtPanel},
      {"op: panels of rows", [](FileBuilder& f) { f.ops[4].panel = 4; }, 4, op_at(4) + O::kAtPanel},
      {"op: panels of no width that is", [](FileBuilder& f) { f.ops[25].panel = 3; }, 25, op_at(25) + O::kAtPanel},
      {"op: pad bits in its panels",
       [](FileBuilder& f) {
         std::vector<uint64_t> w(32);
         w[2] = 64;  // channel 0's second word has 6 bits
         f.ops[25].weights = f.payload(w);
       },
       25, op_at(25) + O::kAtWeights},
      {"op: bits of channels that do not exist",
       [](FileBuilder& f) {
         std::vector<uint64_t> w(32);
         w[5] = 1;  // of channel 3
         f.ops[25].weights = f.payload(w);
       },
       25, op_at(25) + O::kAtWeights},
      {"op: a code in its panels beyond its reach",
       [](FileBuilder& f) {
         std::vector<uint8_t> w(70 * 16);
         w[0] = 4;
         f.ops[23].weights = f.payload(w);
       },
       23, op_at(23) + O::kAtWeights},
      {"op: codes of channels that do not exist",
       [](FileBuilder& f) {
         std::vector<uint8_t> w(70 * 16);
         w[4] = 1;  // of channel 2
         f.ops[23].weights = f.payload(w);
       },
       23, op_at(23) + O::kAtWeights},
      {"op: panels of codes on floats", [](FileBuilder& f) { f.ops[23].in = 23; }, 23, op_at(23) + O::kAtWeightForm},

      {"stage: unknown kind", [](FileBuilder& f) { f.stages[0].kind = kStageKinds; }, 1, stage_at(0)},
      {"stage: bias of steps", [](FileBuilder& f) { f.stages[0].steps = 1; }, 1, stage_at(0) + 7},
      {"stage: second reserved field", [](FileBuilder& f) { f.stages[0].reserved2[1] = 1; }, 1, stage_at(0) + 24},
      {"stage: bias without values", [](FileBuilder& f) { f.stages[0].a = 0; }, 1, stage_at(0) + 8},
      {"stage: bias behind the end", [](FileBuilder& f) { f.stages[0].a = 1u << 24; }, 1, stage_at(0) + 8},
      {"stage: bias with two vectors", [](FileBuilder& f) { f.stages[0].b = f.stages[0].a; }, 1, stage_at(0) + 12},
      {"stage: shift behind the end", [](FileBuilder& f) { f.stages[3].b = 1u << 24; }, 4, stage_at(3) + 12},
      {"stage: bias with a tensor", [](FileBuilder& f) { f.stages[0].tensor = 0; }, 1, stage_at(0) + 16},
      {"stage: bias with a window", [](FileBuilder& f) { f.stages[0].kh = 1; }, 1, stage_at(0) + 1},
      {"stage: residual of other dims", [](FileBuilder& f) { f.stages[5].tensor = 4; }, 4, stage_at(5) + 16},
      {"stage: residual of bits", [](FileBuilder& f) { f.stages[5].tensor = 2; }, 4, stage_at(5) + 16},
      {"stage: residual without a tensor", [](FileBuilder& f) { f.stages[5].tensor = kNone; }, 4, stage_at(5) + 16},
      {"stage: two pools", [](FileBuilder& f) { f.stages[0] = f.stages[1]; }, 1, stage_at(1)},
      {"stage: pool without a window", [](FileBuilder& f) { f.stages[1].kw = 0; }, 1, stage_at(1) + 1},
      {"stage: pool of too large a window", [](FileBuilder& f) { f.stages[1].kw = kMaxWindow + 1; }, 1,
       stage_at(1) + 1},
      {"stage: pool larger than its rows", [](FileBuilder& f) { f.stages[1].kh = 5; }, 1, stage_at(1) + 1},
      {"stage: pool without a stride", [](FileBuilder& f) { f.stages[1].sh = 0; }, 1, stage_at(1) + 1},
      {"stage: pool with padding as large as its window", [](FileBuilder& f) { f.stages[1].ph = 2; }, 1,
       stage_at(1) + 1},
      {"stage: hard_swish with values", [](FileBuilder& f) { f.stages[8].a = f.stages[0].a; }, 6, stage_at(8) + 8},
      {"stage: hard_swish with a shift", [](FileBuilder& f) { f.stages[8].b = f.stages[0].a; }, 6, stage_at(8) + 12},
      {"stage: hard_swish with a tensor", [](FileBuilder& f) { f.stages[8].tensor = 1; }, 6, stage_at(8) + 16},
      {"stage: hard_swish with a window", [](FileBuilder& f) { f.stages[8].sw = 1; }, 6, stage_at(8) + 1},
      {"stage: appended out of place", [](FileBuilder& f) { std::swap(f.ops[18].source, f.ops[17].source); }, 17,
       op_at(17) + O::kAtStages},
      {"stage: appended to no concat", [](FileBuilder& f) { f.ops[18].source = uint8_t(Source::kLoad); }, 18,
       stage_at(17)},
      {"stage: append of no channels", [](FileBuilder& f) { f.stages[17].c = 0; }, 18, stage_at(17) + 20},
      {"stage: append of too many channels", [](FileBuilder& f) { f.stages[17].c = kMaxDepth; }, 18, stage_at(17) + 20},
      {"stage: append of other channels than its tensor's", [](FileBuilder& f) { f.stages[17].c = 4; }, 18,
       stage_at(17) + 16},
      {"stage: append without a tensor", [](FileBuilder& f) { f.stages[17].tensor = kNone; }, 18, stage_at(17) + 16},
      {"stage: channels of no append", [](FileBuilder& f) { f.stages[0].c = 3; }, 1, stage_at(0) + 20},
      {"stage: gate of other channels", [](FileBuilder& f) { f.stages[14].tensor = 4; }, 16, stage_at(14) + 16},
      {"stage: gate that is no tensor", [](FileBuilder& f) { f.stages[14].tensor = kNone; }, 16, stage_at(14) + 16},
      {"stage: softmax of a part of the channels",
       [](FileBuilder& f) {
         StageRecord s;
         s.kind = uint8_t(StageKind::kSoftmax);
         f.stages.push_back(s), f.ops[20].n_stages = 1, f.ops[20].first_stage = f.ops[21].first_stage;
         f.ops[21].first_stage += 1;
       },
       20, stage_at(19)},
      {"stage: two pools, one of means",
       [](FileBuilder& f) {
         f.stages[0] = f.stages[1], f.stages[0].kind = uint8_t(StageKind::kAveragePool);
       },
       1, stage_at(1)},
      {"stage: steps without a number", [](FileBuilder& f) { f.stages[9].steps = 0; }, 6, stage_at(9) + 7},
      {"stage: steps without thresholds", [](FileBuilder& f) { f.stages[9].a = 0; }, 6, stage_at(9) + 8},
      {"stage: steps without values", [](FileBuilder& f) { f.stages[9].b = 0; }, 6, stage_at(9) + 12},
      {"stage: thresholds behind the end", [](FileBuilder& f) { f.stages[9].a = 1u << 24; }, 6, stage_at(9) + 8},
      {"stage: values behind the end", [](FileBuilder& f) { f.stages[9].b = 1u << 24; }, 6, stage_at(9) + 12},
      {"stage: thresholds that fall", [](FileBuilder& f) { f.set_payload(f.stages[9].a, 8, "\0\0\0\xC0", 4); }, 6,
       stage_at(9) + 8},
      {"stage: a threshold that is NaN", [](FileBuilder& f) { f.set_payload(f.stages[9].a, 0, "\0\0\xC0\x7F", 4); }, 6,
       stage_at(9) + 8},
      {"stage: steps with a window", [](FileBuilder& f) { f.stages[9].pw = 1; }, 6, stage_at(9) + 1},
      {"stage: hard_swish behind thresholds", [](FileBuilder& f) { f.stages[2] = f.stages[8]; }, 2, stage_at(2)},
      {"stage: bias behind thresholds", [](FileBuilder& f) { f.stages[2] = f.stages[0]; }, 2, stage_at(2)},
  };
  for (const Rule& rule : rules) {
    CAPTURE(rule.name);
    FileBuilder f = sample_builder();
    rule.breaks(f);
    const Verdict v = check(f.bytes());
    CHECK(v.status == rule.status);
    CHECK(v.where.op == rule.op);
    CHECK(v.where.offset == rule.offset);
  }
  MESSAGE("rules of packed files: ", std::size(rules));
}

TEST_CASE("reader: metadata at its bounds is accepted") {
  FileBuilder f = sample_builder();
  f.metadata = {{f.string(std::string(kMaxKeyBytes, 'K')), f.string(std::string(kMaxValueBytes, '='))},
                {f.string("a-Z_0.9"), f.string("\xC2\xA0\xF4\x8F\xBF\xBF")}};
  CHECK(check(f.bytes()).status == BNT_OK);
  f.metadata.clear();
  for (uint32_t i = 0; i < kMaxMetadata; ++i) f.metadata.push_back({f.string(std::to_string(10 + i)), f.string("x")});
  CHECK(check(f.bytes()).status == BNT_OK);
  f.metadata.clear();
  CHECK(read_record<Header>(f.bytes().data()).n_metadata == 0);
  CHECK(check(f.bytes()).status == BNT_OK);
}

TEST_CASE("geometry: limits that only sizes beyond a small file reach are held, and named") {
  const auto fault_of = [](OpRecord o, Dims in, const Elements& out = {}) {
    o.source = uint8_t(Source::kConv), o.out_f32 = 0, o.band = 1;
    if (o.groups == 0) o.groups = 1;
    o.stride_h = o.stride_w = 1;
    if (o.dilation_h == 0) o.dilation_h = o.dilation_w = 1;
    Geometry g;
    Fault fault;
    return derive(o, in, out, nullptr, &g, &fault) ? 0 : fault.at;
  };
  using O = OpRecord;
  constexpr uint8_t kPanels = uint8_t(WeightForm::kPanels), kRows = uint8_t(WeightForm::kSignRows),
                    kNumbers = uint8_t(WeightForm::kCodes), kColumns = uint8_t(WeightForm::kSignColumns);
  const Elements floats, bits{Type::kBits}, codes{Type::kCodes, 4, 1, 0};
  CHECK(fault_of({.k = 16, .kh = 1, .kw = 1, .weight_form = kPanels}, {8, 8, 16, floats}) == 0);
  // Panels of 2^14 * 2^20 floats; the same as bits would still fit the file.
  CHECK(fault_of({.k = 1 << 14, .kh = 1, .kw = 1, .weight_form = kPanels}, {1, 1, 1 << 20, floats}) == O::kAtK);
  CHECK(fault_of({.k = 1 << 14, .kh = 1, .kw = 1, .weight_form = kColumns}, {1, 1, 1 << 20, floats}) == O::kAtK);
  CHECK(fault_of({.k = 1 << 17, .kh = 9, .kw = 9, .weight_form = kRows}, {9, 9, 1 << 10, bits}) == O::kAtK);
  // 2^14 * 2^14 pixels of 2^10 by 2^10 channels take 2^48 multiply-accumulates.
  CHECK(fault_of({.k = 1 << 10, .kh = 1, .kw = 1, .weight_form = kPanels}, {1 << 14, 1 << 14, 1 << 10, floats}) ==
        O::kAtK);
  CHECK(fault_of({.k = 1, .kh = 1024, .kw = 1024, .weight_form = kRows}, {1024, 1024, 16, bits}) == O::kAtKernel);
  CHECK(fault_of({.k = 1,
                  .kh = 3,
                  .kw = 3,
                  .pad_h = 65535,
                  .pad_w = 65535,
                  .dilation_h = 60000,
                  .dilation_w = 60000,
                  .weight_form = kRows},
                 {3, 3, 1 << 12, bits}) == O::kAtKernel);
  // Codes up to 3 by numbers up to 255 (their bits, 8, say so): sums of at most 2^31 / 765 products fit.
  const OpRecord numbers{
      .k = 1, .kh = 1, .kw = 1, .weight_form = kNumbers, .weight_bits = 8, .weight_mul = 1, .weight_top = 255};
  CHECK(fault_of(numbers, {1, 1, 1 << 20, codes}) == 0);
  OpRecord taps = numbers;
  taps.kh = 3, taps.pad_h = 2;
  CHECK(fault_of(taps, {1, 1, 935722, codes}) == 0);
  CHECK(fault_of(taps, {1, 1, 935723, codes}) == O::kAtKernel);  // 3 * 935723 * 765 >= 2^31
  // Rows of bits fill whole words: 2^28 weights of 1 channel take 2^31 bytes.
  CHECK(fault_of({.k = 256, .kh = 1024, .kw = 1024, .weight_form = kRows}, {1024, 1024, 1, bits}) == O::kAtK);
  // A side of 2^14 + 1 pixels.
  CHECK(fault_of({.k = 1, .kh = 2, .kw = 1, .pad_h = 1, .weight_form = kPanels}, {1 << 14, 1, 1, floats}) ==
        O::kAtKernel);
  StageRecord pool;
  pool.kind = uint8_t(StageKind::kMaxPool);
  pool.kh = 2, pool.kw = pool.sh = pool.sw = 1, pool.ph = 1;
  OpRecord load{.source = uint8_t(Source::kLoad), .out_f32 = 0, .n_stages = 1, .band = 1};
  Geometry g;
  Fault fault;
  CHECK_FALSE(derive(load, {1 << 14, 1, 1, floats}, {}, &pool, &g, &fault));
  CHECK(fault.stage == 0);
  CHECK(fault.at == StageRecord::kAtWindow);
  // A band of 2^14 rows of 2^14 pixels takes 2^31 bytes of scratch.
  const OpRecord band{.source = uint8_t(Source::kPixels), .out_codes = 0, .band = 1 << 14};
  CHECK_FALSE(derive(band, {1 << 14, 1 << 14, 2}, bits, nullptr, &g, &fault));
  CHECK(fault.at == O::kAtBand);
}

TEST_CASE("reader: ops that take too long together are refused, though each alone is not") {
  // Two convolutions of 1024x1024 taps over 4096x4096 pixels, 0.99e13 multiply-accumulates each: 2^44 are 1.76e13.
  FileBuilder f;
  f.header.h = f.header.w = 4096, f.header.c = 1;
  f.header.lut = f.payload(std::vector<float>(256, 0.25f));
  const uint32_t weights = f.payload(std::vector<uint8_t>((1 << 20) / 8, 0x55));
  for (uint32_t i = 0; i < 3; ++i) {
    const uint32_t side = i == 0 ? 4096 : 4096 - 1023;
    TensorRecord t{.name = f.string("t"), .h = side, .w = side, .c = 1, .arena = f.header.arena_base};
    f.header.arena_base += uint32_t(aligned(t.bytes()));
    f.tensors.push_back(t);
    OpRecord op{.name = t.name, .source = uint8_t(Source::kPixels), .out_f32 = i, .band = 1};
    if (i > 0) {
      op.source = uint8_t(Source::kConv), op.in = 0, op.k = op.groups = 1, op.kh = op.kw = 1024, op.weights = weights;
      op.stride_h = op.stride_w = op.dilation_h = op.dilation_w = 1;
      op.weight_form = uint8_t(WeightForm::kCodes), op.weight_bits = op.weight_mul = op.weight_top = 1;
    }
    f.ops.push_back(op);
  }
  f.classes.push_back(f.string("t"));
  f.switches.push_back({});
  const Verdict v = check(f.bytes());
  CHECK(v.status == BNT_TOO_LARGE);
  CHECK(v.where.op == 2);
  CHECK(v.where.offset == Header::kBytes + 3 * TensorRecord::kBytes + 2 * OpRecord::kBytes + OpRecord::kAtK);
}

TEST_CASE("geometry: an op on a tensor without pixels or channels, or of too many, has none") {
  const FileBuilder f = sample_builder();
  for (size_t i = 1; i < f.ops.size(); ++i)
    for (const Dims& in : {Dims{0, 4, 3}, Dims{4, 0, 3}, Dims{4, 4, 0}, Dims{kMaxSide + 1, 4, 3},
                           Dims{4, kMaxSide + 1, 3}, Dims{4, 4, kMaxDepth + 1}}) {
      Geometry g;
      Fault fault;
      CHECK(!derive(f.ops[i], in, {}, f.stages.data() + f.ops[i].first_stage, &g, &fault));
      CHECK(fault.stage == -1);
      CHECK(fault.at == OpRecord::kAtIn);
    }
}

TEST_CASE("reader: another version is refused with a text that says to pack again, version 1 too") {
  for (uint32_t version : {0u, 1u, kVersion + 1}) {
    std::vector<uint8_t> file = sample_builder().bytes();
    store_le32(&file[Header::kAtVersion], version);
    seal(&file);
    const Verdict v = check(file);
    CHECK(v.status == BNT_BAD_VERSION);
    CHECK(v.where.op == BNT_NO_OP);
    CHECK(v.where.offset == Header::kAtVersion);
    CHECK(std::string(bnt_status_text(v.status)).find("pack its checkpoint again") != std::string::npos);
  }
}

TEST_CASE("reader: strings end in a zero byte and hold no control characters") {
  const std::vector<uint8_t> good = sample_builder().bytes();
  const Header h = read_record<Header>(good.data());
  const Places p = places_of(h);
  std::vector<uint8_t> file = good;
  file[p.strings + h.strings_bytes - 1] = 'x';
  seal(&file);
  CHECK(check(file).where.offset == Header::kAtStrings);
  file = good;
  file[p.strings] = 0x1B;
  seal(&file);
  CHECK(check(file).status == BNT_MALFORMED);
  CHECK(check(file).where.offset == p.strings);
}

TEST_CASE("reader: any file of another kind is not a model, whatever its size") {
  for (size_t n : {0u, 1u, 8u, 100u, 1000u}) CHECK(check(std::vector<uint8_t>(n, 'P')).status == BNT_NOT_A_MODEL);
}
