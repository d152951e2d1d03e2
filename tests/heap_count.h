// Counts calls of the system's allocator (malloc and its kin, operator new among them) by every thread of this process.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/parallel.h"

namespace bantam {

class HeapCount {
 public:
  // False where nothing is counted: a C library other than glibc, builds with a sanitizer, which has an allocator of
  // its own, and builds without the pool, which ask the system for everything.
  static bool works();

  HeapCount();
  ~HeapCount();
  HeapCount(const HeapCount&) = delete;
  HeapCount& operator=(const HeapCount&) = delete;

  // Allocations so far. Those that the library of threads makes for itself (oneTBB: tasks, arenas) count apart.
  uint64_t ours() const;
  uint64_t of_tbb() const;
  size_t largest() const;  // bytes of the largest of ours
};

// Returns once every thread of parallel_for has run something: what a thread allocates when it starts is no step's.
void wake_all_threads();

}  // namespace bantam
