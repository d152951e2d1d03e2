// Memory of the small things that a step is full of, nodes of a graph, lists of tensors, closures: blocks that are
// taken again instead of being given back to the system, so that a step calls the system's allocator for none of them
// once the first steps have been taken. (Tensors' elements have the pool, core/pool.h.) A build without the pool asks
// the system each time.
//
//   List<T>           a vector
//   make_recycled<T>  make_shared
//   Closure<R(A...)>  a std::function whose copies share what they call
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace bantam {

// A block aligned as operator new aligns; throws std::bad_alloc. It may be given back by another thread, with the same
// size.
void* take_block(size_t bytes);
void give_block(void* block, size_t bytes) noexcept;

template <class T> struct Recycled {
  using value_type = T;
  static_assert(alignof(T) <= alignof(std::max_align_t));

  Recycled() = default;
  template <class U> Recycled(const Recycled<U>&) {}  // NOLINT: implicit, as allocators are
  T* allocate(size_t n) { return static_cast<T*>(take_block(n * sizeof(T))); }
  void deallocate(T* p, size_t n) noexcept { give_block(p, n * sizeof(T)); }
  template <class U> bool operator==(const Recycled<U>&) const { return true; }
};

template <class T> using List = std::vector<T, Recycled<T>>;

template <class T, class... A> std::shared_ptr<T> make_recycled(A&&... a) {
  return std::allocate_shared<T>(Recycled<T>(), std::forward<A>(a)...);
}

// Calls a copy of what it was made from, which is const. Null calls nothing: test it first.
template <class Sig> class Closure;
template <class R, class... A> class Closure<R(A...)> {
 public:
  Closure() = default;
  Closure(std::nullptr_t) {}  // NOLINT: implicit
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Closure> && std::is_invocable_r_v<R, const std::decay_t<F>&, A...>)
  Closure(F&& f) {  // NOLINT: implicit on purpose
    using Made = HeldAs<std::decay_t<F>>;
    void* block = take_block(sizeof(Made));
    try {
      held_ = new (block) Made(std::forward<F>(f));
    } catch (...) {
      give_block(block, sizeof(Made));
      throw;
    }
  }
  Closure(const Closure& o) : held_(o.held_) {
    if (held_) held_->users.fetch_add(1, std::memory_order_relaxed);
  }
  Closure(Closure&& o) noexcept : held_(std::exchange(o.held_, nullptr)) {}
  Closure& operator=(Closure o) noexcept {
    std::swap(held_, o.held_);
    return *this;
  }
  ~Closure() {
    if (held_ && held_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) held_->destroy(held_);
  }

  explicit operator bool() const { return held_ != nullptr; }
  R operator()(A... a) const { return held_->call(held_, std::forward<A>(a)...); }

 private:
  struct Held {
    std::atomic<size_t> users{1};
    R (*call)(const Held*, A...);
    void (*destroy)(Held*) noexcept;
  };
  template <class F> struct HeldAs : Held {
    template <class G> explicit HeldAs(G&& g) : f(std::forward<G>(g)) {
      this->call = [](const Held* h, A... a) -> R { return static_cast<const HeldAs*>(h)->f(std::forward<A>(a)...); };
      this->destroy = [](Held* h) noexcept {
        static_cast<HeldAs*>(h)->~HeldAs();
        give_block(h, sizeof(HeldAs));
      };
    }
    F f;
  };
  Held* held_ = nullptr;
};

}  // namespace bantam
