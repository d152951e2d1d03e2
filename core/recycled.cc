#include "core/recycled.h"

#include <bit>
#include <mutex>
#include <new>

namespace bantam {

#ifdef BANTAM_POOL_OFF

void* take_block(size_t bytes) { return ::operator new(bytes); }
void give_block(void* block, size_t) noexcept { ::operator delete(block); }

#else

namespace {

// Blocks of 32, 64, ... 512 Ki bytes: what is larger is no small thing, and comes from the system.
constexpr size_t kSmallest = 32;
constexpr int kSizes = 15;
int number_of(size_t bytes) { return bytes <= kSmallest ? 0 : int(std::bit_width(bytes - 1)) - 5; }

struct Block {
  Block* next;
};
struct Stack {
  Block* top = nullptr;
  int size = 0;

  void push(void* p) {
    top = new (p) Block{top};
    ++size;
  }
  void* pop() {
    Block* p = top;
    top = p->next;
    --size;
    return p;
  }
};

// Each thread has some blocks of its own; what one thread takes and another gives back goes round through the common
// ones.
constexpr int kOwn = 256;
struct Common {
  std::mutex mutex;
  Stack stacks[kSizes];
};
// Never destroyed: what has static lifetime may outlive any order of destruction.
Common& common() {
  static Common* c = new Common;
  return *c;
}

constinit thread_local Stack t_own[kSizes];
constinit thread_local bool t_over = false;  // the thread ends: its blocks have gone to the others

struct AtThreadEnd {
  ~AtThreadEnd() {
    t_over = true;
    Common& c = common();
    const std::lock_guard lock(c.mutex);
    for (int i = 0; i < kSizes; ++i)
      while (t_own[i].top) c.stacks[i].push(t_own[i].pop());
  }
};

void mind_thread_end() {
  thread_local AtThreadEnd at_end;
  (void)at_end;
}

void* take_elsewhere(int number) {
  mind_thread_end();
  Common& c = common();
  {
    const std::lock_guard lock(c.mutex);
    if (c.stacks[number].top) return c.stacks[number].pop();
  }
  return ::operator new(kSmallest << number);
}

}  // namespace

void* take_block(size_t bytes) {
  const int number = number_of(bytes);
  if (number >= kSizes) return ::operator new(bytes);
  return t_own[number].top ? t_own[number].pop() : take_elsewhere(number);
}

void give_block(void* block, size_t bytes) noexcept {
  const int number = number_of(bytes);
  if (number >= kSizes) return ::operator delete(block);
  if (t_own[number].size < kOwn && !t_over) {
    if (!t_own[number].top) mind_thread_end();
    return t_own[number].push(block);
  }
  Common& c = common();
  const std::lock_guard lock(c.mutex);
  c.stacks[number].push(block);
}

#endif

}  // namespace bantam
