// Packed models. The mutator repairs size and checksum, else nothing would get past them, and settles what follows from
// the ops, else hardly a changed op would get past the reader; what is accepted is run.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "compress/pack/packed_file.h"
#include "compress/runtime/bnt.h"
#include "compress/runtime/format.h"
#include "compress/runtime/geometry.h"
#include "tests/compress/golden_net.h"
#include "tests/compress/random_net.h"
#include "tests/compress/sample_file.h"
#include "tests/fuzz/fuzz.h"

namespace bantam {
namespace {

// Bytes on 64, not one more than asked for: the sanitizer sees every step outside.
class Exact {
 public:
  explicit Exact(size_t size, int fill = 0) {
    void* p = nullptr;
    if (posix_memalign(&p, BNT_ALIGN, size ? size : 1) != 0) abort();
    data_ = static_cast<uint8_t*>(p);
    memset(data_, fill, size);
  }
  ~Exact() { free(data_); }
  Exact(const Exact&) = delete;
  uint8_t* data() { return data_; }

 private:
  uint8_t* data_;
};

void repair(std::vector<uint8_t>* file) {
  if (file->size() < packed::Header::kBytes) return;
  memcpy(file->data(), packed::kMagic, sizeof packed::kMagic);
  store_le32(file->data() + packed::Header::kAtVersion, packed::kVersion);
  store_le32(file->data() + packed::Header::kAtTotal, uint32_t(file->size()));
  packed::seal(file);
}

// A payload's field that points outside of the file, or to no multiple of 64: to one that has the bytes, if there is
// one.
void settle_payload(uint32_t* field, uint64_t bytes, uint64_t payloads, uint64_t size) {
  if (*field == 0 || payloads + bytes > size) return;
  *field = *field / packed::kAlign * packed::kAlign;
  if (*field < payloads) *field = uint32_t(payloads);
  if (*field + bytes > size) *field = uint32_t((size - bytes) / packed::kAlign * packed::kAlign);
}

// Everything that follows from the ops is made to: the stages' order, payloads that lie in the file, the dims of what
// an op makes, places in the arena, sizes of memory, and the switches. What the ops say stays for the reader to judge.
void settle(std::vector<uint8_t>* file) {
  using namespace packed;
  if (file->size() < Header::kBytes) return;
  Header h = read_record<Header>(file->data());
  const Places p = places_of(h);
  if (p.payloads > file->size() || h.n_tensors > 256 || h.n_ops > 256 || h.n_switches == 0 ||
      h.n_switches > kMaxSwitches || h.n_switches > h.n_ops)
    return;
  std::vector<TensorRecord> tensors;
  for (uint32_t i = 0; i < h.n_tensors; ++i)
    tensors.push_back(read_record<TensorRecord>(file->data() + p.tensors + i * TensorRecord::kBytes));
  uint32_t first_stage = 0;
  std::vector<uint32_t> scratch(h.n_ops), ends(h.n_ops);  // of each op: memory of a lane; where its tensors end
  for (uint32_t i = 0; i < h.n_ops; ++i) {
    uint8_t* const at = file->data() + p.ops + i * OpRecord::kBytes;
    OpRecord op = read_record<OpRecord>(at);
    if (op.n_stages > kMaxStages || op.n_stages > h.n_stages - first_stage) return;
    op.first_stage = first_stage;
    first_stage += op.n_stages;
    Dims in{h.h, h.w, h.c};
    if (op.in < tensors.size()) in = {tensors[op.in].h, tensors[op.in].w, tensors[op.in].c, tensors[op.in].elements()};
    const Elements out = op.out_codes < tensors.size() ? tensors[op.out_codes].elements() : Elements();
    StageRecord stages[kMaxStages];
    for (uint32_t s = 0; s < op.n_stages; ++s)
      stages[s] = read_record<StageRecord>(file->data() + p.stages + (op.first_stage + s) * StageRecord::kBytes);
    Geometry g;
    Fault fault;
    op.band = std::max(op.band, 1u);
    if (!derive(op, in, out, stages, &g, &fault) && fault.stage < 0 && fault.at == OpRecord::kAtBand) op.band = 1;
    if (derive(op, in, out, stages, &g, &fault)) {
      const uint64_t k = op.k, size = file->size();
      settle_payload(&op.weights, g.weight_bytes, p.payloads, size);
      settle_payload(&op.thresholds, threshold_masks(k, out) + 2 * words_for(k) * 8, p.payloads, size);
      settle_payload(&op.table, uint64_t(4) << op.weight_bits, p.payloads, size);
      settle_payload(&op.scales, op.groups ? k * (g.in_c / op.groups) * 4 : 0, p.payloads, size);
      for (uint32_t s = 0; s < op.n_stages; ++s) {
        settle_payload(&stages[s].a, g.c * 4, p.payloads, size);
        settle_payload(&stages[s].b, g.c * 4, p.payloads, size);
        write_record(stages[s], file->data() + p.stages + (op.first_stage + s) * StageRecord::kBytes);
      }
      for (uint32_t t : {op.out_f32, op.out_codes})
        if (t < tensors.size())
          tensors[t].h = uint32_t(g.out_h), tensors[t].w = uint32_t(g.out_w), tensors[t].c = uint32_t(g.c);
      scratch[i] = uint32_t(g.scratch_bytes);
    }
    write_record(op, at);
  }
  uint64_t arena = 0;
  for (uint32_t i = 0; i < h.n_tensors; ++i) {
    tensors[i].arena = uint32_t(arena);
    arena += aligned(tensors[i].bytes());
    if (arena > kMaxArenaBytes) return;
    write_record(tensors[i], file->data() + p.tensors + i * TensorRecord::kBytes);
  }
  for (uint32_t i = 0; i < h.n_ops; ++i) {
    const OpRecord op = read_record<OpRecord>(file->data() + p.ops + i * OpRecord::kBytes);
    for (uint32_t t : {op.out_f32, op.out_codes})
      if (t < tensors.size()) ends[i] = std::max(ends[i], uint32_t(aligned(tensors[t].arena + tensors[t].bytes())));
  }
  h.arena_base = h.arena_per_lane = 0;
  for (uint32_t i = 0, first = 0; i < h.n_switches; ++i) {
    uint8_t* const at = file->data() + p.switches + i * SwitchRecord::kBytes;
    SwitchRecord s = read_record<SwitchRecord>(at);
    const uint32_t left = h.n_ops - first, most = left - (h.n_switches - 1 - i);  // an op for each that follows
    s.first_op = first, s.n_ops = i + 1 == h.n_switches ? left : std::clamp(s.n_ops, 1u, most);
    s.arena_base = s.arena_per_lane = 0;
    for (uint32_t j = first; j < first + s.n_ops; ++j)
      s.arena_base = std::max(s.arena_base, ends[j]), s.arena_per_lane = std::max(s.arena_per_lane, scratch[j]);
    if (i == 0) s.output = h.output;
    first += s.n_ops;
    h.arena_base = std::max(h.arena_base, s.arena_base),
    h.arena_per_lane = std::max(h.arena_per_lane, s.arena_per_lane);
    write_record(s, at);
  }
  write_record(h, file->data());
}

int tensors_seen;

void try_file(const std::vector<uint8_t>& bytes) {
  Exact file(bytes.size());
  if (!bytes.empty()) memcpy(file.data(), bytes.data(), bytes.size());
  bnt_info info;
  bnt_where where;
  const bnt_status status = bnt_probe(file.data(), bytes.size(), &info, &where);
  FUZZ_CHECK(strlen(bnt_status_text(status)) > 1);
  if (status != BNT_OK) {
    FUZZ_CHECK(where.offset <= bytes.size());
    return;
  }
  // A caller has its limits, too; what is larger may well be a sound model.
  if (info.arena_base + size_t(info.arena_per_lane) > (4u << 20) || info.model_bytes > (4u << 20) ||
      info.macs > 20'000'000)
    return;

  Exact mem(info.model_bytes);
  bnt_model model;
  FUZZ_CHECK(bnt_load(file.data(), bytes.size(), mem.data(), info.model_bytes, &model, &where) == BNT_OK);
  const std::vector<uint8_t> image(size_t(info.h) * info.w * info.c, 77);
  // Nothing may depend on what the arena held before, nor on the lanes among which tasks are shared out.
  std::vector<float> scores[2];
  const bnt_parallel three = {nullptr, 3,
                              [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                for (uint32_t t = tasks; t-- > 0;) task(context, t, t % 3);
                              }};
  for (int fill : {0, 1}) {
    const size_t arena_bytes = info.arena_base + size_t(fill ? 3 : 1) * info.arena_per_lane;
    Exact arena(arena_bytes, fill ? 0xFF : 0);
    bnt_session session;
    FUZZ_CHECK(bnt_open(&model, arena.data(), arena_bytes, fill ? &three : nullptr, &session) == BNT_OK);
    scores[fill].resize(size_t(info.switches) * info.classes);
    for (uint32_t i = 0; i < info.switches; ++i) {
      bnt_switch s;
      FUZZ_CHECK(bnt_get_switch(&model, i, &s) == BNT_OK && s.arena_base <= info.arena_base);
      FUZZ_CHECK(bnt_set_switch(&session, i) == BNT_OK);
      float* const to = scores[fill].data() + size_t(i) * info.classes;
      if (fill)
        FUZZ_CHECK(bnt_run(&session, image.data(), 1, to, info.classes) == BNT_OK);
      else
        FUZZ_CHECK(bnt_run_traced(
                       &session, image.data(), to, info.classes,
                       [](void*, const bnt_view* v) { tensors_seen += int(strlen(v->name)) >= 0; }, nullptr) == BNT_OK);
    }
    const bnt_status self_test = bnt_self_test(&session);
    FUZZ_CHECK(self_test == BNT_OK || self_test == BNT_SELF_TEST_FAILED);
  }
  FUZZ_CHECK(memcmp(scores[0].data(), scores[1].data(), scores[0].size() * sizeof(float)) == 0);
  for (uint32_t i = 0; i < info.classes; ++i) FUZZ_CHECK(bnt_class_name(&model, i) != nullptr);
  const char* key;
  for (uint32_t i = 0; (key = bnt_metadata_key(&model, i)) != nullptr; ++i)
    FUZZ_CHECK(i < 64 && strlen(key) <= 64 && strlen(bnt_metadata(&model, key)) <= 1024);
}

}  // namespace

void fuzz_one(ByteSpan input) {
  std::vector<uint8_t> bytes(input.begin(), input.end());
  try_file(bytes);
  repair(&bytes);
  try_file(bytes);
  settle(&bytes);
  repair(&bytes);
  try_file(bytes);
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  seed(packed::sample_builder().bytes());
  seed(golden_file());
  // Small ones among generated nets: each of these few holds several kinds of products.
  for (uint64_t i = 0, found = 0; i < 100 && found < 6; ++i) {
    Net net(random_net(i));
    randomize(&net, i);
    const int64_t c = std::get<InputConfig>(net.spec().nodes[0].config).c;
    const std::vector<uint8_t> file = pack(net, {random_lut(c, i), {}, {}});
    if (file.size() > 12'000 || net.spec().nodes.size() < 12) continue;
    if (found++ == 0) {  // the same net at two switches
      const PackedSwitch twice[] = {{&net.plan, &net.parameters}, {&net.plan, &net.parameters, 500}};
      seed(pack(twice, {random_lut(c, i), {}, {}}));
    }
    seed(file);
  }
}

}  // namespace bantam

#ifdef BANTAM_FUZZ
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
// Most of the mutations change one field of the tables to a number that is small, or near to what it was: offsets,
// counts and sizes are where the rules are; ops and tensors, where the products are. Half of these are settled.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace bantam;
  bool in_tables = false;
  if ((seed & 3) && size >= packed::Header::kBytes) {
    in_tables = true;
    const packed::Places places = packed::places_of(packed::read_record<packed::Header>(data));
    const size_t tables = size < places.payloads ? size : size_t(places.payloads);
    const bool ops = (seed >> 6 & 1) && places.stages <= tables && places.tensors < places.stages;
    const size_t begin = ops ? size_t(places.tensors) : 16, end = ops ? size_t(places.stages) : tables;
    const size_t at = begin + (seed >> 8) % (end - begin);
    switch (seed >> 4 & 3) {
      case 0: data[at] = uint8_t(seed >> 16 & 7); break;
      case 1: data[at] = uint8_t(data[at] + 1); break;
      case 2: data[at] = uint8_t(data[at] - 1); break;
      default:
        data[at] ^= uint8_t(1u << (seed >> 20 & 7));
        break;
    }
  } else {
    size = LLVMFuzzerMutate(data, size, max_size);
  }
  std::vector<uint8_t> bytes(data, data + size);
  if (in_tables && (seed >> 7 & 1)) settle(&bytes);
  repair(&bytes);
  memcpy(data, bytes.data(), size);
  return size;
}
#endif
