// Splits work over threads so that results never depend on how many there are: chunks are [0, grain), [grain, 2 grain),
// ... whatever the number of threads; a sum is a sum of chunk sums in chunk order. Backends: oneTBB, std::thread,
// serial (meson -Dthreads=), the only place in the project that knows them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace bantam {

// Threads to use from now on, 1 to kMaxThreads; 0 means as many as this process may use. The serial backend has 1.
constexpr int kMaxThreads = 256;
void set_threads(int n);
int threads();
const char* threads_backend();  // "tbb", "std", "serial"

// A reference to a callable: no allocation, no ownership.
template <class Sig> class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
  FunctionRef(F&& f)  // NOLINT: implicit on purpose
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* o, A... a) -> R { return (*static_cast<std::remove_reference_t<F>*>(o))(a...); }) {}
  R operator()(A... a) const { return call_(object_, a...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

// body(begin, end, lane) for each chunk of [0, n). `lane` is in [0, threads()) and no two chunks that run at the same
// time have the same: it indexes scratch memory. A body that throws ends the loop; the exception goes to the caller.
// A parallel_for inside a body runs serially on that body's lane. In a DryRun nothing runs.
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end, int lane)> body);

// Sum over chunks of body(begin, end), added up in chunk order. 0 in a DryRun.
double parallel_sum(int64_t n, int64_t grain, FunctionRef<double(int64_t begin, int64_t end)> body);

// About this many bytes or flops make a chunk worth handing to another thread.
constexpr int64_t kElementGrain = 32768;

}  // namespace bantam
