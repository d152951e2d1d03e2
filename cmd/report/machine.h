// What this machine can do, measured: the limits beside which times are printed. Measured anew at each call, because a
// machine's speed wanders, with its clock and with its neighbours.
#pragma once

#include <cstdint>

namespace bantam {

// Fused multiply-adds of f32 a second that the threads in use (set_threads) do together from registers alone: the best
// of several short bursts, some 30 ms in all.
double fma_peak();

// The same of products of bits, 64 to an xor, popcount and add of a word.
double popcount_peak();

// Bytes read and written a second by the threads in use, each copying a block of so many bytes to another one, the best
// of several tries: what the cache or the memory that the blocks fit in gives.
double copy_peak(int64_t block_bytes);

// Two threads may be two cores, or the two hardware threads of one core, which together are worth hardly more than one.
struct CoreProbe {
  int threads = 1;
  double one = 0, all = 0;  // fused multiply-adds a second of one thread, and of all together
  double ratio() const { return one > 0 ? all / one : 0; }
  // Whether each thread has (nearly) a core of its own.
  bool real_cores() const { return ratio() > 0.85 * threads; }
};
CoreProbe probe_cores(int threads);  // leaves the number of threads as it was

}  // namespace bantam
