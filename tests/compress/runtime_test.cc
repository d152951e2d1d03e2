// The C interface: memory to the byte, arguments, lanes, self test.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <set>

#include "compress/pack/pack.h"
#include "compress/pack/packed_file.h"
#include "compress/runtime/bnt.h"
#include "compress/runtime/execute.h"
#include "compress/runtime/families.h"
#include "core/parallel.h"
#include "nn/models/models.h"
#include "nn/quantize.h"
#include "tests/compress/random_net.h"
#include "tests/compress/sample_file.h"
#include "tests/nn/forms.h"
#include "tests/ops/kernels/values.h"

using namespace bantam;

namespace {

// Memory on 64 bytes with canaries on both sides.
class Guarded {
 public:
  explicit Guarded(size_t size) : size_(size), all_(size + 3 * kGuard, kCanary) {
    uint8_t* p = all_.data() + kGuard;
    data_ = p + (64 - reinterpret_cast<uintptr_t>(p) % 64) % 64;
  }
  Guarded(const Guarded&) = delete;
  uint8_t* data() { return data_; }
  size_t size() const { return size_; }
  bool intact() const {
    for (const uint8_t* p = all_.data(); p < all_.data() + all_.size(); ++p)
      if ((p < data_ || p >= data_ + size_) && *p != kCanary) return false;
    return true;
  }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr uint8_t kCanary = 0xC5;
  size_t size_;
  std::vector<uint8_t> all_;
  uint8_t* data_;
};

std::vector<uint8_t> packed_net(const NetSpec& spec, std::vector<uint8_t> test_image = {}) {
  Net model(spec);
  randomize(&model, 11);
  return pack(model, {random_lut(3, 1), {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}, std::move(test_image)});
}
std::vector<uint8_t> packed_net(Form form, std::vector<uint8_t> test_image = {}) {
  return packed_net(cifar_net("resnet14", form, 0.25), std::move(test_image));
}
// Weights and activations as codes of 3 and 2 bits: thresholds for codes, pooled ones too.
std::vector<uint8_t> packed_codes() {
  QuantRecipe codes;
  codes.weight = {.scheme = Scheme::kTanh, .bits = 3}, codes.activation = {.scheme = Scheme::kRelu, .bits = 2};
  return packed_net(quantize(build_model("vgg11", {.width = 0.25, .h = 32, .w = 32, .c = 3}), codes));
}

// A file loaded by hand, as an embedded program does it.
struct Loaded {
  explicit Loaded(const std::vector<uint8_t>& bytes) : file(bytes.size()) {
    memcpy(file.data(), bytes.data(), bytes.size());
    REQUIRE(bnt_probe(file.data(), file.size(), &info, nullptr) == BNT_OK);
    mem = std::make_unique<Guarded>(info.model_bytes);
    REQUIRE(bnt_load(file.data(), file.size(), mem->data(), mem->size(), &model, nullptr) == BNT_OK);
  }
  Guarded file;
  std::unique_ptr<Guarded> mem;
  bnt_info info{};
  bnt_model model{};
};

}  // namespace

TEST_CASE("runtime: with N bytes of arena a net runs and touches nothing outside, N - 1 are refused") {
  for (const auto& file : {packed_net(Form::kBnn), packed_net(Form::kBinaryConnect), packed_codes()}) {
    Loaded l(file);
    const std::vector<uint8_t> x = random_bytes(2 * 32 * 32 * 3, 5);
    for (uint32_t lanes : {1u, 3u}) {
      const size_t n = l.info.arena_base + size_t(lanes) * l.info.arena_per_lane;
      Guarded arena(n);
      bnt_session session;
      bnt_parallel parallel = {nullptr, lanes,
                               [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                 for (uint32_t t = 0; t < tasks; ++t) task(context, t, t % 3);  // every lane's scratch
                               }};
      const bnt_parallel* p = lanes == 1 ? nullptr : &parallel;
      CHECK(bnt_open(&l.model, arena.data(), n - 1, p, &session) == BNT_ARENA_TOO_SMALL);
      CHECK(bnt_open(&l.model, arena.data(), 0, p, &session) == BNT_ARENA_TOO_SMALL);
      REQUIRE(bnt_open(&l.model, arena.data(), n, p, &session) == BNT_OK);
      std::vector<float> scores(20);
      REQUIRE(bnt_run(&session, x.data(), 2, scores.data(), 20) == BNT_OK);
      CHECK(arena.intact());
      CHECK(l.mem->intact());
      CHECK(l.file.intact());
    }
  }
}

TEST_CASE("runtime: with model_bytes of memory a net loads, with one less it is refused") {
  Loaded l(packed_net(Form::kBnn));
  REQUIRE(l.info.model_bytes > 0);
  bnt_model model;
  Guarded mem(l.info.model_bytes);
  CHECK(bnt_load(l.file.data(), l.file.size(), mem.data(), mem.size() - 1, &model, nullptr) == BNT_MEM_TOO_SMALL);
  CHECK(bnt_load(l.file.data(), l.file.size(), nullptr, mem.size(), &model, nullptr) == BNT_BAD_ARGUMENT);
}

TEST_CASE("runtime: memory that does not start on 64 bytes is refused") {
  Loaded l(packed_net(Form::kBnn));
  Guarded big(l.file.size() + 64), arena(l.info.arena_base + l.info.arena_per_lane + 64);
  memcpy(big.data() + 8, l.file.data(), l.file.size());
  bnt_info info;
  bnt_model model;
  bnt_session session;
  CHECK(bnt_probe(big.data() + 8, l.file.size(), &info, nullptr) == BNT_MISALIGNED);
  CHECK(bnt_load(l.file.data(), l.file.size(), big.data() + 8, l.info.model_bytes, &model, nullptr) == BNT_MISALIGNED);
  CHECK(bnt_open(&l.model, arena.data() + 32, arena.size() - 32, nullptr, &session) == BNT_MISALIGNED);
}

TEST_CASE("runtime: calls with wrong arguments or out of order are refused") {
  Loaded l(packed_net(Form::kBnn));
  Guarded arena(l.info.arena_base + l.info.arena_per_lane);
  bnt_session session = {}, opened;
  bnt_model nothing = {};
  bnt_info info;
  const std::vector<uint8_t> x = random_bytes(3072, 5);
  float scores[10];
  CHECK(bnt_probe(nullptr, 10, &info, nullptr) == BNT_BAD_ARGUMENT);
  CHECK(bnt_probe(l.file.data(), l.file.size(), nullptr, nullptr) == BNT_BAD_ARGUMENT);
  CHECK(bnt_open(&nothing, arena.data(), arena.size(), nullptr, &session) == BNT_BAD_ARGUMENT);
  CHECK(bnt_run(&session, x.data(), 1, scores, 10) == BNT_BAD_ARGUMENT);
  const bnt_parallel no_lanes = {nullptr, 0, nullptr};
  CHECK(bnt_open(&l.model, arena.data(), arena.size(), &no_lanes, &session) == BNT_BAD_ARGUMENT);
  REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), nullptr, &opened) == BNT_OK);
  CHECK(bnt_run(&opened, x.data(), 1, scores, 9) == BNT_BAD_ARGUMENT);
  CHECK(bnt_run(&opened, x.data(), 2, scores, 10) == BNT_BAD_ARGUMENT);
  CHECK(bnt_run(&opened, nullptr, 1, scores, 10) == BNT_BAD_ARGUMENT);
  CHECK(bnt_run(&opened, nullptr, 0, nullptr, 0) == BNT_OK);
  CHECK(bnt_run_traced(&opened, x.data(), scores, 10, nullptr, nullptr) == BNT_BAD_ARGUMENT);
  CHECK(bnt_set_switch(&opened, 0) == BNT_OK);
  CHECK(bnt_set_switch(&opened, 1) == BNT_BAD_ARGUMENT);
  bnt_switch s;
  CHECK(bnt_get_switch(&l.model, 0, &s) == BNT_OK);
  CHECK(s.weight_bits == 1);
  CHECK(s.act_bits == 1);
  CHECK(bnt_get_switch(&l.model, 1, &s) == BNT_BAD_ARGUMENT);
  CHECK(std::string(bnt_class_name(&l.model, 2)) == "c");
  CHECK(bnt_class_name(&l.model, 10) == nullptr);
  CHECK(std::string(bnt_op_name(&l.model, 0)) == "input");
  CHECK(bnt_op_name(&l.model, l.info.ops) == nullptr);
  bnt_input_spec in;
  CHECK(bnt_get_input_spec(&l.model, &in) == BNT_OK);
  CHECK(in.lut[256 + 7] == random_lut(3, 1)[256 + 7]);
  std::set<std::string> texts;
  for (int i = 0; i <= int(BNT_CANCELLED); ++i) texts.insert(bnt_status_text(bnt_status(i)));
  CHECK(texts.size() == 1 + size_t(BNT_CANCELLED));
  CHECK(texts.count("unknown status") == 0);
  CHECK(bnt_set_poll(&session, nullptr, nullptr) == BNT_BAD_ARGUMENT);
  CHECK(bnt_set_poll(nullptr, nullptr, nullptr) == BNT_BAD_ARGUMENT);
  CHECK(bnt_metadata(&nothing, "board") == nullptr);
  CHECK(bnt_metadata(&l.model, nullptr) == nullptr);
  CHECK(bnt_metadata(&l.model, "board") == nullptr);
  CHECK(bnt_metadata_key(&nothing, 0) == nullptr);
  CHECK(bnt_metadata_key(&l.model, 0) == nullptr);
  CHECK(std::string(bnt_version()) == BNT_VERSION);
}

TEST_CASE("runtime: metadata is found by its key, and its keys by their index") {
  Loaded l(packed::sample_builder().bytes());
  CHECK(std::string(bnt_metadata(&l.model, "board")) == "v");
  CHECK(std::string(bnt_metadata(&l.model, "note")) ==
        "25 \xC2\xB0"
        "C, \xE2\x9C\x93");
  CHECK(std::string(bnt_metadata(&l.model, "note.2")).empty());
  for (const char* key : {"", "boar", "boards", "note.", "note.22", "v"}) CHECK(bnt_metadata(&l.model, key) == nullptr);
  CHECK(std::string(bnt_metadata_key(&l.model, 0)) == "board");
  CHECK(std::string(bnt_metadata_key(&l.model, 2)) == "note.2");
  CHECK(bnt_metadata_key(&l.model, 3) == nullptr);
}

namespace {

// Answers 1 so many times, then 0.
struct Countdown {
  uint32_t left, asked = 0;
  static int ask(void* user) {
    Countdown& c = *static_cast<Countdown*>(user);
    ++c.asked;
    return c.left > 0 ? (--c.left, 1) : 0;
  }
};

}  // namespace

TEST_CASE("runtime: a poll ends a run before any operation of any image, and the session runs again") {
  const std::vector<uint8_t> test_image = random_bytes(3072, 9);
  Loaded l(packed_net(Form::kBnn, test_image));
  const std::vector<uint8_t> x = random_bytes(2 * 3072, 5);
  for (uint32_t lanes : {1u, 2u}) {
    set_threads(int(lanes));
    Guarded arena(l.info.arena_base + size_t(lanes) * l.info.arena_per_lane);
    const bnt_parallel parallel = {nullptr, lanes,
                                   [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                     parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int lane) {
                                       for (int64_t t = begin; t < end; ++t) task(context, uint32_t(t), uint32_t(lane));
                                     });
                                   }};
    bnt_session session;
    REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), &parallel, &session) == BNT_OK);
    std::vector<float> want(20);
    REQUIRE(bnt_run(&session, x.data(), 2, want.data(), 20) == BNT_OK);
    for (uint32_t stop = 0; stop < 2 * l.info.ops; ++stop) {
      Countdown countdown{stop};
      REQUIRE(bnt_set_poll(&session, Countdown::ask, &countdown) == BNT_OK);
      std::vector<float> scores(20, -1.0f);
      REQUIRE(bnt_run(&session, x.data(), 2, scores.data(), 20) == BNT_CANCELLED);
      CHECK(countdown.asked == stop + 1);
      const size_t done = stop < l.info.ops ? 0 : 10;
      CHECK(std::equal(scores.begin(), scores.begin() + std::ptrdiff_t(done), want.begin()));
      CHECK(std::count(scores.begin() + std::ptrdiff_t(done), scores.end(), -1.0f) == std::ptrdiff_t(20 - done));
    }
    Countdown enough{2 * l.info.ops};
    std::vector<float> scores(20);
    REQUIRE(bnt_set_poll(&session, Countdown::ask, &enough) == BNT_OK);
    REQUIRE(bnt_run(&session, x.data(), 2, scores.data(), 20) == BNT_OK);
    CHECK(scores == want);
    CHECK(enough.asked == 2 * l.info.ops);
    CHECK(bnt_self_test(&session) == BNT_CANCELLED);  // nothing is left of the countdown
    REQUIRE(bnt_set_poll(&session, nullptr, nullptr) == BNT_OK);
    CHECK(bnt_self_test(&session) == BNT_OK);
    CHECK(enough.asked == 2 * l.info.ops + 1);
    CHECK(arena.intact());
  }
  set_threads(0);
}

TEST_CASE("runtime: a traced run that a poll ends shows what was done before, and no poll is set while a run lasts") {
  Loaded l(packed_net(Form::kBnn));
  Guarded arena(l.info.arena_base + l.info.arena_per_lane);
  bnt_session session;
  REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), nullptr, &session) == BNT_OK);
  const std::vector<uint8_t> x = random_bytes(3072, 5);
  struct Call {
    bnt_session* session;
    int shown = 0, left = 3;
    bnt_status nested = BNT_OK;
  } call = {&session};
  float scores[10];
  std::fill(scores, scores + 10, -1.0f);
  const auto keep_going = [](void* user) -> int {
    Call& c = *static_cast<Call*>(user);
    c.nested = bnt_set_poll(c.session, nullptr, nullptr);
    return c.left-- > 0;
  };
  REQUIRE(bnt_set_poll(&session, keep_going, &call) == BNT_OK);
  CHECK(bnt_run_traced(
            &session, x.data(), scores, 10, [](void* user, const bnt_view*) { ++static_cast<Call*>(user)->shown; },
            &call) == BNT_CANCELLED);
  CHECK(call.nested == BNT_BUSY);
  CHECK(call.shown >= 3);
  CHECK(call.shown <= 6);  // three operations, of one or two tensors
  CHECK(scores[9] == -1.0f);
}

TEST_CASE("runtime: 1 to 8 lanes on real threads give the same bytes") {
  for (const auto& file : {packed_net(Form::kBnn), packed_codes()}) {
    Loaded l(file);
    const std::vector<uint8_t> x = random_bytes(3 * 3072, 5);
    std::vector<float> want;
    for (uint32_t lanes = 1; lanes <= 8; ++lanes) {
      set_threads(int(lanes));
      Guarded arena(l.info.arena_base + size_t(lanes) * l.info.arena_per_lane);
      const bnt_parallel parallel = {nullptr, lanes,
                                     [](void*, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
                                       parallel_for(tasks, 1, [&](int64_t begin, int64_t end, int lane) {
                                         for (int64_t t = begin; t < end; ++t)
                                           task(context, uint32_t(t), uint32_t(lane));
                                       });
                                     }};
      bnt_session session;
      REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), &parallel, &session) == BNT_OK);
      std::vector<float> scores(30);
      REQUIRE(bnt_run(&session, x.data(), 3, scores.data(), 30) == BNT_OK);
      if (lanes == 1) want = scores;
      CHECK(memcmp(scores.data(), want.data(), 30 * 4) == 0);
    }
  }
  set_threads(0);
}

TEST_CASE("runtime: what lay in the arena before does not matter, nor does the image before") {
  for (const auto& file : {packed_net(Form::kBnn), packed_codes()}) {
    Loaded l(file);
    const std::vector<uint8_t> x = random_bytes(2 * 3072, 5);
    std::vector<float> first(20), again(20);
    for (uint8_t fill : {uint8_t(0), uint8_t(0xFF)}) {
      Guarded arena(l.info.arena_base + l.info.arena_per_lane);
      memset(arena.data(), fill, arena.size());
      bnt_session session;
      REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), nullptr, &session) == BNT_OK);
      REQUIRE(bnt_run(&session, x.data(), 2, (fill ? again : first).data(), 20) == BNT_OK);
      float second[10];
      REQUIRE(bnt_run(&session, x.data() + 3072, 1, second, 10) == BNT_OK);
      CHECK(memcmp(second, first.data() + 10, sizeof second) == 0);
    }
    CHECK(memcmp(first.data(), again.data(), 80) == 0);
  }
}

TEST_CASE("runtime: the self test passes, and fails when the stored scores are not this machine's") {
  const std::vector<uint8_t> x = random_bytes(3072, 5);
  std::vector<uint8_t> file = packed_net(Form::kBnn, x);
  for (bool spoil : {false, true}) {
    if (spoil) {
      const auto h = packed::read_record<packed::Header>(file.data());
      file[h.self_test + 3072] ^= 1;
      packed::seal(&file);
    }
    Loaded l(file);
    Guarded arena(l.info.arena_base + l.info.arena_per_lane);
    bnt_session session;
    REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), nullptr, &session) == BNT_OK);
    CHECK(bnt_self_test(&session) == (spoil ? BNT_SELF_TEST_FAILED : BNT_OK));
    CHECK(arena.intact());
  }
  CHECK(packed::kernels_are_sane());
}

TEST_CASE("runtime: the hand-made sample runs, its first layer and the one with a table worked out by hand") {
  const std::vector<uint8_t> bytes = packed::sample_builder().bytes();
  Loaded l(bytes);
  Guarded arena(l.info.arena_base + l.info.arena_per_lane);
  bnt_session session;
  REQUIRE(bnt_open(&l.model, arena.data(), arena.size(), nullptr, &session) == BNT_OK);
  const std::vector<uint8_t> x = random_bytes(32, 5);
  float scores[3];
  struct Seen {
    int tensors = 0;
    bool first_right = true;
    float u[3] = {}, v[3] = {};
  } seen;
  REQUIRE(bnt_run_traced(
              &session, x.data(), scores, 3,
              [](void* user, const bnt_view* v) {
                Seen& s = *static_cast<Seen*>(user);
                ++s.tensors;
                // Every input is 0.25, every weight 0.5; 3x3 pooling windows of the padded convolution all reach a full
                // window: 18 * 0.125 + bias 0.125.
                if (strcmp(v->name, "a") == 0)
                  for (int i = 0; i < 27; ++i)
                    s.first_right = s.first_right && static_cast<const float*>(v->data)[i] == 2.375f;
                if (strcmp(v->name, "u") == 0) memcpy(s.u, v->data, sizeof s.u);
                if (strcmp(v->name, "v") == 0) memcpy(s.v, v->data, sizeof s.v);
              },
              &seen) == BNT_OK);
  CHECK(seen.tensors == 30);
  CHECK(seen.first_right);
  // Rows 0x31 0x0C of 4 bits are numbers 1, 3, 12, looked up and multiplied by their kernel's scale.
  const std::vector<float> table = packed::sample_table(), scales = packed::sample_scales();
  const int numbers[3] = {1, 3, 12};
  for (int k = 0; k < 3; ++k) {
    float sum = 0;
    for (int c = 0; c < 3; ++c) sum = std::fma(seen.u[c], table[size_t(numbers[c])] * scales[size_t(k * 3 + c)], sum);
    CHECK(seen.v[k] == sum);
    CHECK(sum != 0);
  }
  CHECK(arena.intact());
}

TEST_CASE("families: the library's list has each of them once, by its name") {
  uint32_t seen = 0;
  for (const bnt_family* const* f = bnt_families; *f; ++f) {
    const uint32_t bit = 1u << uint32_t((*f)->id);
    CHECK((seen & bit) == 0);
    seen |= bit;
  }
  CHECK(seen == (1u << packed::kFamilies) - 1);
  // The name that `inspect --families` prints is the object's.
#define BANTAM_NAMED(NAME) CHECK(std::string(packed::kFamilyNames[uint32_t(bnt_family_##NAME.id)]) == #NAME)
  BANTAM_NAMED(float_conv);
  BANTAM_NAMED(depthwise);
  BANTAM_NAMED(binary_conv);
  BANTAM_NAMED(code_conv);
  BANTAM_NAMED(bits);
  BANTAM_NAMED(codes);
  BANTAM_NAMED(bias);
  BANTAM_NAMED(affine);
  BANTAM_NAMED(relu);
  BANTAM_NAMED(prelu);
  BANTAM_NAMED(hardtanh);
  BANTAM_NAMED(hard_swish);
  BANTAM_NAMED(add);
  BANTAM_NAMED(max_pool);
  BANTAM_NAMED(global_average);
  BANTAM_NAMED(adaptive_average);
  BANTAM_NAMED(average_pool);
  BANTAM_NAMED(sigmoid);
  BANTAM_NAMED(tanh);
  BANTAM_NAMED(softmax);
  BANTAM_NAMED(mul);
  BANTAM_NAMED(concat);
  BANTAM_NAMED(steps);
#undef BANTAM_NAMED
}
