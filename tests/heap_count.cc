#include "tests/heap_count.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>

#if defined(BANTAM_POOL_OFF) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BANTAM_COUNTS_HEAP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define BANTAM_COUNTS_HEAP 0
#endif
#endif
#if !defined(BANTAM_COUNTS_HEAP) && defined(__GLIBC__)
#define BANTAM_COUNTS_HEAP 1
#endif

#if BANTAM_COUNTS_HEAP
#include <link.h>
#endif

namespace {

[[maybe_unused]] std::atomic<bool> g_counts{false};
std::atomic<uint64_t> g_ours{0}, g_tbb{0};
std::atomic<size_t> g_largest{0};

#if BANTAM_COUNTS_HEAP
uintptr_t g_tbb_begin = 0, g_tbb_end = 0;  // where its code lies

int find_tbb(dl_phdr_info* info, size_t, void*) {
  if (!std::strstr(info->dlpi_name, "libtbb")) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
    g_tbb_begin = info->dlpi_addr + segment.p_vaddr;
    g_tbb_end = g_tbb_begin + segment.p_memsz;
  }
  return 1;
}

void count(void* caller, size_t bytes) {
  if (!g_counts.load(std::memory_order_relaxed)) return;
  const uintptr_t at = reinterpret_cast<uintptr_t>(caller);
  if (at >= g_tbb_begin && at < g_tbb_end) {
    ++g_tbb;
    return;
  }
  ++g_ours;
  size_t largest = g_largest;
  while (bytes > largest && !g_largest.compare_exchange_weak(largest, bytes)) {
  }
}
#endif

}  // namespace

#if BANTAM_COUNTS_HEAP
// glibc's page "Replacing malloc": these stand before its own; the library's are reached by their other names. free()
// stays.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t n) {
  count(__builtin_return_address(0), n);
  return __libc_malloc(n);
}
void* calloc(size_t n, size_t size) {
  count(__builtin_return_address(0), n * size);
  return __libc_calloc(n, size);
}
void* realloc(void* p, size_t n) {
  count(__builtin_return_address(0), n);
  return __libc_realloc(p, n);
}
void* memalign(size_t alignment, size_t n) {
  count(__builtin_return_address(0), n);
  return __libc_memalign(alignment, n);
}
void* aligned_alloc(size_t alignment, size_t n) {
  count(__builtin_return_address(0), n);
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** p, size_t alignment, size_t n) {
  count(__builtin_return_address(0), n);
  *p = __libc_memalign(alignment, n);
  return *p ? 0 : ENOMEM;
}
}
#endif

namespace bantam {

bool HeapCount::works() { return BANTAM_COUNTS_HEAP; }

HeapCount::HeapCount() {
#if BANTAM_COUNTS_HEAP
  dl_iterate_phdr(find_tbb, nullptr);
#endif
  g_ours = g_tbb = 0;
  g_largest = 0;
  g_counts = true;
}
HeapCount::~HeapCount() { g_counts = false; }

uint64_t HeapCount::ours() const { return g_ours; }
uint64_t HeapCount::of_tbb() const { return g_tbb; }
size_t HeapCount::largest() const { return g_largest; }

void wake_all_threads() {
  const int n = threads();
  std::mutex mutex;
  std::condition_variable all_here;
  int here = 0;
  for (int round = 0; here < n && round < 200; ++round) {
    here = 0;
    // A chunk waits for the others, for a while: a thread that is late may find its chunk taken.
    parallel_for(n, 1, [&](int64_t, int64_t, int) {
      std::unique_lock lock(mutex);
      if (++here == n) all_here.notify_all();
      const auto complete = [&] { return here == n; };
      if (!all_here.wait_for(lock, std::chrono::milliseconds(50), complete)) --here;
    });
  }
}

}  // namespace bantam
