#include "core/parallel.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/pool.h"
#include "core/recycled.h"
#include "core/work.h"

#if BANTAM_THREADS_TBB
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#elif BANTAM_THREADS_STD
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#endif
#include <sched.h>

namespace bantam {
namespace {

// Set while this thread runs a chunk: a nested loop stays on its lane.
thread_local int t_lane = -1;

struct LaneScope {
  explicit LaneScope(int lane) : old(t_lane) { t_lane = lane; }
  ~LaneScope() { t_lane = old; }
  int old;
};

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::clamp(CPU_COUNT(&set), 1, kMaxThreads);
  return 1;
}

void run_chunk(int64_t i, int64_t n, int64_t grain, int lane, const FunctionRef<void(int64_t, int64_t, int)>& body) {
  LaneScope scope(lane);
  body(i * grain, std::min(n, (i + 1) * grain), lane);
}

#if BANTAM_THREADS_TBB

struct Backend {
  int count;
  std::unique_ptr<tbb::global_control> control;
  std::unique_ptr<tbb::task_arena> arena;

  explicit Backend(int n) { resize(n); }
  void resize(int n) {
    count = n;
    arena.reset();
    control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, size_t(n));
    arena = std::make_unique<tbb::task_arena>(n, 1);
  }
  void run(int64_t chunks, int64_t n, int64_t grain, const FunctionRef<void(int64_t, int64_t, int)>& body) {
    arena->execute([&] {
      tbb::parallel_for(
          tbb::blocked_range<int64_t>(0, chunks, 1),
          [&](const tbb::blocked_range<int64_t>& r) {
            for (int64_t i = r.begin(); i < r.end(); ++i)
              run_chunk(i, n, grain, tbb::this_task_arena::current_thread_index(), body);
          },
          tbb::simple_partitioner());
    });
  }
};

#elif BANTAM_THREADS_STD

// Workers sleep between loops; chunks are handed out by an atomic counter. The caller is lane 0.
struct Backend {
  int count = 1;
  std::vector<std::thread> workers;
  std::mutex one_loop;  // held by the thread whose loop the workers run
  std::mutex mutex;
  std::condition_variable wake, done;
  uint64_t generation = 0;
  int running = 0;
  bool stop = false;
  // The loop in progress.
  std::atomic<int64_t> next{0};
  int64_t chunks = 0, n = 0, grain = 0;
  const FunctionRef<void(int64_t, int64_t, int)>* body = nullptr;
  std::exception_ptr error;

  explicit Backend(int threads) { resize(threads); }
  ~Backend() { join(); }
  void join() {
    {
      std::lock_guard lock(mutex);
      stop = true;
    }
    wake.notify_all();
    for (auto& w : workers) w.join();
    workers.clear();
    stop = false;
  }
  void resize(int threads) {
    join();
    count = threads;
    for (int lane = 1; lane < count; ++lane)
      workers.emplace_back([this, lane, start = generation] { work(lane, start); });
  }
  void chunks_of(int lane) {
    try {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) run_chunk(i, n, grain, lane, *body);
    } catch (...) {
      next.store(chunks, std::memory_order_relaxed);
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
  void work(int lane, uint64_t seen) {
    for (;;) {
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stop || generation != seen; });
        if (stop) return;
        seen = generation;
      }
      chunks_of(lane);
      std::lock_guard lock(mutex);
      if (--running == 0) done.notify_one();
    }
  }
  void run(int64_t chunk_count, int64_t size, int64_t step, const FunctionRef<void(int64_t, int64_t, int)>& fn) {
    std::unique_lock owner(one_loop, std::try_to_lock);
    if (!owner) {  // the workers are busy with another thread's loop: this one runs on its caller alone
      for (int64_t i = 0; i < chunk_count; ++i) run_chunk(i, size, step, 0, fn);
      return;
    }
    {
      std::lock_guard lock(mutex);
      chunks = chunk_count;
      n = size;
      grain = step;
      body = &fn;
      error = nullptr;
      next.store(0, std::memory_order_relaxed);
      running = int(workers.size());
      ++generation;
    }
    wake.notify_all();
    chunks_of(0);
    std::unique_lock lock(mutex);
    done.wait(lock, [&] { return running == 0; });
    body = nullptr;
    if (error) std::rethrow_exception(error);
  }
};

#else

struct Backend {
  int count = 1;
  explicit Backend(int) {}
  void resize(int) {}
  void run(int64_t chunks, int64_t n, int64_t grain, const FunctionRef<void(int64_t, int64_t, int)>& body) {
    for (int64_t i = 0; i < chunks; ++i) run_chunk(i, n, grain, 0, body);
  }
};

#endif

Backend& backend() {
  static Backend b(usable_processors());
  return b;
}

}  // namespace

void set_threads(int n) { backend().resize(n <= 0 ? usable_processors() : std::min(n, kMaxThreads)); }
int threads() { return backend().count; }

const char* threads_backend() {
#if BANTAM_THREADS_TBB
  return "tbb";
#elif BANTAM_THREADS_STD
  return "std";
#else
  return "serial";
#endif
}

namespace {

void run_loop(int64_t n, int64_t grain, const FunctionRef<void(int64_t, int64_t, int)>& body) {
  const int64_t chunks = (n + grain - 1) / grain;
  if (t_lane >= 0 || chunks == 1 || backend().count == 1) {
    const int lane = std::max(t_lane, 0);
    for (int64_t i = 0; i < chunks; ++i) run_chunk(i, n, grain, lane, body);
    return;
  }
  backend().run(chunks, n, grain, body);
}

// Apart, so that an unobserved loop does not pay for it.
[[gnu::noinline]] void run_observed(int64_t n, int64_t grain, const FunctionRef<void(int64_t, int64_t, int)>& body,
                                    WorkObserver* observer) {
  const Work work = current_work();
  run_loop(n, grain, [&](int64_t begin, int64_t end, int lane) {
    observer->chunk_begin(lane, work);
    body(begin, end, lane);
    observer->chunk_end(lane);
  });
}

}  // namespace

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t, int)> body) {
  if (n <= 0 || dry_run()) return;
  grain = std::max<int64_t>(grain, 1);
  if (WorkObserver* observer = work_observer(); observer && t_lane < 0)
    run_observed(n, grain, body, observer);
  else
    run_loop(n, grain, body);
}

double parallel_sum(int64_t n, int64_t grain, FunctionRef<double(int64_t, int64_t)> body) {
  if (n <= 0 || dry_run()) return 0;
  grain = std::max<int64_t>(grain, 1);
  List<double> parts(size_t((n + grain - 1) / grain));
  parallel_for(n, grain, [&](int64_t b, int64_t e, int) { parts[size_t(b / grain)] = body(b, e); });
  double sum = 0;
  for (double p : parts) sum += p;
  return sum;
}

}  // namespace bantam
