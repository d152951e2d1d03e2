#include "core/parallel.h"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/pool.h"

using namespace bantam;

namespace {
struct Threads {
  explicit Threads(int n) : old(threads()) { set_threads(n); }
  ~Threads() { set_threads(old); }
  int old;
};
}  // namespace

TEST_CASE("parallel_for: every index once, chunks of the grain, lanes below threads()") {
  for (int n : {1, 2, 3, 8}) {
    Threads use(n);
    std::vector<std::atomic<int>> seen(1003);
    std::atomic<int> bad{0};
    parallel_for(1003, 10, [&](int64_t b, int64_t e, int lane) {
      if (b % 10 || (e - b != 10 && e != 1003) || lane < 0 || lane >= threads()) ++bad;
      for (int64_t i = b; i < e; ++i) ++seen[size_t(i)];
    });
    for (auto& s : seen) CHECK(s == 1);
    CHECK(bad == 0);
  }
}

TEST_CASE("parallel_for: no two chunks that run together share a lane") {
  Threads use(4);
  std::vector<std::atomic<int>> busy(kMaxThreads);
  std::atomic<int> clashes{0};
  parallel_for(2000, 1, [&](int64_t, int64_t, int lane) {
    if (busy[size_t(lane)]++) ++clashes;
    std::this_thread::yield();  // time for another chunk to come in between
    --busy[size_t(lane)];
  });
  CHECK(clashes == 0);
}

TEST_CASE("parallel_for: an exception reaches the caller, and the next loop works") {
  Threads use(3);
  CHECK_THROWS_AS(parallel_for(100, 1, [&](int64_t b, int64_t, int) {
                    if (b == 50) throw std::runtime_error("fifty");
                  }),
                  std::runtime_error);
  std::atomic<int> count{0};
  parallel_for(100, 1, [&](int64_t, int64_t, int) { ++count; });
  CHECK(count == 100);
}

TEST_CASE("parallel_for: nested loops run on the lane they are in") {
  Threads use(3);
  std::atomic<int> bad{0}, total{0};
  parallel_for(20, 1, [&](int64_t, int64_t, int lane) {
    parallel_for(10, 1, [&](int64_t, int64_t, int inner) {
      bad += inner != lane;
      ++total;
    });
  });
  CHECK(bad == 0);
  CHECK(total == 200);
}

TEST_CASE("parallel_sum: the same bits for any number of threads") {
  std::vector<double> v(100000);
  for (size_t i = 0; i < v.size(); ++i) v[i] = 1.0 / double(i + 1);
  auto sum = [&] {
    return parallel_sum(int64_t(v.size()), 1000, [&](int64_t b, int64_t e) {
      double s = 0;
      for (int64_t i = b; i < e; ++i) s += v[size_t(i)];
      return s;
    });
  };
  double one = 0;
  {
    Threads use(1);
    one = sum();
  }
  for (int n : {2, 3, 8}) {
    Threads use(n);
    CHECK(sum() == one);
  }
}

TEST_CASE("parallel_for: runs nothing in a dry run") {
  DryRun dry;
  int count = 0;
  parallel_for(10, 1, [&](int64_t, int64_t, int) { ++count; });
  CHECK(count == 0);
}
