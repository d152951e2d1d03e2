// What the runtime notices about its caller and its machine while it runs.
#include <doctest/doctest.h>

#include <cfenv>
#include <cstring>
#include <vector>

#include "compress/pack/packed_model.h"
#include "compress/runtime/bnt.h"
#include "tests/compress/sample_file.h"

using namespace bantam;
using namespace bantam::packed;

namespace {

struct Session {
  explicit Session(const bnt_parallel* parallel = nullptr) : model(sample_builder().bytes()) {
    const size_t bytes = model.info().arena_base + size_t(parallel ? parallel->lanes : 1) * model.info().arena_per_lane;
    memory.resize(bytes + BNT_ALIGN);
    arena = memory.data() + (BNT_ALIGN - reinterpret_cast<uintptr_t>(memory.data()) % BNT_ALIGN) % BNT_ALIGN;
    opened = bnt_open(&model.model(), arena, bytes, parallel, &session);
    image.assign(size_t(model.info().h) * model.info().w * model.info().c, 100);
    scores.resize(model.info().classes);
  }
  bnt_status run() { return bnt_run(&session, image.data(), 1, scores.data(), scores.size()); }

  PackedModel model;
  std::vector<uint8_t> memory, image;
  uint8_t* arena;
  bnt_session session;
  bnt_status opened;
  std::vector<float> scores;
};

enum class How { kEach, kLeavesOut, kTwice, kSwaps };
struct Caller {
  How how;
};
void run_tasks(void* user, uint32_t tasks, void (*task)(void*, uint32_t, uint32_t), void* context) {
  const How how = static_cast<Caller*>(user)->how;
  for (uint32_t t = 0; t < tasks; ++t) {
    if (how == How::kLeavesOut && t + 1 == tasks) continue;
    task(context, how == How::kSwaps && t + 1 == tasks ? 0 : t, t % 2);  // the first once more in place of the last
    if (how == How::kTwice && t == 0) task(context, t, 0);
  }
}

TEST_CASE("runtime: a caller's run that leaves out a task, repeats one, or both, is told so") {
  Session alone;
  REQUIRE(alone.run() == BNT_OK);
  for (How how : {How::kEach, How::kLeavesOut, How::kTwice, How::kSwaps}) {
    Caller caller{how};
    const bnt_parallel parallel{&caller, 2, run_tasks};
    Session s(&parallel);
    REQUIRE(s.opened == BNT_OK);
    CHECK(s.run() == (how == How::kEach ? BNT_OK : BNT_BAD_PARALLEL));
    if (how == How::kEach) CHECK(memcmp(s.scores.data(), alone.scores.data(), s.scores.size() * 4) == 0);
  }
}

TEST_CASE("runtime: a second call on a session that runs is BNT_BUSY, and the first goes on") {
  Session s;
  int calls = 0;
  struct Context {
    Session* s;
    int* calls;
  } context{&s, &calls};
  const bnt_tap tap = [](void* user, const bnt_view*) {
    const Context& c = *static_cast<Context*>(user);
    std::vector<float> scores(c.s->scores.size());
    CHECK(bnt_run(&c.s->session, c.s->image.data(), 1, scores.data(), scores.size()) == BNT_BUSY);
    ++*c.calls;
  };
  CHECK(bnt_run_traced(&s.session, s.image.data(), s.scores.data(), s.scores.size(), tap, &context) == BNT_OK);
  CHECK(calls > 0);
  CHECK(s.run() == BNT_OK);
}

TEST_CASE("runtime: a thread that rounds otherwise opens no session") {
  const int before = fegetround();
  for (int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    Session s;
    const bnt_info& info = s.model.info();
    bnt_session other;
    fesetround(mode);
    const bnt_status status =
        bnt_open(&s.model.model(), s.arena, info.arena_base + info.arena_per_lane, nullptr, &other);
    fesetround(before);
    CHECK(status == BNT_BAD_ROUNDING);
  }
}

}  // namespace
