// What this machine can do, measured: the limits beside which times are printed. Measured anew at each call, because a
// machine's speed wanders, with its clock and with its neighbours.
#pragma once

namespace bantam {

// Fused multiply-adds of f32 a second that the threads in use (set_threads) do together from registers alone: the best
// of several short bursts, some 30 ms in all.
double fma_peak();

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
