// Memory of tensors. Buffers are 64-byte aligned, come from free lists by size class, and go back when the last tensor
// that holds them goes: once each shape of a training step has been seen, a step calls malloc for no tensor.
//
// The pool counts what is alive; its high-water mark is the figure that `bantam info --memory` predicts. A DryRun makes
// buffers without memory (data() is null) while parallel_for does nothing: the same code then tells exactly what a step
// would take, tensor by tensor, in no time and no memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bantam {

class Buffer {
 public:
  Buffer(size_t bytes, bool with_memory);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }  // null in a dry run
  size_t bytes() const { return bytes_; }  // as asked for
  size_t class_bytes() const { return class_bytes_; }  // as counted: the size class

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
  size_t class_bytes_ = 0;
  uint64_t trace_id_ = 0;
};
using BufferPtr = std::shared_ptr<Buffer>;

// Uninitialized memory. Throws std::bad_alloc when there is none.
BufferPtr allocate(size_t bytes);

// Size class of a buffer: a multiple of 64 bytes, at most 1/8 larger than asked for.
size_t size_class(size_t bytes);

struct PoolStats {
  size_t live_bytes = 0;        // in buffers that a tensor holds
  size_t high_water_bytes = 0;  // largest live_bytes since reset_high_water()
  size_t reserved_bytes = 0;    // live and free-listed: what the process really holds
  uint64_t mallocs = 0;         // calls of the system's allocator so far
};
PoolStats pool_stats();
void reset_high_water();
void release_free_buffers();

// While alive: allocate() makes buffers without memory and parallel_for() runs nothing. Per thread.
class DryRun {
 public:
  DryRun();
  ~DryRun();
  DryRun(const DryRun&) = delete;
};
bool dry_run();

// Names what is allocated while it is alive, for the memory report ("layer1.0.conv1", "saved"). Costs a pointer when no
// trace is on. Per thread; the innermost wins.
class AllocLabel {
 public:
  AllocLabel(const char* what, const std::string* who = nullptr);
  ~AllocLabel();
  AllocLabel(const AllocLabel&) = delete;

 private:
  const char* old_what_;
  const std::string* old_who_;
};

// The allocations of one thread between start and stop: for each, its size class, its label, and when (counted in
// allocations and frees) it was born and died.
struct AllocEvent {
  std::string who, what;
  size_t bytes = 0;
  uint64_t born = 0;
  uint64_t died = UINT64_MAX;  // alive when the trace stopped
};
void start_alloc_trace();
std::vector<AllocEvent> stop_alloc_trace();

}  // namespace bantam
