#include "core/pool.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include "core/recycled.h"

namespace bantam {
namespace {

constexpr size_t kAlignment = 64;

// Size classes, in order: 64, 128, ... 512, then eight a doubling.
constexpr size_t kClasses = 8 + 8 * (64 - 9) + 1;
[[maybe_unused]] size_t class_number(size_t class_bytes) {  // a build without the pool needs none
  if (class_bytes <= 8 * kAlignment) return class_bytes / kAlignment;
  const size_t below = std::bit_floor(class_bytes - 1);
  return 8 * size_t(std::countr_zero(below) - 9) + 8 + (class_bytes - below) / (below / 8);
}
size_t class_of_number(size_t number) {
  if (number <= 8) return number * kAlignment;
  const size_t below = size_t(512) << (number - 9) / 8;
  return below + ((number - 9) % 8 + 1) * (below / 8);
}

struct Pool {
  std::mutex mutex;
  std::vector<void*> free_lists[kClasses];  // by number of the size class
  PoolStats stats;
};

// Never destroyed: buffers of static lifetime may outlive any order of destruction.
Pool& pool() {
  static Pool* p = new Pool;
  return *p;
}

struct Trace {
  std::vector<AllocEvent> events;
  uint64_t clock = 0;
};

thread_local int t_dry_run = 0;
thread_local const char* t_what = nullptr;
thread_local const std::string* t_who = nullptr;
thread_local Trace* t_trace = nullptr;

void count_alloc(PoolStats& s, size_t bytes) {
  s.live_bytes += bytes;
  if (s.live_bytes > s.high_water_bytes) s.high_water_bytes = s.live_bytes;
}

}  // namespace

size_t size_class(size_t bytes) {
  if (bytes <= kAlignment) return kAlignment;
  // Eight classes a doubling, none finer than the alignment.
  const size_t step = std::max(kAlignment, std::bit_floor(bytes - 1) / 8);
  return (bytes + step - 1) / step * step;
}

Buffer::Buffer(size_t bytes, bool with_memory) : bytes_(bytes), class_bytes_(size_class(bytes)) {
  Pool& p = pool();
  {
    std::lock_guard lock(p.mutex);
    if (with_memory) {
#ifndef BANTAM_POOL_OFF
      auto& list = p.free_lists[class_number(class_bytes_)];
      if (!list.empty()) {
        data_ = list.back();
        list.pop_back();
      }
#endif
    }
    if (!with_memory || data_) count_alloc(p.stats, class_bytes_);
  }
  if (with_memory && !data_) {
    data_ = std::aligned_alloc(kAlignment, class_bytes_);
    if (!data_) {
      release_free_buffers();  // other classes may hold what is missing here
      data_ = std::aligned_alloc(kAlignment, class_bytes_);
      if (!data_) throw std::bad_alloc();
    }
    std::lock_guard lock(p.mutex);
    count_alloc(p.stats, class_bytes_);
    p.stats.reserved_bytes += class_bytes_;
    ++p.stats.mallocs;
  }
  if (t_trace) {
    trace_id_ = t_trace->events.size() + 1;
    t_trace->events.push_back({t_who ? *t_who : "", t_what ? t_what : "", class_bytes_, t_trace->clock++, UINT64_MAX});
  }
}

Buffer::~Buffer() {
  Pool& p = pool();
  {
    std::lock_guard lock(p.mutex);
    p.stats.live_bytes -= class_bytes_;
    if (data_) {
#ifndef BANTAM_POOL_OFF
      p.free_lists[class_number(class_bytes_)].push_back(data_);
#else
      p.stats.reserved_bytes -= class_bytes_;
      std::free(data_);
#endif
    }
  }
  if (t_trace && trace_id_ && trace_id_ <= t_trace->events.size())
    t_trace->events[trace_id_ - 1].died = t_trace->clock++;
}

BufferPtr allocate(size_t bytes) { return make_recycled<Buffer>(bytes, t_dry_run == 0); }

PoolStats pool_stats() {
  std::lock_guard lock(pool().mutex);
  return pool().stats;
}

void reset_high_water() {
  std::lock_guard lock(pool().mutex);
  pool().stats.high_water_bytes = pool().stats.live_bytes;
}

void release_free_buffers() {
  Pool& p = pool();
  std::lock_guard lock(p.mutex);
  for (size_t number = 0; number < kClasses; ++number) {
    std::vector<void*>& list = p.free_lists[number];
    for (void* data : list) std::free(data);
    p.stats.reserved_bytes -= class_of_number(number) * list.size();
    list.clear();
  }
}

DryRun::DryRun() { ++t_dry_run; }
DryRun::~DryRun() { --t_dry_run; }
bool dry_run() { return t_dry_run != 0; }

AllocLabel::AllocLabel(const char* what, const std::string* who) : old_what_(t_what), old_who_(t_who) {
  t_what = what;
  if (who) t_who = who;
}
AllocLabel::~AllocLabel() {
  t_what = old_what_;
  t_who = old_who_;
}

void start_alloc_trace() {
  delete t_trace;
  t_trace = new Trace;
}

std::vector<AllocEvent> stop_alloc_trace() {
  if (!t_trace) return {};
  std::vector<AllocEvent> events = std::move(t_trace->events);
  delete t_trace;
  t_trace = nullptr;
  return events;
}

}  // namespace bantam
