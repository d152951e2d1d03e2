// Packed models. The mutator repairs size and checksum, else nothing would get past them; what is accepted is run.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "compress/pack/packed_file.h"
#include "compress/runtime/bnt.h"
#include "compress/runtime/format.h"
#include "tests/compress/golden_net.h"
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
  // Nothing may depend on what the arena held before.
  std::vector<float> scores[2];
  for (int fill : {0, 1}) {
    Exact arena(info.arena_base + size_t(info.arena_per_lane), fill ? 0xFF : 0);
    bnt_session session;
    FUZZ_CHECK(bnt_open(&model, arena.data(), info.arena_base + size_t(info.arena_per_lane), nullptr, &session) ==
               BNT_OK);
    scores[fill].resize(info.classes);
    if (fill)
      FUZZ_CHECK(bnt_run(&session, image.data(), 1, scores[1].data(), info.classes) == BNT_OK);
    else
      FUZZ_CHECK(bnt_run_traced(
                     &session, image.data(), scores[0].data(), info.classes,
                     [](void*, const bnt_view* v) { tensors_seen += int(strlen(v->name)) >= 0; }, nullptr) == BNT_OK);
    const bnt_status self_test = bnt_self_test(&session);
    FUZZ_CHECK(self_test == BNT_OK || self_test == BNT_SELF_TEST_FAILED);
  }
  FUZZ_CHECK(memcmp(scores[0].data(), scores[1].data(), info.classes * sizeof(float)) == 0);
  for (uint32_t i = 0; i < info.classes; ++i) FUZZ_CHECK(bnt_class_name(&model, i) != nullptr);
}

}  // namespace

void fuzz_one(ByteSpan input) {
  std::vector<uint8_t> bytes(input.begin(), input.end());
  try_file(bytes);
  repair(&bytes);
  try_file(bytes);
}

void fuzz_seeds(const std::function<void(ByteSpan)>& seed) {
  seed(packed::sample_builder().bytes());
  seed(golden_file());
}

}  // namespace bantam

#ifdef BANTAM_FUZZ
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);
// Half of the mutations change one field of the tables to a number that is small, or near to what it was: offsets,
// counts and sizes are where the rules are.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  using namespace bantam;
  if ((seed & 1) && size >= packed::Header::kBytes) {
    const packed::Places places = packed::places_of(packed::read_record<packed::Header>(data));
    const size_t tables = size < places.payloads ? size : size_t(places.payloads);
    const size_t at = 16 + (seed >> 8) % (tables - 16);
    switch (seed >> 1 & 3) {
      case 0: data[at] = uint8_t(seed >> 16 & 7); break;
      case 1: data[at] = uint8_t(data[at] + 1); break;
      case 2: data[at] = uint8_t(data[at] - 1); break;
      default: data[at] ^= uint8_t(1u << (seed >> 3 & 7)); break;
    }
  } else {
    size = LLVMFuzzerMutate(data, size, max_size);
  }
  std::vector<uint8_t> bytes(data, data + size);
  repair(&bytes);
  memcpy(data, bytes.data(), size);
  return size;
}
#endif
