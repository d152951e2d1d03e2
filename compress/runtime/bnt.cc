#include "compress/runtime/bnt.h"

#include <cstddef>
#include <cstring>

#include "compress/runtime/execute.h"
#include "compress/runtime/platform.h"
#include "compress/runtime/reader.h"

using namespace bantam;
using bantam::packed::Reader;

namespace {

// What lies in the opaque structs.
struct ModelState {
  uint64_t tag;
  const uint8_t* file;
  size_t size;
  const uint8_t* mem;
};
struct Poll {
  int (*keep_going)(void*);  // or null
  void* user;
};
struct SessionState {
  uint64_t tag;
  ModelState model;
  uint8_t* arena;
  bnt_parallel parallel;
  uint32_t busy;    // set while a call runs
  uint32_t active;  // switch
  Poll poll;
};
static_assert(sizeof(ModelState) <= sizeof(bnt_model) && sizeof(SessionState) <= sizeof(bnt_session));
constexpr uint64_t kModelTag = 0x6C65646F6D746E62, kSessionTag = 0x6E6F6973736573;

bool aligned_64(const void* p) { return reinterpret_cast<uintptr_t>(p) % BNT_ALIGN == 0; }

ModelState state_of(const bnt_model* model) {
  ModelState s;
  memcpy(&s, model, sizeof s);
  return s;
}
SessionState state_of(const bnt_session* session) {
  SessionState s;
  memcpy(&s, session, sizeof s);
  return s;
}
bool loaded(const bnt_model* model) { return model && state_of(model).tag == kModelTag; }
bool opened(const bnt_session* session) { return session && state_of(session).tag == kSessionTag; }
Reader reader_of(const ModelState& s) { return Reader(s.file, s.size); }

bnt_status check_file(const void* file, size_t size, bnt_info* info, bnt_where* where) {
  if (where) *where = {BNT_NO_OP, 0};
  if (!file || !info) return BNT_BAD_ARGUMENT;
  if (!aligned_64(file)) return BNT_MISALIGNED;
  return Reader(static_cast<const uint8_t*>(file), size).check(info, where);
}

// The session of a call, for as long as it lives: a second one meanwhile (of a signal handler, of another thread) is
// told so.
class Claim {
 public:
  explicit Claim(bnt_session* session)
      : busy_(reinterpret_cast<uint32_t*>(reinterpret_cast<uint8_t*>(session) + offsetof(SessionState, busy))),
        claimed_(__atomic_exchange_n(busy_, 1u, __ATOMIC_ACQUIRE) == 0) {}
  ~Claim() {
    if (claimed_) __atomic_store_n(busy_, 0u, __ATOMIC_RELEASE);
  }
  Claim(const Claim&) = delete;
  explicit operator bool() const { return claimed_; }

 private:
  uint32_t* busy_;
  bool claimed_;
};

bnt_status run_images(const SessionState& s, const uint8_t* images, size_t n, float* scores, bnt_tap tap, void* user) {
  const Reader m = reader_of(s.model);
  const packed::Execution e = {&m,  s.model.mem, s.arena,           s.active,   &s.parallel,
                               tap, user,        s.poll.keep_going, s.poll.user};
  const size_t image = size_t(m.header().h) * m.header().w * m.header().c;
  bnt_status status = BNT_OK;
  for (size_t i = 0; i < n && status == BNT_OK; ++i)
    status = packed::execute(e, images + i * image, scores + i * m.header().n_classes);
  return status;
}

}  // namespace

extern "C" {

bnt_status bnt_probe(const void* file, size_t size, bnt_info* info, bnt_where* where) noexcept {
  return check_file(file, size, info, where);
}

bnt_status bnt_load(const void* file, size_t size, void* mem, size_t mem_size, bnt_model* model,
                    bnt_where* where) noexcept {
  bnt_info info;
  const bnt_status s = check_file(file, size, &info, where);
  if (s != BNT_OK) return s;
  if (!model) return BNT_BAD_ARGUMENT;
  if (info.model_bytes) {
    if (!mem) return BNT_BAD_ARGUMENT;
    if (!aligned_64(mem)) return BNT_MISALIGNED;
    if (mem_size < info.model_bytes) return BNT_MEM_TOO_SMALL;
  }
  const ModelState state = {kModelTag, static_cast<const uint8_t*>(file), size, static_cast<const uint8_t*>(mem)};
  const bnt_status laid_out = packed::lay_out_weights(reader_of(state), static_cast<uint8_t*>(mem), where);
  if (laid_out != BNT_OK) return laid_out;
  memset(model, 0, sizeof *model);
  memcpy(model, &state, sizeof state);
  return BNT_OK;
}

bnt_status bnt_open(const bnt_model* model, void* arena, size_t arena_size, const bnt_parallel* parallel,
                    bnt_session* session) noexcept {
  if (!loaded(model) || !arena || !session) return BNT_BAD_ARGUMENT;
  if (parallel && (parallel->lanes == 0 || !parallel->run)) return BNT_BAD_ARGUMENT;
  if (!aligned_64(arena)) return BNT_MISALIGNED;
  if (!packed::rounds_as_promised()) return BNT_BAD_ROUNDING;
  SessionState s = {};
  s.tag = kSessionTag, s.model = state_of(model), s.arena = static_cast<uint8_t*>(arena), s.parallel.lanes = 1;
  if (parallel) s.parallel = *parallel;
  const Reader m = reader_of(s.model);
  if (arena_size < m.header().arena_base ||
      (arena_size - m.header().arena_base) / s.parallel.lanes < m.header().arena_per_lane)
    return BNT_ARENA_TOO_SMALL;
  memset(session, 0, sizeof *session);
  memcpy(session, &s, sizeof s);
  return BNT_OK;
}

bnt_status bnt_set_switch(bnt_session* session, uint32_t index) noexcept {
  if (!opened(session) || index >= reader_of(state_of(session).model).header().n_switches) return BNT_BAD_ARGUMENT;
  const Claim claim(session);
  if (!claim) return BNT_BUSY;
  memcpy(reinterpret_cast<uint8_t*>(session) + offsetof(SessionState, active), &index, sizeof index);
  return BNT_OK;
}

bnt_status bnt_get_switch(const bnt_model* model, uint32_t index, bnt_switch* out) noexcept {
  if (!loaded(model) || !out) return BNT_BAD_ARGUMENT;
  const Reader m = reader_of(state_of(model));
  if (index >= m.header().n_switches) return BNT_BAD_ARGUMENT;
  const packed::SwitchRecord s = m.switch_at(index);
  *out = {s.width_permille, s.weight_bits, s.act_bits, s.arena_base, s.arena_per_lane, s.n_ops};
  return BNT_OK;
}

bnt_status bnt_run(bnt_session* session, const uint8_t* images, size_t n, float* scores, size_t n_scores) noexcept {
  if (!opened(session)) return BNT_BAD_ARGUMENT;
  if (n == 0) return n_scores == 0 ? BNT_OK : BNT_BAD_ARGUMENT;
  const SessionState s = state_of(session);
  const uint32_t classes = reader_of(s.model).header().n_classes;
  if (!images || !scores || n_scores % classes || n_scores / classes != n) return BNT_BAD_ARGUMENT;
  const Claim claim(session);
  return claim ? run_images(s, images, n, scores, nullptr, nullptr) : BNT_BUSY;
}

bnt_status bnt_run_traced(bnt_session* session, const uint8_t* image, float* scores, size_t n_scores, bnt_tap tap,
                          void* user) noexcept {
  if (!opened(session) || !image || !scores || !tap) return BNT_BAD_ARGUMENT;
  const SessionState s = state_of(session);
  if (n_scores != reader_of(s.model).header().n_classes) return BNT_BAD_ARGUMENT;
  const Claim claim(session);
  return claim ? run_images(s, image, 1, scores, tap, user) : BNT_BUSY;
}

bnt_status bnt_set_poll(bnt_session* session, int (*keep_going)(void*), void* user) noexcept {
  if (!opened(session)) return BNT_BAD_ARGUMENT;
  const Claim claim(session);
  if (!claim) return BNT_BUSY;
  const Poll poll = {keep_going, user};
  memcpy(reinterpret_cast<uint8_t*>(session) + offsetof(SessionState, poll), &poll, sizeof poll);
  return BNT_OK;
}

bnt_status bnt_self_test(bnt_session* session) noexcept {
  if (!opened(session)) return BNT_BAD_ARGUMENT;
  SessionState s = state_of(session);
  const Reader m = reader_of(s.model);
  // The stored image's scores are compared where the output tensor lies: no memory of ours is needed.
  const packed::Header& h = m.header();
  if (h.self_test) {
    const size_t image = size_t(h.h) * h.w * h.c;
    const Claim claim(session);
    if (!claim) return BNT_BUSY;
    const uint8_t* want = m.payload<uint8_t>(h.self_test) + (image + 3) / 4 * 4;
    for (s.active = 0; s.active < h.n_switches; ++s.active, want += size_t(h.n_classes) * 4) {
      float* out = reinterpret_cast<float*>(s.arena + m.tensor(m.switch_at(s.active).output).arena);
      const bnt_status status = run_images(s, m.payload<uint8_t>(h.self_test), 1, out, nullptr, nullptr);
      if (status != BNT_OK) return status;
      if (memcmp(out, want, size_t(h.n_classes) * 4) != 0) return BNT_SELF_TEST_FAILED;
    }
    return BNT_OK;
  }
  return packed::kernels_are_sane() ? BNT_OK : BNT_SELF_TEST_FAILED;
}

bnt_status bnt_get_input_spec(const bnt_model* model, bnt_input_spec* out) noexcept {
  if (!loaded(model) || !out) return BNT_BAD_ARGUMENT;
  const Reader m = reader_of(state_of(model));
  *out = {m.header().h, m.header().w, m.header().c, m.payload<float>(m.header().lut)};
  return BNT_OK;
}

const char* bnt_class_name(const bnt_model* model, uint32_t index) noexcept {
  if (!loaded(model)) return nullptr;
  const Reader m = reader_of(state_of(model));
  return index < m.header().n_classes ? m.class_name(index) : nullptr;
}

const char* bnt_op_name(const bnt_model* model, uint32_t op) noexcept {
  if (!loaded(model)) return nullptr;
  const Reader m = reader_of(state_of(model));
  return op < m.header().n_ops ? m.string(m.op(op).name) : nullptr;
}

const char* bnt_metadata(const bnt_model* model, const char* key) noexcept {
  if (!loaded(model) || !key) return nullptr;
  const Reader m = reader_of(state_of(model));
  for (uint32_t i = 0; i < m.header().n_metadata; ++i) {
    const packed::MetadataRecord r = m.metadata(i);
    const char* have = m.string(r.key);
    size_t n = 0;
    while (have[n] && have[n] == key[n]) ++n;
    if (have[n] == key[n]) return m.string(r.value);
  }
  return nullptr;
}

const char* bnt_metadata_key(const bnt_model* model, uint32_t index) noexcept {
  if (!loaded(model)) return nullptr;
  const Reader m = reader_of(state_of(model));
  return index < m.header().n_metadata ? m.string(m.metadata(index).key) : nullptr;
}

const char* bnt_version(void) noexcept { return BNT_VERSION; }

const char* bnt_status_text(bnt_status status) noexcept {
  switch (status) {
    case BNT_OK: return "ok";
    case BNT_BAD_ARGUMENT: return "bad argument: a null pointer, a wrong count, or something that was not opened";
    case BNT_MISALIGNED: return "file, memory or arena does not start on a multiple of 64 bytes";
    case BNT_MEM_TOO_SMALL: return "the memory for the model is smaller than model_bytes";
    case BNT_ARENA_TOO_SMALL: return "the arena is smaller than arena_base + lanes * arena_per_lane";
    case BNT_NOT_A_MODEL: return "not a packed model";
    case BNT_BAD_VERSION: return "a packed model of another format version: pack its checkpoint again";
    case BNT_BAD_SIZE: return "the file is cut off, or longer than it says";
    case BNT_BAD_CHECKSUM: return "the checksum does not match: some byte has changed";
    case BNT_MALFORMED: return "a field is out of range or contradicts another";
    case BNT_TOO_LARGE: return "a size or count is above the format's limits";
    case BNT_BUSY: return "the session is running already: another call uses it";
    case BNT_BAD_PARALLEL: return "the caller's parallel run left out tasks, or ran some twice";
    case BNT_BAD_ROUNDING: return "floats are not rounded to the nearest here, or small ones become 0";
    case BNT_MISSING_FAMILY: return "the program's list of families leaves out what this model needs";
    case BNT_CANCELLED: return "the run was ended by the caller's poll";
    case BNT_SELF_TEST_FAILED: return "self test failed: this machine computes something else than the packer did";
  }
  return "unknown status";
}

}  // extern "C"
